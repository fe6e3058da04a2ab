"""Runs that a run triggers: each exactly once, whoever dies; waited for without a process; canceled with the parent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from holdfast import (
    ChildFailedError,
    Retry,
    Token,
    batch_trigger_and_wait,
    create_token,
    gather,
    step,
    task,
    trigger,
    trigger_and_wait,
    wait_for_token,
)
from holdfast.domain.errors import InputError
from holdfast.domain.states import State
from holdfast.sdk.trigger_options import options_text
from holdfast.testing import FaultPoint, TaskEnvironment
from holdfast_engine.postgres.queries import queries
from tests.support.databases import Database

executed: list[str] = []


@pytest.fixture(autouse=True)
def nothing_executed() -> None:
    executed.clear()


@step
async def weigh(parcel: str) -> int:
    executed.append(parcel)
    return len(parcel)


@task(retry=Retry(max_attempts=1))
async def child_weighs(parcel: str) -> int:
    if parcel == "lost":
        raise LookupError("no such parcel")
    return await weigh(parcel)


@task
async def parent_of_one(parcel: str) -> int:
    grams: int = await trigger_and_wait(child_weighs, {"parcel": parcel})
    return grams


@task
def parent_in_a_thread(parcel: str) -> int:
    grams: int = trigger_and_wait.blocking(child_weighs, {"parcel": parcel})
    return grams


@task
async def parent_of_many(parcels: list[str]) -> list[Any]:
    ends = await batch_trigger_and_wait(child_weighs, [{"parcel": parcel} for parcel in parcels])
    return [end.value if end.error is None else end.error.error_message for end in ends]


@task
async def parent_that_goes_on(parcel: str) -> str:
    child = await trigger(child_weighs, {"parcel": parcel}, tags=["later"], priority=3)
    return child.name


@task
async def parent_of_two_branches() -> list[int]:
    return await gather(
        trigger_and_wait(child_weighs, {"parcel": "a"}), trigger_and_wait(child_weighs, {"parcel": "bb"})
    )


@task
async def grandparent(parcel: str) -> int:
    grams: int = await trigger_and_wait(parent_of_one, {"parcel": parcel})
    return grams


@task
async def endless() -> None:
    await trigger_and_wait(endless)


@task
async def child_asks() -> Any:
    return await wait_for_token(await create_token())


@task
async def parent_of_one_that_asks() -> Any:
    return await trigger_and_wait(child_asks)


@task(retry=Retry(max_attempts=1))
async def parent_of_a_lost_one_and_a_slow_one() -> list[Any]:
    return await gather(trigger_and_wait(child_weighs, {"parcel": "lost"}), trigger_and_wait(child_asks))


async def test_a_parent_gets_its_childs_result_and_waits_without_a_process(env: TaskEnvironment) -> None:
    done = await env.run(parent_of_one, parcel="books")
    assert (done.state, done.result, done.attempts) == (State.SUCCEEDED, 5, 2)
    assert executed == ["books"]
    assert [(each.name, each.kind) for each in done.steps] == [("trigger", "child"), ("wait_for_run", "child")]


async def test_a_def_task_has_children_too(env: TaskEnvironment) -> None:
    assert (await env.run(parent_in_a_thread, parcel="books")).result == 5


async def test_a_child_that_fails_is_an_error_that_says_which_and_why(env: TaskEnvironment) -> None:
    ended = await env.run(parent_of_one, parcel="lost")
    assert ended.state is State.FAILED
    assert isinstance(ended.error, ChildFailedError)
    assert (ended.error.state, ended.error.error_type) == ("Failed", "builtins:LookupError")
    assert "no such parcel" in str(ended.error)


async def test_a_dead_child_that_was_resumed_gives_its_result_to_its_parent(
    env: TaskEnvironment, database: Database
) -> None:
    ended = await env.run(parent_of_one, parcel="lost")
    connection = await database.connect()
    child_id = await connection.fetchval("select child_id from holdfast.children")
    assert await connection.fetchval("select holdfast.resume_run($1)", child_id) == "Queued"
    await connection.execute('update holdfast.runs set input = \'{"parcel": "found"}\' where id = $1', child_id)

    done = await env.resume(ended, parent_of_one)
    assert (done.state, done.result) == (State.SUCCEEDED, 5)
    assert await connection.fetchval("select count(*) from holdfast.children") == 1


async def test_a_batch_shows_partial_failures_and_wakes_its_parent_once(env: TaskEnvironment) -> None:
    done = await env.run(parent_of_many, parcels=["a", "lost", "ccc"])
    assert done.result == [1, "no such parcel", 3]
    assert done.attempts == 2
    assert sorted(executed) == ["a", "ccc"]


async def test_an_empty_batch_is_over_at_once(env: TaskEnvironment) -> None:
    done = await env.run(parent_of_many, parcels=[])
    assert (done.result, done.attempts) == ([], 1)


async def test_a_run_that_is_not_waited_for_goes_its_own_way(env: TaskEnvironment, database: Database) -> None:
    done = await env.run(parent_that_goes_on, parcel="books")
    connection = await database.connect()
    row = await connection.fetchrow(
        "select * from holdfast.runs where id = (select child_id from holdfast.children where parent_id = $1)",
        done.run_id,
    )
    assert row is not None
    assert (row["name"], row["state"], row["priority"], row["tags"]) == (done.result, "Queued", 3, ["later"])


async def test_children_of_branches_reach_their_own_branch(env: TaskEnvironment) -> None:
    assert (await env.run(parent_of_two_branches)).result == [1, 2]


async def test_children_have_children(env: TaskEnvironment) -> None:
    assert (await env.run(grandparent, parcel="books")).result == 5


async def test_recursion_without_an_end_ends_with_a_clear_error(env: TaskEnvironment) -> None:
    ended = await env.run(endless)
    assert ended.state is State.FAILED
    assert "ended as Failed" in str(ended.error)


async def test_input_that_does_not_fit_is_refused_at_the_trigger(env: TaskEnvironment, database: Database) -> None:
    @task(name="parent_with_bad_input", retry=Retry(max_attempts=1))
    async def parent() -> None:
        await trigger(child_weighs, {"parcels": "books"})

    ended = await env.run(parent)
    assert "parcels: no such parameter" in str(ended.error)
    connection = await database.connect()
    assert await connection.fetchval("select count(*) from holdfast.runs") == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("name", "My Child"), ("name", ""), ("queue", "q" * 64), ("queue", "a_b\n"), ("tags", "abc"), ("tags", [1])),
        *(
            ("priority", 2**31),
            ("priority", "1"),
            ("max_attempts", 0),
            ("idempotency_key", ""),
            ("concurrency_key", "\0"),
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused_at_the_line(option: str, value: object) -> None:
    with pytest.raises(InputError, match=option):
        options_text("weigh", {option: value})  # type: ignore[misc]  # that is what is tested


async def test_a_task_that_nobody_knows(env: TaskEnvironment) -> None:
    @task(name="parent_of_nobody", retry=Retry(max_attempts=1))
    async def parent() -> None:
        await trigger("weigh-nothing")

    ended = await env.run(parent)
    assert ended.state is State.FAILED
    assert "no task 'weigh-nothing' in namespace 'testing'" in str(ended.error)


CHILD_STATES = "select state from holdfast.runs r join holdfast.children c on c.child_id = r.id order by c.key"


async def test_the_children_of_a_dead_letter_go_on_and_a_resumed_parent_gets_their_results(
    env: TaskEnvironment, database: Database
) -> None:
    dead = await env.run(parent_of_a_lost_one_and_a_slow_one)
    assert (dead.state, type(dead.error)) == (State.FAILED, ChildFailedError)
    connection = await database.connect()
    states = {row["state"] for row in await connection.fetch(CHILD_STATES)}
    assert states in ({"Failed", "Queued"}, {"Failed", "Waiting"})  # whichever was admitted first

    await connection.execute("update holdfast.runs set input = '{\"parcel\": \"found\"}' where task = 'child_weighs'")
    await connection.execute("select holdfast.resume_run(id) from holdfast.runs where task = 'child_weighs'")
    waiting = await env.resume(dead, parent_of_a_lost_one_and_a_slow_one)
    assert waiting.state is State.WAITING
    await env.complete_token(Token(await connection.fetchval("select id from holdfast.tokens")), "yes")
    done = await env.go_on(waiting, parent_of_a_lost_one_and_a_slow_one)
    assert (done.state, done.result) == (State.SUCCEEDED, [5, "yes"])


async def test_the_children_of_a_discarded_dead_letter_are_canceled(env: TaskEnvironment, database: Database) -> None:
    dead = await env.run(parent_of_a_lost_one_and_a_slow_one)
    connection = await database.connect()
    await connection.execute("select holdfast.discard_run($1)", dead.run_id)
    await env.go_on(dead, parent_of_a_lost_one_and_a_slow_one)
    assert {row["state"] for row in await connection.fetch(CHILD_STATES)} == {"Failed", "Canceled"}
    assert await connection.fetchval("select count(*) from holdfast.ended_parents") == 0


async def test_the_children_of_a_canceled_parent_are_canceled(env: TaskEnvironment, database: Database) -> None:
    waiting = await env.run(parent_of_one_that_asks)
    connection = await database.connect()
    await connection.execute("select holdfast.cancel_run($1)", waiting.run_id)
    await env.go_on(waiting, parent_of_one_that_asks)
    assert [row["state"] for row in await connection.fetch(CHILD_STATES)] == ["Canceled"]


async def test_one_idempotency_key_is_one_run(env: TaskEnvironment, database: Database) -> None:
    @task(name="parent_by_key")
    async def parent() -> list[str]:
        asked = [await trigger(child_weighs, {"parcel": "x"}, idempotency_key="parcel-7") for _ in range(3)]
        return [str(child.id) for child in asked]

    done = await env.run(parent)
    assert len(set(done.result)) == 1
    connection = await database.connect()
    assert await connection.fetchval("select count(*) from holdfast.runs") == 2


MOMENTS = [
    *((FaultPoint.BEFORE_BODY, "trigger"), (FaultPoint.AFTER_BODY, "trigger"), (FaultPoint.AFTER_RECORD, "trigger")),
    *((FaultPoint.BEFORE_BODY, "wait_for_runs"), (FaultPoint.AFTER_BODY, "wait_for_runs")),
    *((FaultPoint.AFTER_RECORD, "wait_for_runs"), (FaultPoint.BEFORE_PARK, ""), (FaultPoint.AFTER_PARK, "")),
    *((FaultPoint.AFTER_BODY, "weigh"), (FaultPoint.BEFORE_FINISH, ""), (FaultPoint.AFTER_FINISH, "")),
]


@pytest.mark.parametrize(("point", "at"), MOMENTS)
async def test_a_crash_at_any_moment_makes_no_second_child(
    env: TaskEnvironment, database: Database, point: FaultPoint, at: str
) -> None:
    env.crash_at(point, step=at)
    done = await env.run(parent_of_many, parcels=["a", "bb", "ccc"])
    assert done.result == [1, 2, 3]
    connection = await database.connect()
    assert await connection.fetchval("select count(*) from holdfast.runs") == 4
    assert await connection.fetchval("select count(*) from holdfast.waits") == 0
    recorded = await connection.fetchval("select count(*) from holdfast.steps where name = 'weigh'")
    assert recorded == 3


async def test_a_finished_child_stays_until_its_parent_has_ended(env: TaskEnvironment, database: Database) -> None:
    @task(name="parent_that_rests")
    async def parent() -> int:
        child = await trigger(child_weighs, {"parcel": "books"})
        await wait_for_token(await create_token())
        return len(str(child.id))

    waiting = await env.run(parent)
    connection = await database.connect()
    child_id: UUID = await connection.fetchval("select child_id from holdfast.children")
    assert await connection.fetchval("select state from holdfast.runs where id = $1", child_id) == "Succeeded"
    await env.clock.advance(hours=1)
    assert await connection.fetchval(queries()["delete_finished_runs"].text, 60.0, 10) == 0
    await connection.execute("select holdfast.cancel_run($1)", waiting.run_id)
    assert await connection.fetchval(queries()["delete_finished_runs"].text, 60.0, 10) == 1
