"""Events: published before, while and after a run subscribes; each wakes every run that waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from holdfast import ConflictError, EventTimedOutError, gather, publish_event, step, task, wait_for_event
from holdfast.domain.errors import InputError, PayloadTooLargeError
from holdfast.domain.states import State
from holdfast.testing import FaultPoint, TaskEnvironment
from tests.support.databases import Database


@dataclass(frozen=True)
class Payment:
    order: str
    cents: int


@step
async def settle() -> None:
    """Something before the wait."""


@task
async def until_paid(order: str) -> str:
    payment = await wait_for_event("paid", Payment, match={"order": order})
    return f"{payment.order}: {payment.cents}"


@task
async def until_anything() -> Any:
    return await wait_for_event("paid")


@task
def until_anything_in_a_thread() -> Any:
    return wait_for_event.blocking("paid")


@task
async def look_back(seconds: float) -> Any:
    return await wait_for_event("paid", look_back=seconds)


@task
async def until_paid_or_an_hour() -> Any:
    try:
        return await wait_for_event("paid", timeout=timedelta(hours=1))
    except EventTimedOutError as error:
        return str(error)


@task
async def announce(value: Any, key: str | None = None) -> str:
    await settle()
    return str(await publish_event("paid", value, key=key))


@task
def announce_in_a_thread(value: Any) -> str:
    return str(publish_event.blocking("paid", value))


async def test_an_event_during_the_wait_is_taken(env: TaskEnvironment) -> None:
    waiting = await env.run(until_paid, order="42")
    assert (waiting.state, waiting.attempts) == (State.WAITING, 1)
    await env.publish_event("paid", {"order": "41", "cents": 5})
    assert (await env.go_on(waiting, until_paid)).attempts == 1
    await env.publish_event("paid", {"order": "42", "cents": 1200, "more": True})
    done = await env.go_on(waiting, until_paid)
    assert (done.state, done.result, done.attempts) == (State.SUCCEEDED, "42: 1200", 2)
    assert [(each.name, each.kind) for each in done.steps] == [("wait_for_event", "event")]


async def test_a_def_task_waits_too(env: TaskEnvironment) -> None:
    waiting = await env.run(until_anything_in_a_thread)
    await env.publish_event("paid", 1)
    assert (await env.go_on(waiting, until_anything_in_a_thread)).result == 1


async def test_an_event_before_the_wait_is_past(env: TaskEnvironment) -> None:
    await env.publish_event("paid", 1)
    waiting = await env.run(until_anything)
    assert waiting.state is State.WAITING
    await env.publish_event("paid", 2)
    assert (await env.go_on(waiting, until_anything)).result == 2


async def test_who_looks_back_takes_the_oldest_that_is_not_too_old(env: TaskEnvironment) -> None:
    for value in (1, 2, 3):
        await env.publish_event("paid", value)
        await env.clock.advance(hours=1)
    done = await env.run(look_back, seconds=2.5 * 3600)
    assert (done.result, done.attempts) == (2, 1)
    waiting = await env.run(look_back, seconds=1800.0)
    assert waiting.state is State.WAITING
    await env.publish_event("paid", 4)
    assert (await env.go_on(waiting, look_back)).result == 4


async def test_an_event_after_the_end_of_a_wait_changes_nothing(env: TaskEnvironment) -> None:
    waiting = await env.run(until_anything)
    await env.publish_event("paid", 1)
    await env.publish_event("paid", 2)
    assert (await env.go_on(waiting, until_anything)).result == 1


async def test_one_event_wakes_every_run_that_waits_for_it(env: TaskEnvironment) -> None:
    waiting = [await env.run(until_anything), await env.run(until_anything), await env.run(until_paid, order="7")]
    await env.publish_event("paid", {"order": "7", "cents": 1})
    for run, program in zip(waiting, (until_anything, until_anything, until_paid), strict=True):
        assert (await env.go_on(run, program)).state is State.SUCCEEDED


async def test_no_event_comes_in_time(env: TaskEnvironment) -> None:
    waiting = await env.run(until_paid_or_an_hour)
    done = await env.go_on(waiting, until_paid_or_an_hour)
    assert done.result == "no event 'paid' was published within 3600 s"


async def test_an_event_that_comes_too_late_is_none_even_if_nobody_has_looked(env: TaskEnvironment) -> None:
    waiting = await env.run(until_paid_or_an_hour)
    await env.clock.advance(hours=2)
    await env.publish_event("paid", 1)
    assert "no event" in (await env.go_on(waiting, until_paid_or_an_hour)).result


async def test_a_value_of_another_shape_ends_the_run_with_both_sides_shown(env: TaskEnvironment) -> None:
    waiting = await env.run(until_paid, order="42")
    await env.publish_event("paid", {"order": "42", "cents": "many"})
    ended = await env.go_on(waiting, until_paid)
    assert ended.state is State.FAILED
    assert "cents" in str(ended.error)


MATCHES = [
    ({"a": 1}, {"a": 1, "b": 2}, True),
    ({"a": 1}, {"a": 1.0}, True),
    ({"a": 1.50}, {"a": 1.5}, True),
    ({"a": 1}, {"a": "1"}, False),
    ({"a": True}, {"a": True}, True),
    ({"a": None}, {"a": None}, True),
    ({"a": None}, {"b": 1}, False),
    ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
    ({"a": {"b": 1}, "c": "x"}, {"a": {"b": 2}, "c": "x"}, False),
    ({"a": ["x"]}, {"a": ["y", "x"]}, True),
    ({"a": 'ä\n"', "b": "longer than a"}, {"a": 'ä\n"', "b": "longer than a"}, True),
    ({}, {"a": 1}, True),
    ({}, [1], False),
    ({"a": 1}, "a", False),
]


@pytest.mark.parametrize(("match", "value", "fits"), MATCHES, ids=lambda each: repr(each))
async def test_what_matches(env: TaskEnvironment, match: dict[str, Any], value: Any, fits: bool) -> None:
    @task(name="until_it_matches")
    async def until(match: dict[str, Any]) -> Any:
        return await wait_for_event("thing", match=match)

    waiting = await env.run(until, match=match)
    await env.publish_event("thing", value)
    assert ((await env.go_on(waiting, until)).state is State.SUCCEEDED) == fits

    @task(name="look_back_for_a_match")
    async def look(match: dict[str, Any]) -> Any:
        return await wait_for_event("thing", match=match, look_back=60)

    assert ((await env.run(look, match=match)).state is State.SUCCEEDED) == fits


async def test_two_waits_of_one_run_get_the_same_event(env: TaskEnvironment) -> None:
    @task(name="wait_twice_at_once")
    async def both() -> list[Any]:
        return await gather(wait_for_event("paid"), wait_for_event("paid", match={"a": 1}))

    waiting = await env.run(both)
    await env.publish_event("paid", {"a": 1})
    assert (await env.go_on(waiting, both)).result == [{"a": 1}, {"a": 1}]


@pytest.mark.postgres15
async def test_a_task_publishes_and_another_waits(env: TaskEnvironment, database: Database) -> None:
    waiting = await env.run(until_anything)
    published = await env.run(announce, value={"n": 1}, key="first")
    assert (await env.go_on(waiting, until_anything)).result == {"n": 1}
    connection = await database.connect()
    row = await connection.fetchrow("select id, namespace, name, key, value from holdfast.events")
    assert row is not None
    assert tuple(row) == (UUID(published.result), "testing", "paid", "first", '{"n":1}')


async def test_a_def_task_publishes(env: TaskEnvironment) -> None:
    waiting = await env.run(until_anything)
    await env.run(announce_in_a_thread, value=[1])
    assert (await env.go_on(waiting, until_anything)).result == [1]


async def test_the_first_write_of_a_key_stands(env: TaskEnvironment) -> None:
    first = await env.run(announce, value=1, key="once")
    again = await env.run(announce, value=1, key="once")
    other = await env.run(announce, value=2, key="once")
    assert again.result == first.result
    assert isinstance(other.error, ConflictError)
    assert "'once' was published with another value" in str(other.error)
    assert (await env.run(announce, value=2, key="twice")).state is State.SUCCEEDED


async def test_an_event_of_another_namespace_is_none(env: TaskEnvironment, database: Database) -> None:
    waiting = await env.run(until_anything)
    connection = await database.connect()
    await connection.execute("select holdfast.publish_event('other', 'paid', '1')")
    assert (await env.go_on(waiting, until_anything)).state is State.WAITING
    assert (await env.run(look_back, seconds=60.0)).state is State.WAITING


MOMENTS = [FaultPoint.BEFORE_BODY, FaultPoint.AFTER_BODY, FaultPoint.AFTER_RECORD]


@pytest.mark.parametrize("point", MOMENTS)
async def test_a_crash_of_who_publishes_publishes_once(
    env: TaskEnvironment, database: Database, point: FaultPoint
) -> None:
    env.crash_at(point, step="publish_event")
    done = await env.run(announce, value=1)
    assert (done.state, done.attempts) == (State.SUCCEEDED, 2)
    connection = await database.connect()
    assert [row["id"] for row in await connection.fetch("select id from holdfast.events")] == [UUID(done.result)]


@pytest.mark.parametrize("point", [*MOMENTS, FaultPoint.BEFORE_FINISH, FaultPoint.AFTER_FINISH])
async def test_a_crash_of_who_waits_misses_nothing_and_takes_the_first(env: TaskEnvironment, point: FaultPoint) -> None:
    waiting = await env.run(until_anything)
    await env.publish_event("paid", 1)
    await env.publish_event("paid", 2)
    env.crash_at(point)
    assert (await env.go_on(waiting, until_anything)).result == 1


@pytest.mark.parametrize("point", [FaultPoint.BEFORE_BODY, FaultPoint.BEFORE_PARK, FaultPoint.AFTER_PARK])
async def test_a_crash_before_the_event_misses_nothing(env: TaskEnvironment, point: FaultPoint) -> None:
    env.crash_at(point)
    waiting = await env.run(until_anything)
    await env.publish_event("paid", 1)
    assert (await env.go_on(waiting, until_anything)).result == 1


@pytest.mark.parametrize(
    ("name", "value", "key", "sqlstate"),
    [
        ("paid", '"yes', None, "22P02"),
        ("paid", '{"$holdfast": "datetime"}', None, "HF004"),
        ("paid", '"\\u0000"', None, "HF004"),
        ("paid", f'"{"x" * 1048577}"', None, "HF006"),
        ("", "1", None, "HF006"),
        ("paid", "1", "", "HF006"),
        ("paid", "1", "x" * 501, "HF006"),
    ],
)
async def test_what_cannot_be_published_is_refused(
    database: Database, name: str, value: str, key: str | None, sqlstate: str
) -> None:
    connection = await database.connect()
    with pytest.raises(asyncpg.PostgresError) as refused:
        await connection.execute("select holdfast.publish_event('tests', $1, $2, $3)", name, value, key)
    assert refused.value.sqlstate == sqlstate
    assert await connection.fetchval("select count(*) from holdfast.events") == 0


async def test_an_argument_that_cannot_be_is_said_at_the_line() -> None:
    with pytest.raises(InputError, match=r"wait_for_event.* name"):
        await wait_for_event("")
    with pytest.raises(InputError, match="timeout=-1"):
        await wait_for_event("paid", timeout=-1)
    with pytest.raises(InputError, match=r"look_back=.*kept"):
        await wait_for_event("paid", look_back=timedelta(days=8))
    with pytest.raises(InputError, match=r"match=.*object"):
        await wait_for_event("paid", match=[1])  # type: ignore[call-overload]  # what a caller without types does
    with pytest.raises(InputError, match="NUL"):
        await wait_for_event("paid", match={"a": "\0"})
    with pytest.raises(PayloadTooLargeError, match="EVENT_MATCH_LIMIT_BYTES"):
        await wait_for_event("paid", match={"a": "x" * 5000})
    with pytest.raises(InputError, match=r"publish_event.* name"):
        await publish_event("a\0b")
    with pytest.raises(InputError, match="key="):
        await publish_event("paid", key="")
