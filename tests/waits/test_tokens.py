"""Tokens: whoever answers, before or after the wait, twice or too late, and whoever dies meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from holdfast import TokenTimedOutError, create_token, gather, step, task, wait_for_token
from holdfast.domain.errors import InputError
from holdfast.domain.states import State
from holdfast.testing import CrashPlan, CrashPoint, FaultPoint, TaskEnvironment
from holdfast.testing.results import RunResult
from holdfast_engine.postgres.queries import queries
from tests.support.databases import Database

asked: list[str] = []


@pytest.fixture(autouse=True)
def nobody_asked() -> None:
    asked.clear()


@dataclass(frozen=True)
class Answer:
    approved: bool
    by: str


@step
async def ask(token: str) -> None:
    asked.append(token)


@task
async def approve() -> str:
    token = await create_token(tags=["approval"])
    await ask(str(token))
    answer = await wait_for_token(token, Answer)
    return f"{answer.by}: {answer.approved}"


@task
def approve_in_a_thread() -> Any:
    return wait_for_token.blocking(create_token.blocking())


@task
async def ask_two() -> list[Any]:
    first, second = await create_token(), await create_token()
    return await gather(wait_for_token(first), wait_for_token(second))


@task
async def ask_for_an_hour() -> str:
    token = await create_token(timeout=timedelta(hours=1))
    try:
        return str(await wait_for_token(token))
    except TokenTimedOutError:
        return "nobody answered"


@task
async def ask_by_key(key: str) -> Any:
    return await wait_for_token(await create_token(idempotency_key=key))


@task
async def wait_for_given(token: str) -> Any:
    return await wait_for_token(token)


async def test_a_run_waits_without_a_process_and_gets_the_answer(env: TaskEnvironment) -> None:
    waiting = await env.run(approve)
    assert (waiting.state, waiting.attempts) == (State.WAITING, 1)
    (token,) = await env.open_tokens(waiting)
    assert asked == [str(token)]

    await env.complete_token(token, {"approved": True, "by": "Ada"})
    done = await env.go_on(waiting, approve)

    assert (done.state, done.result, done.attempts) == (State.SUCCEEDED, "Ada: True", 2)
    assert asked == [str(token)]
    assert [(each.name, each.kind) for each in done.steps] == [
        ("create_token", "token"),
        ("ask", "step"),
        ("wait_for_token", "token"),
    ]


async def test_a_def_task_waits_too(env: TaskEnvironment) -> None:
    waiting = await env.run(approve_in_a_thread)
    (token,) = await env.open_tokens(waiting)
    await env.complete_token(token, 42)
    assert (await env.go_on(waiting, approve_in_a_thread)).result == 42


async def test_a_timer_that_has_gone_off_keeps_no_process(env: TaskEnvironment) -> None:
    @task(name="wait_beside_a_timer")
    async def wait() -> Any:
        token = await create_token()
        asyncio.get_running_loop().call_later(0.05, asked.append, "the timer")
        return await wait_for_token(token)

    waiting = await env.run(wait)
    assert (waiting.state, asked) == (State.WAITING, ["the timer"])


async def test_two_waits_go_on_with_the_first_answer_and_end_with_the_second(env: TaskEnvironment) -> None:
    waiting = await env.run(ask_two)
    first, second = await env.open_tokens(waiting)
    await env.complete_token(second, "two")
    waiting = await env.go_on(waiting, ask_two)
    assert (waiting.state, waiting.attempts) == (State.WAITING, 2)
    assert await env.open_tokens(waiting) == (first,)

    await env.complete_token(first, "one")
    done = await env.go_on(waiting, ask_two)
    assert done.result == ["one", "two"]
    assert [each.value for each in done.steps if each.name == "wait_for_token"] == ['"two"', '"one"']


async def test_an_answer_that_came_before_the_wait_is_taken_at_once(env: TaskEnvironment) -> None:
    earlier = await env.run(ask_by_key, key="order-42")
    (token,) = await env.open_tokens(earlier)
    await env.complete_token(token, "yes")
    later = await env.run(ask_by_key, key="order-42")
    assert (later.state, later.result, later.attempts) == (State.SUCCEEDED, "yes", 1)


async def test_nobody_answers_in_time(env: TaskEnvironment) -> None:
    waiting = await env.run(ask_for_an_hour)
    (token,) = await env.open_tokens(waiting)
    done = await env.go_on(waiting, ask_for_an_hour)
    assert done.result == "nobody answered"
    with pytest.raises(asyncpg.PostgresError, match="has timed out") as refused:
        await env.complete_token(token, "late")
    assert refused.value.sqlstate == "HF005"


async def test_an_answer_is_too_late_even_if_nobody_has_looked(env: TaskEnvironment) -> None:
    waiting = await env.run(ask_for_an_hour)
    (token,) = await env.open_tokens(waiting)
    await env.clock.advance(hours=1)
    with pytest.raises(asyncpg.PostgresError, match="has timed out"):
        await env.complete_token(token, "late")
    assert (await env.go_on(waiting, ask_for_an_hour)).result == "nobody answered"


async def test_the_first_answer_stands(env: TaskEnvironment) -> None:
    waiting = await env.run(ask_by_key, key="once")
    (token,) = await env.open_tokens(waiting)
    await env.complete_token(token, "yes")
    await env.complete_token(token, "yes")
    with pytest.raises(asyncpg.PostgresError, match="completed with another value") as refused:
        await env.complete_token(token, "no")
    assert refused.value.sqlstate == "HF004"
    assert (await env.go_on(waiting, ask_by_key)).result == "yes"


@pytest.mark.parametrize(
    ("value", "sqlstate"), [('"yes', "22P02"), ('{"$holdfast": "datetime"}', "HF004"), (f'"{"x" * 1048577}"', "HF006")]
)
async def test_a_value_that_cannot_be_is_refused_and_the_token_stays_open(
    env: TaskEnvironment, database: Database, value: str, sqlstate: str
) -> None:
    waiting = await env.run(ask_by_key, key="odd")
    (token,) = await env.open_tokens(waiting)
    connection = await database.connect()
    with pytest.raises(asyncpg.PostgresError) as refused:
        await connection.execute("select holdfast.complete_token($1, $2)", token.id, value)
    assert refused.value.sqlstate == sqlstate
    assert await env.open_tokens(waiting) == (token,)


async def test_an_answer_of_another_shape_ends_the_run_with_both_sides_shown(env: TaskEnvironment) -> None:
    waiting = await env.run(approve)
    (token,) = await env.open_tokens(waiting)
    await env.complete_token(token, {"approved": "perhaps", "by": "Ada"})
    ended = await env.go_on(waiting, approve)
    assert (ended.state, ended.failures) == (State.FAILED, 1)
    assert "approved" in str(ended.error)
    assert "perhaps" in str(ended.error)


async def test_no_such_token(env: TaskEnvironment) -> None:
    unknown = uuid4()
    ended = await env.run(wait_for_given, token=str(unknown))
    assert ended.state is State.FAILED
    assert f"this run knows no token {unknown}" in str(ended.error)


async def test_a_token_of_another_namespace_is_none(env: TaskEnvironment, database: Database) -> None:
    waiting = await env.run(ask_by_key, key="theirs")
    (token,) = await env.open_tokens(waiting)
    connection = await database.connect()
    await connection.execute("update holdfast.tokens set namespace = 'other'")
    ended = await env.run(wait_for_given, token=str(token))
    assert f"this run knows no token {token}" in str(ended.error)


async def test_what_is_no_id_is_said_at_the_line(env: TaskEnvironment) -> None:
    ended = await env.run(wait_for_given, token="approval-7")
    assert "'approval-7' is no token" in str(ended.error)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_what_the_database_has_no_text_for_is_said_at_the_line(text: str) -> None:
    with pytest.raises(InputError, match="idempotency_key"):
        await create_token(idempotency_key=text)
    with pytest.raises(InputError, match="tags"):
        await create_token(tags=[text])


BEFORE_THE_ANSWER = [
    *((FaultPoint.BEFORE_BODY, occurrence) for occurrence in (1, 2, 3)),
    *((FaultPoint.AFTER_BODY, occurrence) for occurrence in (1, 2)),
    *((FaultPoint.AFTER_RECORD, occurrence) for occurrence in (1, 2)),
    (FaultPoint.BEFORE_PARK, 1),
    (FaultPoint.AFTER_PARK, 1),
]
AFTER_THE_ANSWER = [
    FaultPoint.BEFORE_BODY,
    FaultPoint.AFTER_BODY,
    FaultPoint.AFTER_RECORD,
    FaultPoint.BEFORE_FINISH,
    FaultPoint.AFTER_FINISH,
]


@pytest.mark.parametrize(("point", "occurrence"), BEFORE_THE_ANSWER)
async def test_a_crash_before_the_answer_makes_no_second_token(
    env: TaskEnvironment, database: Database, point: FaultPoint, occurrence: int
) -> None:
    env.crash_at(point, occurrence=occurrence)
    waiting = await env.run(approve)
    await _answer_and_finish(env, database, waiting)


@pytest.mark.parametrize("point", AFTER_THE_ANSWER)
async def test_a_crash_after_the_answer_loses_nothing(
    env: TaskEnvironment, database: Database, point: FaultPoint
) -> None:
    waiting = await env.run(approve)
    env.crash_at(point)
    await _answer_and_finish(env, database, waiting)


async def _answer_and_finish(env: TaskEnvironment, database: Database, waiting: RunResult) -> None:
    assert waiting.state is State.WAITING
    (token,) = await env.open_tokens(waiting)
    await env.complete_token(token, {"approved": True, "by": "Ada"})
    done = await env.go_on(waiting, approve)
    assert (done.state, done.result) == (State.SUCCEEDED, "Ada: True")
    assert set(asked) == {str(token)}
    connection = await database.connect()
    assert await connection.fetchval("select count(*) from holdfast.tokens") == 1
    assert await connection.fetchval("select count(*) from holdfast.waits") == 0


async def test_the_token_goes_with_its_run(env: TaskEnvironment, database: Database) -> None:
    waiting = await env.run(approve)
    (token,) = await env.open_tokens(waiting)
    connection = await database.connect()
    await connection.execute("select holdfast.cancel_run($1)", waiting.run_id)
    assert await _count(connection, token.id) == 1
    await env.clock.advance(hours=1)
    await connection.execute(queries()["delete_finished_runs"].text, 60.0, 10)
    assert await _count(connection, token.id) == 0
    assert await connection.fetchval("select count(*) from holdfast.waits") == 0


async def test_a_token_that_another_run_waits_for_outlives_its_run(env: TaskEnvironment, database: Database) -> None:
    first = await env.run(ask_by_key, key="shared")
    (token,) = await env.open_tokens(first)
    second = await env.run(ask_by_key, key="shared")
    connection = await database.connect()
    await connection.execute("select holdfast.cancel_run($1)", first.run_id)
    await env.clock.advance(hours=1)
    await connection.execute(queries()["delete_finished_runs"].text, 60.0, 10)
    await env.complete_token(token, "yes")
    assert (await env.go_on(second, ask_by_key)).result == "yes"
    assert await connection.fetchval(queries()["delete_finished_runs"].text, 60.0, 10) == 1


async def _count(connection: asyncpg.Connection, token_id: UUID) -> int:
    count: int = await connection.fetchval("select count(*) from holdfast.tokens where id = $1", token_id)
    return count


@task(name="task-that-gets-half-a-character")
async def take_any_text() -> Any:
    return await wait_for_token(await create_token())


@pytest.mark.parametrize("value", ["\ud800", ["a\udc00b", "\0"], {"\ud800": 1}])
async def test_half_a_character_is_a_value_like_others(env: TaskEnvironment, value: Any) -> None:
    waiting = await env.run(take_any_text)
    (token,) = await env.open_tokens(waiting)
    await env.complete_token(token, value)
    plan = CrashPlan([CrashPoint(FaultPoint.AFTER_RECORD, "wait_for_token")])
    done = await env.drive(take_any_text, waiting.run_id, plan)
    assert (done.state, done.result, done.attempts) == ("Succeeded", value, 3), done.message
