"""``first_of``: the first result counts, in every attempt the same, and the others are canceled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from holdfast import (
    TokenTimedOutError,
    create_token,
    first_of,
    gather,
    receive,
    sleep,
    step,
    task,
    trigger_and_wait,
    wait_for_event,
    wait_for_token,
)
from holdfast.contract.environment import AttemptEnvironment
from holdfast.domain.errors import InputError
from holdfast.domain.states import State
from holdfast.testing import CrashPlan, CrashPoint, FaultPoint, TaskEnvironment
from holdfast.testing.results import RunResult
from tests.support.databases import Database


@pytest.fixture
async def replaying(database: Database) -> AsyncIterator[TaskEnvironment]:
    async with TaskEnvironment(database.dsn, always_replay=True) as env:
        yield env


@step
async def note(text: str) -> str:
    return text


@task
async def answer_or_an_hour() -> list[Any]:
    token = await create_token()
    index, result = await first_of(wait_for_token(token), sleep(hours=1))
    return [index, result, await note("behind")]


@task
async def signal_event_or_token() -> list[Any]:
    token = await create_token(timeout=3600)
    index, result = await first_of(receive("go"), wait_for_event("gone"), wait_for_token(token))
    return [index, result]


@task
async def child_of_a_race() -> str:
    await sleep(hours=1)
    return "the child"


@task
async def child_or_signal() -> list[Any]:
    return list(await first_of(trigger_and_wait(child_of_a_race), receive("never mind")))


@task
async def races_in_a_row() -> list[int]:
    async def two(label: str) -> str:
        return await note(f"{label} one") + await note(f"{label} two")

    return [(await first_of(two(f"{number} a"), two(f"{number} b"), note(f"{number} c")))[0] for number in range(3)]


async def test_an_answer_comes_first(env: TaskEnvironment) -> None:
    waiting = await env.run(answer_or_an_hour)
    assert (waiting.state, waiting.attempts) == (State.WAITING, 1)
    (token,) = await env.open_tokens(waiting)
    await env.complete_token(token, "yes")
    done = await env.go_on(waiting, answer_or_an_hour)
    assert (done.state, done.result) == (State.SUCCEEDED, [0, "yes", "behind"])


async def test_the_time_comes_first(env: TaskEnvironment) -> None:
    waiting = await env.run(answer_or_an_hour)
    done = await env.go_on(waiting, answer_or_an_hour)
    assert done.result == [1, None, "behind"]
    assert _outcomes(done)["wait_for_token"] == "Canceled"


async def test_the_loser_stays_canceled_when_it_could_have_won_since(env: TaskEnvironment) -> None:
    waiting = await env.run(answer_or_an_hour)
    (token,) = await env.open_tokens(waiting)
    dying = CrashPlan([CrashPoint(FaultPoint.BEFORE_FINISH)])

    async def launch(environment: AttemptEnvironment) -> str:
        if not dying.waiting:  # the one that the time has woken is dead
            await env.complete_token(token, "late")
        return await env.attempt(environment, answer_or_an_hour, dying)

    done = await env.drive_with(answer_or_an_hour, waiting.run_id, launch)
    assert (done.result, done.attempts) == ([1, None, "behind"], 3)


@pytest.mark.parametrize("winner", ["go", "gone", "token", "nobody"])
async def test_whatever_comes_first_wakes_the_run(env: TaskEnvironment, winner: str) -> None:
    waiting = await env.run(signal_event_or_token)
    assert waiting.state is State.WAITING
    (token,) = await env.open_tokens(waiting)
    if winner == "go":
        await env.send(waiting, "go", 1)
    elif winner == "gone":
        await env.publish_event("gone", 2)
    elif winner == "token":
        await env.complete_token(token, 3)
    done = await env.go_on(waiting, signal_event_or_token)
    if winner == "nobody":
        assert isinstance(done.error, TokenTimedOutError)
    else:
        index = ["go", "gone", "token"].index(winner)
        assert done.result == [index, index + 1]
        assert sorted(_outcomes(done).values()) == ["Canceled", "Canceled", "Succeeded", "Succeeded"]


async def test_a_child_races_a_signal(env: TaskEnvironment) -> None:
    waiting = await env.run(child_or_signal)
    assert (await env.go_on(waiting, child_or_signal)).result == [0, "the child"]


async def test_the_signal_is_first_and_the_next_gets_what_a_loser_left(env: TaskEnvironment) -> None:
    @task(name="race_then_take")
    async def race() -> list[Any]:
        index, first = await first_of(receive("a"), receive("b"))
        return [index, first, await receive("ab"[1 - index])]

    waiting = await env.run(race)
    await env.send(waiting, "a", 1)
    await env.send(waiting, "b", 2)
    done = await env.go_on(waiting, race)
    assert done.state is State.SUCCEEDED
    assert done.result in ([0, 1, 2], [1, 2, 1])


async def test_the_first_that_fails_is_raised_and_the_others_end(env: TaskEnvironment) -> None:
    seen: list[str] = []

    async def fail() -> None:
        raise LookupError("no")

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    with pytest.raises(LookupError, match="no"):
        await first_of(linger(), fail())
    assert seen == ["ended"]


async def test_of_two_that_end_in_the_same_turn_the_earlier_is_first() -> None:
    later, earlier = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()

    async def both() -> tuple[int, str]:
        return await first_of(later, earlier)

    race = asyncio.ensure_future(both())
    await asyncio.sleep(0)
    earlier.set_result("earlier")
    later.set_result("later")
    assert await race == (1, "earlier")


async def test_whoever_is_canceled_cancels_all() -> None:
    ended: list[int] = []

    async def linger(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    race = asyncio.ensure_future(first_of(linger(0), linger(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    race.cancel()
    with pytest.raises(asyncio.CancelledError):
        await race
    assert sorted(ended) == [0, 1]


async def test_nothing_to_wait_for_is_said_at_the_line() -> None:
    with pytest.raises(InputError, match="at least one"):
        await first_of()


async def test_a_replay_at_every_step_takes_the_same_way(replaying: TaskEnvironment) -> None:
    done = await replaying.run(races_in_a_row)
    assert (done.state, done.message) == (State.SUCCEEDED, None)


@pytest.mark.parametrize("point", list(FaultPoint))
@pytest.mark.parametrize("occurrence", [1, 2])
async def test_a_crash_at_any_moment_changes_no_answer(
    env: TaskEnvironment, point: FaultPoint, occurrence: int
) -> None:
    @task(name="race_and_crash")
    async def race() -> list[Any]:
        token = await create_token()
        index, result = await first_of(wait_for_token(token), sleep(hours=1), receive("go"))
        return [index, result, await note("behind"), *await gather(note("a"), note("b"))]

    waiting = await env.run(race)
    await env.send(waiting, "go", "went")
    if point not in (FaultPoint.BEFORE_PARK, FaultPoint.AFTER_PARK) and not (
        occurrence == 2 and point in (FaultPoint.BEFORE_FINISH, FaultPoint.AFTER_FINISH)
    ):
        env.crash_at(point, occurrence=occurrence)
    done = await env.go_on(waiting, race)
    assert (done.state, done.result) == (State.SUCCEEDED, [2, "went", "behind", "a", "b"])


def _outcomes(run: RunResult) -> dict[str, str]:
    return {each.name: each.outcome for each in run.steps}
