"""Signals: sent before, while and after a run listens, and taken once each, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from holdfast import (
    LimitError,
    NotFoundError,
    Retry,
    SignalTimedOutError,
    WrongStateError,
    first_of,
    gather,
    receive,
    send,
    sleep,
    step,
    task,
)
from holdfast.domain.errors import InputError, PayloadTooLargeError
from holdfast.domain.states import State
from holdfast.testing import CrashPlan, FaultPoint, TaskEnvironment
from holdfast_engine.postgres.queries import queries
from tests.support.databases import Database


@dataclass(frozen=True)
class Order:
    item: str
    count: int


@task
async def take_one() -> Any:
    return await receive("note")


@task
async def take_three() -> list[Any]:
    return [await receive("note") for _ in range(3)]


@task
def take_in_a_thread() -> Any:
    return receive.blocking("note")


@task
async def take_an_order() -> str:
    order = await receive("order", Order)
    return f"{order.count} {order.item}"


@task
async def take_for_an_hour() -> Any:
    try:
        return await receive("note", timeout=timedelta(hours=1))
    except SignalTimedOutError:
        return "silence"


@task
async def take_side_by_side() -> list[Any]:
    return await gather(receive("note"), receive("note"))


@task
async def take_after_giving_up() -> list[Any]:
    index, _ = await first_of(receive("note"), sleep(hours=1))
    return [index, await receive("note")]


@task
async def tell(run: str, values: list[Any]) -> str:
    for value in values:
        await send(run, "note", value)
    return "told"


@task
def tell_in_a_thread(run: str) -> None:
    send.blocking(run, "note", "from a thread")


async def test_a_run_waits_without_a_process_and_takes_what_is_sent(env: TaskEnvironment) -> None:
    waiting = await env.run(take_one)
    assert (waiting.state, waiting.attempts) == (State.WAITING, 1)
    await env.send(waiting, "note", {"text": "hello"})
    done = await env.go_on(waiting, take_one)
    assert (done.state, done.result, done.attempts) == (State.SUCCEEDED, {"text": "hello"}, 2)
    assert [(each.name, each.kind) for each in done.steps] == [("receive", "signal")]


async def test_a_def_task_takes_one_too(env: TaskEnvironment) -> None:
    waiting = await env.run(take_in_a_thread)
    await env.send(waiting, "note", 42)
    assert (await env.go_on(waiting, take_in_a_thread)).result == 42


async def test_what_was_sent_before_anybody_listened_is_taken_in_order(env: TaskEnvironment) -> None:
    waiting = await env.run(take_three)
    for value in ("a", "b"):
        await env.send(waiting, "note", value)
    waiting = await env.go_on(waiting, take_three)
    assert (waiting.state, waiting.attempts) == (State.WAITING, 2)
    await env.send(waiting, "note", "c")
    assert (await env.go_on(waiting, take_three)).result == ["a", "b", "c"]


async def test_another_name_is_left_alone(env: TaskEnvironment) -> None:
    waiting = await env.run(take_one)
    await env.send(waiting, "other", 1)
    assert (await env.go_on(waiting, take_one)).state is State.WAITING
    await env.send(waiting, "note", 2)
    assert (await env.go_on(waiting, take_one)).result == 2


async def test_the_value_has_the_annotated_type(env: TaskEnvironment) -> None:
    waiting = await env.run(take_an_order)
    await env.send(waiting, "order", {"item": "kelp", "count": 3})
    assert (await env.go_on(waiting, take_an_order)).result == "3 kelp"


async def test_a_value_of_another_shape_ends_the_run_with_both_sides_shown(env: TaskEnvironment) -> None:
    waiting = await env.run(take_an_order)
    await env.send(waiting, "order", {"item": "kelp", "count": "many"})
    ended = await env.go_on(waiting, take_an_order)
    assert ended.state is State.FAILED
    assert "count" in str(ended.error)
    assert "many" in str(ended.error)


async def test_no_signal_comes_in_time(env: TaskEnvironment) -> None:
    waiting = await env.run(take_for_an_hour)
    assert waiting.state is State.WAITING
    assert (await env.go_on(waiting, take_for_an_hour)).result == "silence"


async def test_what_comes_too_late_is_kept_for_the_next(env: TaskEnvironment) -> None:
    @task(name="take_again_after_silence")
    async def take() -> list[Any]:
        try:
            return ["in time", await receive("note", timeout=3600)]
        except SignalTimedOutError:
            return ["late", await receive("note")]

    waiting = await env.run(take)
    await env.clock.advance(hours=2)
    await env.send(waiting, "note", 1)
    assert (await env.go_on(waiting, take)).result == ["late", 1]


async def test_a_wait_that_is_tried_again_has_its_whole_time_again(env: TaskEnvironment) -> None:
    @task(name="take_or_fail", retry=Retry(max_attempts=2, backoff=1.0))
    async def take() -> Any:
        return await receive("note", timeout=3600)

    waiting = await env.run(take)
    waiting = await env.go_on(waiting, take)
    assert (waiting.state, waiting.failures) == (State.WAITING, 1)
    await env.send(waiting, "note", "at last")
    assert (await env.go_on(waiting, take)).result == "at last"


async def test_two_that_wait_side_by_side_get_one_each(env: TaskEnvironment) -> None:
    waiting = await env.run(take_side_by_side)
    await env.send(waiting, "note", "first")
    waiting = await env.go_on(waiting, take_side_by_side)
    assert waiting.state is State.WAITING
    await env.send(waiting, "note", "second")
    assert (await env.go_on(waiting, take_side_by_side)).result == ["first", "second"]


async def test_who_gave_up_takes_nothing(env: TaskEnvironment) -> None:
    waiting = await env.run(take_after_giving_up)
    waiting = await env.go_on(waiting, take_after_giving_up)
    assert waiting.state is State.WAITING
    await env.send(waiting, "note", "for the second")
    assert (await env.go_on(waiting, take_after_giving_up)).result == [1, "for the second"]


async def test_what_a_canceled_call_had_taken_comes_back_in_its_turn(env: TaskEnvironment, database: Database) -> None:
    @step
    async def send_to_oneself(run: str) -> None:
        connection = await database.connect()
        for value in ("1", "2"):
            await connection.execute("select holdfast.send_signal($1, 'note', $2)", UUID(run), value)

    @task(name="take_and_be_canceled")
    async def take(run: str) -> list[Any]:
        # whether or not the first has got one already
        first = asyncio.ensure_future(receive("note"))
        await send_to_oneself(run)
        first.cancel()
        await asyncio.wait([first])
        if first.cancelled():
            return [await receive("note"), await receive("note")]
        return [first.result(), await receive("note")]

    run_id = await env.trigger(take, {"run": "later"})
    connection = await database.connect()
    await connection.execute("update holdfast.runs set input = $2 where id = $1", run_id, f'{{"run": "{run_id}"}}')
    done = await env.drive(take, run_id, CrashPlan())
    assert done.result == [1, 2]


@pytest.mark.postgres15
async def test_a_task_sends_to_a_run_by_id_and_by_name(env: TaskEnvironment, database: Database) -> None:
    waiting = await env.run(take_three)
    connection = await database.connect()
    name = await connection.fetchval("select name from holdfast.runs where id = $1", waiting.run_id)
    assert (await env.run(tell, run=str(waiting.run_id), values=["by id"])).result == "told"
    assert (await env.run(tell, run=name, values=["by name"])).result == "told"
    await env.run(tell_in_a_thread, run=name)
    assert (await env.go_on(waiting, take_three)).result == ["by id", "by name", "from a thread"]


async def test_a_signal_to_nobody_is_an_error(env: TaskEnvironment) -> None:
    unknown = str(uuid4())
    ended = await env.run(tell, run=unknown, values=[1])
    assert isinstance(ended.error, NotFoundError)
    assert unknown in str(ended.error)


async def test_a_run_of_another_namespace_is_none(env: TaskEnvironment, database: Database) -> None:
    waiting = await env.run(take_one)
    connection = await database.connect()
    await connection.execute("update holdfast.runs set namespace = 'other' where id = $1", waiting.run_id)
    assert isinstance((await env.run(tell, run=str(waiting.run_id), values=[1])).error, NotFoundError)


async def test_a_signal_to_a_finished_run_is_an_error(env: TaskEnvironment) -> None:
    waiting = await env.run(take_one)
    await env.send(waiting, "note", 1)
    done = await env.go_on(waiting, take_one)
    ended = await env.run(tell, run=str(done.run_id), values=[1])
    assert isinstance(ended.error, WrongStateError)
    assert "has ended as Succeeded" in str(ended.error)
    with pytest.raises(asyncpg.PostgresError, match="has ended as Succeeded") as refused:
        await env.send(done, "note", 2)
    assert refused.value.sqlstate == "HF005"


async def test_a_thousand_wait_for_a_run_and_no_more(env: TaskEnvironment, database: Database) -> None:
    waiting = await env.run(take_three)
    connection = await database.connect()
    await connection.execute(
        "select holdfast.send_signal($1, 'other', '1') from generate_series(1, 1000)", waiting.run_id
    )
    with pytest.raises(asyncpg.PostgresError, match="1000 signals wait") as refused:
        await env.send(waiting, "note", 1)
    assert refused.value.sqlstate == "HF006"
    assert isinstance((await env.run(tell, run=str(waiting.run_id), values=[1])).error, LimitError)


@pytest.mark.parametrize(
    ("name", "value", "sqlstate"),
    [
        ("note", '"yes', "22P02"),
        ("note", '{"$holdfast": "datetime"}', "HF004"),
        ("note", f'"{"x" * 1048577}"', "HF006"),
        ("", "1", "HF006"),
        ("x" * 201, "1", "HF006"),
    ],
)
async def test_what_cannot_be_sent_is_refused(
    env: TaskEnvironment, database: Database, name: str, value: str, sqlstate: str
) -> None:
    waiting = await env.run(take_one)
    connection = await database.connect()
    with pytest.raises(asyncpg.PostgresError) as refused:
        await connection.execute("select holdfast.send_signal($1, $2, $3)", waiting.run_id, name, value)
    assert refused.value.sqlstate == sqlstate
    assert await connection.fetchval("select count(*) from holdfast.signals") == 0


async def test_an_argument_that_cannot_be_is_said_at_the_line() -> None:
    with pytest.raises(InputError, match=r"receive.* name"):
        await receive("")
    with pytest.raises(InputError, match=r"receive.*timeout=0"):
        await receive("note", timeout=0)
    with pytest.raises(InputError, match=r"send.* name"):
        await send("run", "a\0b")
    with pytest.raises(InputError, match="id or the name"):
        await send("\0", "note")
    with pytest.raises(InputError, match="value without JSON"):
        await send("run", "note", object())
    with pytest.raises(PayloadTooLargeError, match="RESULT_LIMIT_BYTES"):
        await send("run", "note", "x" * 1048577)


MOMENTS = [
    FaultPoint.BEFORE_BODY,
    FaultPoint.AFTER_BODY,
    FaultPoint.AFTER_RECORD,
    FaultPoint.BEFORE_PARK,
    FaultPoint.AFTER_PARK,
]


@pytest.mark.parametrize("point", [*MOMENTS, FaultPoint.BEFORE_FINISH, FaultPoint.AFTER_FINISH])
async def test_a_crash_of_who_takes_neither_loses_nor_doubles(env: TaskEnvironment, point: FaultPoint) -> None:
    waiting = await env.run(take_three)
    await env.send(waiting, "note", "a")
    if point in MOMENTS:
        env.crash_at(point)
        waiting = await env.go_on(waiting, take_three)
        assert waiting.state is State.WAITING
    await env.send(waiting, "note", "b")
    await env.send(waiting, "note", "c")
    if point not in MOMENTS:
        env.crash_at(point)
    done = await env.go_on(waiting, take_three)
    assert (done.state, done.result) == (State.SUCCEEDED, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("point", "occurrence"),
    [*((point, occurrence) for point in MOMENTS[:3] for occurrence in (1, 2)), (FaultPoint.BEFORE_FINISH, 1)],
)
async def test_a_crash_of_who_sends_sends_once(env: TaskEnvironment, point: FaultPoint, occurrence: int) -> None:
    waiting = await env.run(take_three)
    env.crash_at(point, occurrence=occurrence)
    assert (await env.run(tell, run=str(waiting.run_id), values=["a", "b"])).result == "told"
    await env.send(waiting, "note", "c")
    assert (await env.go_on(waiting, take_three)).result == ["a", "b", "c"]


async def test_another_version_of_the_program_waits_for_what_it_names(env: TaskEnvironment) -> None:
    waiting = await env.run(take_one)

    @task(name="take_renamed")
    async def renamed() -> Any:
        return await receive("letter")

    await env.send(waiting, "letter", "new")
    await env.send(waiting, "note", "old")
    assert (await env.go_on(waiting, renamed)).result == "new"


async def test_signals_go_with_their_run(env: TaskEnvironment, database: Database) -> None:
    waiting = await env.run(take_one)
    await env.send(waiting, "other", 1)
    connection = await database.connect()
    await connection.execute("select holdfast.cancel_run($1)", waiting.run_id)
    await env.clock.advance(hours=1)
    await connection.execute(queries()["delete_finished_runs"].text, 60.0, 10)
    for table in ("signals", "subscriptions", "waits"):
        assert await connection.fetchval(f"select count(*) from holdfast.{table}") == 0
