"""A run that ends without success undoes what its steps did, the latest first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from holdfast import (
    NonRetryableError,
    Retry,
    create_token,
    gather,
    now,
    sleep,
    step,
    task,
    trigger_and_wait,
    wait_for_token,
)
from holdfast.runtime.faults import FaultPoint
from holdfast.testing import CrashPlan, TaskEnvironment
from tests.endings.hotel import ONCE, broken, look, note_down, release, reserve, reserve_by_key
from tests.endings.hotel import done as did
from tests.support.databases import Database


@pytest.fixture
def locked() -> Iterator[set[str]]:
    """Rooms that cannot be released."""
    yield broken
    broken.clear()


@task(name="endings_fails", retry=Retry(max_attempts=2, backoff=0.0))
async def fails() -> None:
    await reserve("a")
    await look("b")
    await reserve("b")
    raise LookupError("no more rooms")


async def test_it_undoes_what_succeeded_in_reverse(environment: TaskEnvironment, done: list[str]) -> None:
    run = await environment.run(fails)
    assert done == ["reserve a", "look at b", "reserve b", "release b", "release a"]
    assert (run.state, run.reason, run.failures, run.attempts) == ("Failed", "ExceptionRaised", 2, 3)
    assert "no more rooms" in str(run.error)
    assert [(step.key, step.kind, step.attempt) for step in run.steps[-2:]] == [
        ("closing/0/reserve#2/compensate#1", "compensation", 3),
        ("closing/0/reserve#1/compensate#1", "compensation", 3),
    ]


async def test_nothing_is_undone_after_success(environment: TaskEnvironment, done: list[str]) -> None:
    @task
    async def stays() -> str:
        return await reserve("a")

    assert (await environment.run(stays)).state == "Succeeded"
    assert done == ["reserve a"]


async def test_a_run_without_compensations_ends_as_ever(environment: TaskEnvironment, done: list[str]) -> None:
    @task(retry=ONCE)
    async def looks() -> None:
        await look("a")
        raise LookupError

    run = await environment.run(looks)
    assert (run.state, run.attempts, [each.kind for each in run.steps]) == ("Failed", 1, ["step"])


async def test_what_is_not_worth_a_retry_is_undone_at_once(environment: TaskEnvironment, done: list[str]) -> None:
    @task
    async def gives_up() -> None:
        await reserve("a")
        raise NonRetryableError("closed for the season")

    run = await environment.run(gives_up)
    assert (run.state, run.attempts, done[-1]) == ("Failed", 2, "release a")


async def test_a_retry_alone_undoes_nothing(environment: TaskEnvironment, done: list[str]) -> None:
    @task(retry=Retry(max_attempts=2, backoff=0.0))
    async def second_time_lucky() -> None:
        await reserve("a")
        did.append("try")
        if did.count("try") == 1:
            raise LookupError

    assert (await environment.run(second_time_lucky)).state == "Succeeded"
    assert done == ["reserve a", "try", "try"]


async def test_def_steps_and_plain_functions(environment: TaskEnvironment, done: list[str]) -> None:
    @task(retry=ONCE)
    def notes_twice() -> None:
        note_down("a")
        note_down("b")
        raise LookupError

    await environment.run(notes_twice)
    assert done == ["note a", "note b", "forget b", "forget a"]


async def test_a_lambda_around_a_step(environment: TaskEnvironment, done: list[str]) -> None:
    @dataclass
    class Booking:
        room: str

    @step(compensate=lambda booking: release(booking.room))
    async def book(room: str) -> Booking:
        return Booking(room)

    @task(retry=ONCE)
    async def books() -> None:
        await book("a")
        raise LookupError

    run = await environment.run(books)
    assert (run.reason, done) == ("ExceptionRaised", ["release a"])


async def test_branches_keys_and_bodies(environment: TaskEnvironment, done: list[str]) -> None:
    @step(compensate=lambda rooms: did.append(f"release {len(rooms)} rooms"))
    async def both(*rooms: str) -> list[str]:
        return [await reserve(room) for room in rooms]

    @task(retry=ONCE)
    async def many() -> None:
        await gather(reserve_by_key("a"), asyncio.to_thread(note_down, "b"))
        await both("c", "d")
        raise LookupError

    run = await environment.run(many)
    order = [line.split()[1] for line in done if line.split()[0] in ("reserve", "note")]
    assert done[-5:] == [
        "release 2 rooms",
        "release d",
        "release c",
        *(f"{'forget' if room == 'b' else 'release'} {room}" for room in reversed(order[:2])),
    ]
    assert run.reason == "ExceptionRaised"


async def test_a_step_that_failed_is_not_undone(environment: TaskEnvironment, done: list[str]) -> None:
    @step(compensate=release)
    async def almost(room: str) -> str:
        raise LookupError(room)

    @task(retry=ONCE)
    async def tries() -> None:
        await reserve("a")
        await almost("b")

    await environment.run(tries)
    assert done == ["reserve a", "release a"]


async def test_except_around_everything(environment: TaskEnvironment, done: list[str]) -> None:
    @task
    async def swallows() -> None:
        token = await create_token()
        try:
            await reserve("a")
            await wait_for_token(token)
        except:  # noqa: E722  # the worst there is
            did.append("swallowed")

    waiting = await environment.run(swallows)
    run = await environment.cancel(waiting, swallows)
    assert (run.state, done.count("release a"), done[-1]) == ("Canceled", 1, "release a")


async def test_a_compensation_is_tried_again(environment: TaskEnvironment, done: list[str], locked: set[str]) -> None:
    @step(retry=Retry(max_attempts=5, backoff=0.0))
    async def unlock_late(room: str) -> None:
        did.append(f"unlock {room}")
        if did.count(f"unlock {room}") < 3:
            raise OSError(room)

    @step(compensate=unlock_late)
    async def lock(room: str) -> str:
        return room

    @task(retry=ONCE)
    async def locks() -> None:
        await lock("a")
        raise LookupError

    run = await environment.run(locks)
    assert (run.reason, run.attempts, done) == ("ExceptionRaised", 2, ["unlock a"] * 3)
    assert run.steps[-1].tries == 3


async def test_one_that_never_succeeds_is_a_dead_letter(
    environment: TaskEnvironment, done: list[str], locked: set[str]
) -> None:
    locked.add("a")
    run = await environment.run(fails)
    assert (run.state, run.reason) == ("Failed", "CompensationFailed")
    assert run.message is not None
    assert run.message.startswith("left undone: 0/reserve#1. The run had ended as Failed (ExceptionRaised)")
    assert "a is locked" in run.message
    assert "no more rooms" in str(run.error)
    assert done.count("release b") == 1
    assert done.count("release a") == 3 * 2

    locked.clear()
    resumed = await environment.resume(run, fails)
    assert (resumed.state, resumed.reason, resumed.failures) == ("Failed", "ExceptionRaised", 2)
    assert (done.count("release b"), done.count("release a")) == (1, 7)


async def test_later_ones_wait_for_one_that_fails(
    environment: TaskEnvironment, done: list[str], locked: set[str]
) -> None:
    locked.add("b")
    run = await environment.run(fails)
    assert run.message is not None
    assert run.message.startswith("left undone: 0/reserve#2, 0/reserve#1. ")
    assert "release a" not in done


async def test_what_was_compensated_is_not_resumed(environment: TaskEnvironment, done: list[str]) -> None:
    run = await environment.run(fails)
    with pytest.raises(Exception, match="was compensated: what it did is undone"):
        await environment.resume(run, fails)


async def test_cancel_of_a_run_that_waits(environment: TaskEnvironment, done: list[str]) -> None:
    @task
    async def waits() -> None:
        await reserve("a")
        await wait_for_token(await create_token())
        await reserve("b")

    waiting = await environment.run(waits)
    run = await environment.cancel(waiting, waits)
    assert (run.state, run.reason, run.attempts) == ("Canceled", "Canceled", 2)
    assert done == ["reserve a", "release a"]
    assert (await environment.cancel(run, waits)).attempts == 2


async def test_a_canceled_run_that_cannot_be_undone_is_a_dead_letter(
    environment: TaskEnvironment, done: list[str], locked: set[str]
) -> None:
    @task
    async def waits_locked() -> None:
        await reserve("a")
        await wait_for_token(await create_token())

    locked.add("a")
    run = await environment.cancel(await environment.run(waits_locked), waits_locked)
    assert (run.state, run.reason) == ("Failed", "CompensationFailed")
    locked.clear()
    assert (await environment.resume(run, waits_locked)).state == "Canceled"


async def test_a_changed_program_leaves_it_resumable(environment: TaskEnvironment, done: list[str]) -> None:
    @task(name="endings_changes")
    async def before() -> None:
        await reserve("a")
        await wait_for_token(await create_token())

    @task(name="endings_changes_too")
    async def after() -> None:
        await look("a")

    waiting = await environment.run(before)
    (token,) = await environment.open_tokens(waiting)
    await environment.complete_token(token)
    run = await environment.go_on(waiting, after)
    assert (run.state, run.reason, done) == ("Failed", "HistoryMismatch", ["reserve a"])
    assert (await environment.resume(run, before)).state == "Succeeded"


async def test_a_compensation_may_wait_and_have_steps(environment: TaskEnvironment, done: list[str]) -> None:
    async def slowly(room: str) -> None:
        await look(room)
        began = now()
        await sleep(hours=1)
        did.append(f"waited {(now() - began).total_seconds() >= 3600}")

    @step(compensate=slowly)
    async def hold(room: str) -> str:
        return room

    @task(retry=ONCE)
    async def holds() -> None:
        await hold("a")
        raise LookupError

    run = await environment.run(holds)
    assert (run.reason, run.attempts, done) == ("ExceptionRaised", 3, ["look at a", "waited True"])


@pytest.mark.parametrize("point", [FaultPoint.BEFORE_BODY, FaultPoint.AFTER_BODY, FaultPoint.AFTER_RECORD])
async def test_a_crash_in_a_compensation(environment: TaskEnvironment, done: list[str], point: FaultPoint) -> None:
    environment.crash_at(point, step="compensate")
    run = await environment.run(fails)
    assert (run.state, run.reason, run.attempts) == ("Failed", "ExceptionRaised", 4)
    assert done.count("release b") == (2 if point is FaultPoint.AFTER_BODY else 1)
    assert done[-1] == "release a"


@pytest.mark.parametrize("crash", [False, True])
async def test_what_a_later_attempt_replaces_is_undone_too(
    environment: TaskEnvironment, done: list[str], crash: bool
) -> None:
    @step
    async def ask() -> None:
        did.append("ask")
        if did.count("ask") == 1:
            raise LookupError

    @task(retry=Retry(max_attempts=3, backoff=0.0))
    async def another_way() -> None:
        try:
            await ask()
        except LookupError:
            await reserve("the only one left")
            raise
        await reserve("a good one")
        raise NonRetryableError("too late")

    if crash:
        environment.crash_at(FaultPoint.BEFORE_BODY, step="reserve", occurrence=2)
        environment.crash_at(FaultPoint.AFTER_BODY, step="reserve", occurrence=2)
    run = await environment.run(another_way)
    assert run.reason == "ExceptionRaised"
    assert done[-2:] == ["release a good one", "release the only one left"]
    assert sum(line.startswith("release") for line in done) == 2


async def test_a_child_is_undone_when_its_parent_is_canceled(
    environment: TaskEnvironment, database: Database, done: list[str]
) -> None:
    @task
    async def child_of_the_canceled() -> None:
        await reserve("a")
        await wait_for_token(await create_token())

    @task
    async def parent_of_the_undone() -> None:
        await reserve("b")
        await trigger_and_wait(child_of_the_canceled)

    waiting = await environment.run(parent_of_the_undone)
    run = await environment.cancel(waiting, parent_of_the_undone)
    assert (run.state, done) == ("Canceled", ["reserve b", "reserve a", "release b"])
    connection = await database.connect()
    child_id = await connection.fetchval("select child_id from holdfast.children where parent_id = $1", run.run_id)
    child = await environment.drive(child_of_the_canceled, child_id, CrashPlan())
    assert (child.state, done[-1]) == ("Canceled", "release a")


async def test_a_step_whose_compensation_could_not_be_recorded(environment: TaskEnvironment, done: list[str]) -> None:
    @step(name="n" * 190)
    async def nest(depth: int) -> None:
        await (nest(depth - 1) if depth else reserve("a"))

    @task(retry=ONCE)
    async def reserves_deep_inside() -> None:
        await nest(4)

    run = await environment.run(reserves_deep_inside)
    assert (run.state, done) == ("Failed", [])
    assert "with a compensation has 97" in str(run.error)
