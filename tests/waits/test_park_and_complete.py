"""A token that is completed while a run parks for it: whoever is first, the run goes on."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.support.databases import Database
from tests.support.locks import until_blocked
from tests.support.protocol import ControlPlane, Pod

COMPLETE = "select holdfast.complete_token($1, '1')"


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


async def parked(control: ControlPlane, **changed: Any) -> tuple[Pod, Any]:
    """A run that is parked for a token of its own."""
    pod = await control.opened()
    token_id = await pod.create_token(uuid4())
    await pod.park("token", None, subjects=[token_id], groups=[0], **changed)
    return pod, token_id


async def test_a_run_parks_for_a_token_and_has_no_time(control: ControlPlane) -> None:
    pod, token_id = await parked(control)
    run = await control.run(pod.run_id)
    assert (run["state"], run["wait_kind"], run["due_at"], run["wake_at"]) == ("Waiting", "token", None, None)
    await control.call("complete_token", token_id, "1")
    run = await control.run(pod.run_id)
    assert (run["state"], run["wait_kind"]) == ("Queued", None)
    assert (await control.admit(pod.run_id)).attempt == 2


async def test_a_completion_that_is_not_committed_yet_is_waited_for(control: ControlPlane, database: Database) -> None:
    pod = await control.opened()
    token_id = await pod.create_token(uuid4())
    other, observer = await database.connect(), await database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute(COMPLETE, token_id)

    park = asyncio.create_task(pod.park("token", None, subjects=[token_id], groups=[0]))
    await until_blocked(observer, pod.connection, park)
    await transaction.commit()

    assert await park == "Waiting"
    assert await control.call("queue_due_runs", [pod.run_id]) == 1


async def test_a_completion_waits_for_a_park_that_is_not_committed_yet(
    control: ControlPlane, database: Database
) -> None:
    pod = await control.opened()
    token_id = await pod.create_token(uuid4())
    other, observer = await database.connect(), await database.connect()
    transaction = control.connection.transaction()
    await transaction.start()
    await pod.park("token", None, subjects=[token_id], groups=[0])

    completion = asyncio.create_task(other.execute(COMPLETE, token_id))
    await until_blocked(observer, other, completion)
    await transaction.commit()
    await completion

    assert (await control.run(pod.run_id))["state"] == "Queued"


async def test_a_completion_that_is_rolled_back_wakes_nobody(control: ControlPlane, database: Database) -> None:
    pod, token_id = await parked(control)
    other = await database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute(COMPLETE, token_id)
    await transaction.rollback()
    assert (await control.run(pod.run_id))["state"] == "Waiting"
    await control.call("complete_token", token_id, "2")
    assert (await control.run(pod.run_id))["state"] == "Queued"


async def test_a_suspended_run_goes_on_only_when_it_may(control: ControlPlane) -> None:
    pod, token_id = await parked(control)
    assert await control.call("suspend_run", pod.run_id) == "Suspended"
    await control.call("complete_token", token_id, "1")
    assert (await control.run(pod.run_id))["state"] == "Suspended"
    assert await control.call("unsuspend_run", pod.run_id) == "Waiting"
    assert await control.call("queue_due_runs", [pod.run_id]) == 1


async def test_an_answer_to_a_canceled_run_changes_nothing(control: ControlPlane) -> None:
    pod, token_id = await parked(control)
    assert await control.call("cancel_run", pod.run_id) == "Canceled"
    await control.call("complete_token", token_id, "1")
    assert (await control.run(pod.run_id))["state"] == "Canceled"


async def test_what_a_run_waited_for_before_wakes_it_no_more(control: ControlPlane) -> None:
    pod = await control.opened()
    first, second = await pod.create_token(uuid4()), await pod.create_token(uuid4())
    await pod.park("token", 0.0, subjects=[first], groups=[0])
    await control.call("queue_due_runs", [pod.run_id])
    again = await control.admit(pod.run_id)
    await again.open()
    await again.park("token", None, subjects=[second], groups=[0])
    await control.call("complete_token", first, "1")
    assert (await control.run(pod.run_id))["state"] == "Waiting"


async def test_two_runs_wait_for_one_token(control: ControlPlane) -> None:
    pod, token_id = await parked(control)
    other = await control.opened()
    await other.park("token", None, subjects=[token_id], groups=[0])
    await control.call("complete_token", token_id, "1")
    assert {(await control.run(each.run_id))["state"] for each in (pod, other)} == {"Queued"}


async def test_callers_at_the_same_time_get_one_answer_through(control: ControlPlane, database: Database) -> None:
    pod, token_id = await parked(control)
    connections = [await database.connect() for _ in range(8)]
    answers = await asyncio.gather(
        *(
            each.execute("select holdfast.complete_token($1, $2)", token_id, str(number))
            for number, each in enumerate(connections)
        ),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, asyncpg.PostgresError)]
    assert [error.sqlstate for error in refused] == ["HF004"] * 7
    again = await control.admit(pod.run_id)
    await again.open()
    assert int((await again.look(token_id))[token_id]["value"]) in range(8)


async def test_the_answer_to_a_park_was_lost(control: ControlPlane) -> None:
    pod, token_id = await parked(control)
    assert await pod.park("token", None, subjects=[token_id], groups=[0]) == "Waiting"


async def test_a_run_makes_a_thousand_tokens_and_no_more(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.connection.execute(
        "insert into holdfast.tokens (id, namespace, run_id, created_at) "
        "select gen_random_uuid(), 'tests', $1, now() from generate_series(1, 1000)",
        pod.run_id,
    )
    with pytest.raises(asyncpg.PostgresError, match="1000 tokens") as refused:
        await pod.create_token(uuid4())
    assert refused.value.sqlstate == "HF006"
