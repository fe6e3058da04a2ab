"""What a run may do to runs that are not its own, by tokens and children: nothing but what it was told of."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from holdfast_engine.postgres.queries import queries
from tests.support.databases import Database
from tests.support.protocol import BAD_STATE, CONFLICT, ControlPlane, refused


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


def by_key(key: str) -> list[str]:
    return [json.dumps({"idempotency_key": key, "defaults": {"entrypoint": "tasks:work"}})]


async def test_who_knows_run_and_place_does_not_know_the_token(control: ControlPlane) -> None:
    pod, place = await control.opened(), uuid4()
    token_id = await pod.create_token(place)
    assert token_id != place
    assert await pod.create_token(place) == token_id


async def test_nobody_takes_the_token_of_another_run_before_it_does(control: ControlPlane) -> None:
    thief, pod, place = await control.opened(), await control.opened(), uuid4()
    stolen = await thief.create_token(place)
    assert await pod.create_token(place) not in (None, stolen)


async def test_the_last_token_is_found_again(control: ControlPlane) -> None:
    pod, place = await control.opened(), uuid4()
    await control.connection.execute(
        "insert into holdfast.tokens (id, namespace, run_id, created_at) "
        "select gen_random_uuid(), 'tests', $1, now() from generate_series(1, 999)",
        pod.run_id,
    )
    token_id = await pod.create_token(place)
    assert await pod.create_token(place) == token_id


async def test_open_tokens_are_listed_newest_first(control: ControlPlane) -> None:
    pod = await control.opened()
    made = [await pod.create_token(uuid4()) for _ in range(8)]
    rows = await control.connection.fetch(queries()["list_tokens"].text, "tests", False, 50)
    assert [row["id"] for row in rows] == made[::-1]


async def test_a_registered_task_runs_its_own_program(control: ControlPlane) -> None:
    await control.connection.execute(
        "insert into holdfast.tasks (namespace, name, entrypoint) values ('tests', 'pay', 'payments:pay')"
    )
    parent = await control.opened()
    async with refused(CONFLICT, "entrypoint"):
        await parent.trigger("0/trigger#1:0", tasks=["pay"], options=['{"entrypoint": "os:abort"}'])


async def test_a_run_does_not_wait_for_itself(control: ControlPlane) -> None:
    pod = await control.opened(idempotency_key="only-one")
    async with refused(CONFLICT, "would trigger itself"):
        await pod.trigger("0/trigger#1:0", options=by_key("only-one"))


async def test_a_run_does_not_wait_for_one_that_waits_for_it(control: ControlPlane) -> None:
    mother = await control.opened(idempotency_key="mother")
    (child_id,) = (await mother.trigger("0/trigger#1:0")).values()
    await control.connection.execute("update holdfast.runs set launcher = id::text where id = $1", child_id)
    child = await control.admit(child_id)
    await child.open()
    async with refused(CONFLICT, "or a run that waits for it"):
        await child.trigger("0/trigger#1:0", options=by_key("mother"))


async def test_a_run_that_was_found_by_its_key_does_not_follow(control: ControlPlane) -> None:
    found = await control.trigger(idempotency_key="shared")
    parent = await control.opened()
    assert list((await parent.trigger("0/trigger#1:0", options=by_key("shared"))).values()) == [found]
    await control.call("cancel_run", parent.run_id)
    await parent.finish("Canceled")
    assert await control.call("cancel_follower") is None
    assert (await control.run(found))["state"] == "Queued"


async def test_a_parent_that_goes_on_keeps_its_children(control: ControlPlane) -> None:
    parent = await control.opened()
    (child_id,) = (await parent.trigger("0/trigger#1:0")).values()
    await parent.finish("Failed", **{"class": "NonRetryable"})
    await control.call("discard_run", parent.run_id)
    assert await control.call("resume_run", parent.run_id) == "Queued"
    assert await control.call("cancel_follower") is None
    assert (await control.run(child_id))["state"] == "Queued"


async def test_an_answer_in_a_transaction_that_cannot_see_who_waits_is_refused(
    control: ControlPlane, database: Database
) -> None:
    pod = await control.opened()
    token_id = await pod.create_token(uuid4())
    other = await database.connect()
    transaction = other.transaction(isolation="repeatable_read")
    await transaction.start()
    await other.execute("select 1")
    await pod.park("token", None, subjects=[token_id], groups=[0])
    async with refused(BAD_STATE, "only seen at the isolation level read committed"):
        await other.execute("select holdfast.complete_token($1, '1')", token_id)
    await transaction.rollback()
    await control.call("complete_token", token_id, "1")
    assert (await control.run(pod.run_id))["state"] == "Queued"


async def test_a_run_parks_for_nothing_of_strangers(control: ControlPlane) -> None:
    pod, stranger = await control.opened(), await control.opened()
    (child_id,) = (await stranger.trigger("0/trigger#1:0")).values()
    token_id = await stranger.create_token(uuid4())
    await control.connection.execute("update holdfast.tokens set namespace = 'others' where id = $1", token_id)
    await pod.park("child", None, subjects=[stranger.run_id, child_id, token_id], groups=[0, 0, 0])
    assert await control.connection.fetchval("select count(*) from holdfast.waits") == 0
    assert await control.call("queue_due_runs", [pod.run_id]) == 1


async def test_a_run_that_parks_locks_no_strangers(control: ControlPlane, database: Database) -> None:
    pod, stranger = await control.opened(), await control.opened()
    other = await database.connect()
    async with control.connection.transaction():
        await pod.park("child", None, subjects=[stranger.run_id], groups=[0])
        locked = "select id from holdfast.runs where id = $1 for update nowait"
        assert await other.fetchval(locked, stranger.run_id) == stranger.run_id


async def test_a_dead_letter_keeps_the_children_that_it_may_ask_for(control: ControlPlane) -> None:
    parent = await control.opened()
    (child_id,) = (await parent.trigger("0/trigger#1:0")).values()
    await parent.finish("Failed", **{"class": "NonRetryable"})
    await control.call("cancel_run", child_id)
    delete = queries()["delete_finished_runs"].text
    assert await control.connection.fetchval(delete, -1.0, 10) == 0
    assert (await control.run(child_id))["state"] == "Canceled"
    await control.call("discard_run", parent.run_id)
    assert await control.connection.fetchval(delete, -1.0, 10) >= 1
