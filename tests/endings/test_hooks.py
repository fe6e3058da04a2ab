"""Hooks are called once at the turns of a run's life, and change nothing of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from holdfast import (
    DefinitionError,
    NonRetryableError,
    Retry,
    RunEnd,
    RunInfo,
    create_token,
    run_info,
    sleep,
    step,
    task,
    wait_for_token,
)
from holdfast.domain.scopes import StepKey
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.runtime.faults import FaultPoint
from holdfast.runtime.history import History
from holdfast.runtime.hook_calls import OVER
from holdfast.testing import CrashPlan, RunResult, TaskEnvironment
from tests.endings.hotel import ONCE, look, reserve
from tests.endings.hotel import done as did
from tests.support.databases import Database

ends: list[RunEnd] = []


@pytest.fixture(autouse=True)
def told() -> list[RunEnd]:
    """What the hooks were told."""
    ends.clear()
    return ends


def tell(name: str) -> Callable[[RunEnd], None]:
    """A hook that notes its name, and what it was told."""

    def hook(end: RunEnd) -> None:
        did.append(name)
        ends.append(end)

    return hook


async def started(info: RunInfo) -> None:
    did.append(f"start of {info.task}")
    await look("the lobby")


ALL: dict[str, Any] = {
    "on_start": started,
    "on_success": tell("success"),
    "on_failure": tell("failure"),
    "on_cancel": tell("cancel"),
    "on_complete": tell("complete"),
}


def hook_keys(run: RunResult) -> list[tuple[str, str]]:
    return [(step.key, step.outcome) for step in run.steps if step.kind == "hook"]


@task(name="hooked", retry=Retry(max_attempts=2, backoff=0.0), **ALL)
async def hooked(what: str) -> str:
    await reserve("a")
    if what == "fails":
        raise LookupError("no more rooms")
    if what == "waits":
        await wait_for_token(await create_token())
    return "slept well"


async def test_success(environment: TaskEnvironment, done: list[str], told: list[RunEnd]) -> None:
    run = await environment.run(hooked, what="succeeds")
    assert (run.state, run.result, run.attempts) == ("Succeeded", "slept well", 1)
    assert done == ["start of hooked", "look at the lobby", "reserve a", "success", "complete"]
    assert told == [RunEnd("Succeeded", {"what": "succeeds"}, "slept well")] * 2
    assert hook_keys(run) == [
        ("start/on_start#1", "Succeeded"),
        ("closing/success/on_success#1", "Succeeded"),
        ("closing/success/on_complete#1", "Succeeded"),
    ]


async def test_failure_and_compensation(environment: TaskEnvironment, done: list[str], told: list[RunEnd]) -> None:
    run = await environment.run(hooked, what="fails")
    assert (run.state, run.reason, run.attempts, run.failures) == ("Failed", "ExceptionRaised", 3, 2)
    assert done[2:] == ["reserve a", "failure", "release a", "complete"]
    (end, other) = told
    assert end == other
    assert (end.state, end.input, end.result, end.reason) == ("Failed", {"what": "fails"}, None, "ExceptionRaised")
    assert (end.error_type, end.error_message) == ("builtins:LookupError", "no more rooms")


async def test_cancel_while_it_waits(environment: TaskEnvironment, done: list[str], told: list[RunEnd]) -> None:
    waiting = await environment.run(hooked, what="waits")
    run = await environment.cancel(waiting, hooked)
    assert (run.state, run.attempts) == ("Canceled", 2)
    assert done[2:] == ["reserve a", "cancel", "release a", "complete"]
    assert told[0].state == "Canceled"


async def test_cancel_before_any_attempt(environment: TaskEnvironment, database: Database, done: list[str]) -> None:
    run_id = await environment.trigger(hooked, {"what": "waits"})
    connection = await database.connect()
    assert await connection.fetchval("select holdfast.cancel_run($1)", run_id) == "Queued"
    run = await environment.drive(hooked, run_id, CrashPlan())
    assert (run.state, run.attempts, done) == ("Canceled", 1, ["cancel", "complete"])


async def test_a_run_that_was_not_started_in_time(
    environment: TaskEnvironment, database: Database, done: list[str]
) -> None:
    run_id = await environment.trigger(hooked, {"what": "waits"})
    connection = await database.connect()
    await connection.execute(
        "update holdfast.runs set expire_at = holdfast.now() + interval '1 hour' where id = $1", run_id
    )
    await environment.clock.advance(hours=1)
    assert await connection.fetchval("select holdfast.expire_runs(array[$1::uuid])", run_id) == 1
    run = await environment.drive(hooked, run_id, CrashPlan())
    assert (run.state, run.reason, run.attempts, done) == ("Expired", "Expired", 1, ["failure", "complete"])


async def test_a_hook_that_raises_changes_nothing(
    environment: TaskEnvironment, done: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    @step(retry=Retry(max_attempts=2, backoff=0.0))
    async def shouts(end: RunEnd) -> None:
        did.append("shout")
        raise OSError("nobody listens")

    @task(on_success=shouts, on_complete=tell("complete"))
    async def quiet() -> int:
        return 1

    with caplog.at_level(logging.ERROR, "holdfast"):
        run = await environment.run(quiet)
    assert (run.state, run.result, run.attempts, done) == ("Succeeded", 1, 1, ["shout", "shout", "complete"])
    assert hook_keys(run)[0] == ("closing/success/on_success#1", "Failed")
    assert "the hook on_success failed" in caplog.text


async def test_a_failure_hook_that_raises(environment: TaskEnvironment, done: list[str]) -> None:
    @step
    async def shouts_too(end: RunEnd) -> None:
        raise OSError("nobody listens")

    @task(retry=ONCE, on_failure=shouts_too, on_complete=tell("complete"))
    async def fails_loudly() -> None:
        raise LookupError("no more rooms")

    run = await environment.run(fails_loudly)
    assert (run.state, run.reason, run.attempts, done) == ("Failed", "ExceptionRaised", 2, ["complete"])
    assert "no more rooms" in str(run.error)


async def test_a_run_that_is_resumed_ends_again(environment: TaskEnvironment, done: list[str]) -> None:
    @task(retry=ONCE, on_failure=tell("failure"), on_success=tell("success"))
    async def third_time_lucky() -> None:
        did.append("try")
        if did.count("try") < 3:
            raise LookupError

    run = await environment.run(third_time_lucky)
    run = await environment.resume(run, third_time_lucky)
    assert (run.state, run.attempts) == ("Failed", 4)
    run = await environment.resume(run, third_time_lucky)
    assert (run.state, done) == ("Succeeded", ["try", "failure", "try", "failure", "try", "success"])


async def test_a_program_that_does_not_fit_its_records_still_has_hooks(
    environment: TaskEnvironment, done: list[str]
) -> None:
    @task(on_failure=tell("failure"))
    async def changed_later() -> None:
        await reserve("a")
        await wait_for_token(await create_token())

    @task(on_failure=tell("failure"))
    async def changed() -> None:
        await look("a")

    waiting = await environment.run(changed_later)
    (token,) = await environment.open_tokens(waiting)
    await environment.complete_token(token)
    run = await environment.go_on(waiting, changed)
    assert (run.reason, done) == ("HistoryMismatch", ["reserve a", "failure"])
    assert (await environment.resume(run, changed_later)).state == "Succeeded"


async def test_a_hook_may_wait(environment: TaskEnvironment, done: list[str]) -> None:
    async def later(end: RunEnd) -> None:
        await sleep(hours=1)
        did.append(f"attempt {run_info().attempt}")

    @task(on_failure=later)
    async def fails_at_once() -> None:
        raise NonRetryableError

    run = await environment.run(fails_at_once)
    assert (run.state, run.attempts, done) == ("Failed", 3, ["attempt 3"])


@pytest.mark.parametrize("point", [FaultPoint.BEFORE_BODY, FaultPoint.AFTER_BODY, FaultPoint.AFTER_RECORD])
@pytest.mark.parametrize("hook", ["on_start", "on_success", "on_complete"])
async def test_a_crash_in_a_hook_of_success(
    environment: TaskEnvironment, done: list[str], point: FaultPoint, hook: str
) -> None:
    environment.crash_at(point, step=hook)
    run = await environment.run(hooked, what="succeeds")
    assert (run.state, run.result, run.attempts) == ("Succeeded", "slept well", 2)
    assert [outcome for _, outcome in hook_keys(run)] == ["Succeeded"] * 3
    label = {"on_start": "start of hooked", "on_success": "success", "on_complete": "complete"}[hook]
    assert done.count(label) == (2 if point is FaultPoint.AFTER_BODY else 1)


@pytest.mark.parametrize("point", [FaultPoint.BEFORE_BODY, FaultPoint.AFTER_BODY, FaultPoint.AFTER_RECORD])
@pytest.mark.parametrize("hook", ["on_failure", "on_complete"])
async def test_a_crash_in_a_hook_of_failure(
    environment: TaskEnvironment, done: list[str], point: FaultPoint, hook: str
) -> None:
    environment.crash_at(point, step=hook)
    run = await environment.run(hooked, what="fails")
    assert (run.state, run.reason, run.attempts) == ("Failed", "ExceptionRaised", 4)
    assert [outcome for _, outcome in hook_keys(run)] == ["Succeeded"] * 3
    assert done.count(hook.removeprefix("on_")) == (2 if point is FaultPoint.AFTER_BODY else 1)
    assert done.count("release a") == 1


async def test_the_database_learns_of_hooks_that_the_trigger_did_not_know(
    environment: TaskEnvironment, database: Database, done: list[str]
) -> None:
    run_id = await environment.trigger(hooked, {"what": "waits"})
    connection = await database.connect()
    await connection.execute("update holdfast.runs set hooks = null where id = $1", run_id)
    waiting = await environment.drive(hooked, run_id, CrashPlan())
    assert (await environment.cancel(waiting, hooked)).state == "Canceled"
    assert done[-3:] == ["cancel", "release a", "complete"]


async def test_a_run_without_hooks_pays_nothing(environment: TaskEnvironment, database: Database) -> None:
    @task(retry=ONCE)
    async def plain() -> None:
        raise LookupError

    run = await environment.run(plain)
    connection: asyncpg.Connection[asyncpg.Record] = await database.connect()
    row = await connection.fetchrow("select hooks, closing from holdfast.runs where id = $1", run.run_id)
    assert row is not None
    assert (run.attempts, row["hooks"], row["closing"]) == (1, None, None)


def test_a_hook_takes_one_argument() -> None:
    def none() -> None: ...

    with pytest.raises(DefinitionError, match="on_failure gets one argument, a RunEnd"):

        @task(on_failure=none)
        async def unhooked() -> None: ...


def names(name: str) -> Callable[[RunInfo], None]:
    """A hook that notes its name and the attempt."""
    return lambda info: did.append(f"{name} {info.attempt}")


@task(name="waits_twice", on_wait=names("wait"), on_resume=names("resume"))
async def waits_twice() -> None:
    await sleep(hours=1)
    await wait_for_token(await create_token(timeout=3600))


@task(name="resumes_only", on_resume=names("resume"))
async def resumes_only() -> None:
    await sleep(hours=1)


async def completed(environment: TaskEnvironment) -> RunResult:
    """A run of `waits_twice` whose token somebody completes."""
    waiting = await environment.run(waits_twice)
    (token,) = await environment.open_tokens(waiting)
    await environment.complete_token(token)
    return await environment.go_on(waiting, waits_twice)


async def test_hooks_of_waits(environment: TaskEnvironment, done: list[str]) -> None:
    run = await completed(environment)
    assert (run.state, run.attempts) == ("Succeeded", 3)
    assert done == ["wait 1", "resume 2", "wait 2", "resume 3"]


async def test_a_hook_of_resuming_alone(environment: TaskEnvironment, done: list[str]) -> None:
    assert (await environment.run(resumes_only)).attempts == 2
    assert done == ["resume 2"]


@pytest.mark.parametrize("point", [FaultPoint.BEFORE_BODY, FaultPoint.AFTER_BODY, FaultPoint.AFTER_RECORD])
@pytest.mark.parametrize("hook", ["on_wait", "on_resume"])
async def test_a_crash_in_a_hook_of_a_wait(
    environment: TaskEnvironment, done: list[str], point: FaultPoint, hook: str
) -> None:
    environment.crash_at(point, step=hook)
    run = await completed(environment)
    assert (run.state, run.attempts) == ("Succeeded", 4)
    again = point is FaultPoint.AFTER_BODY
    counts = Counter(line.split()[0] for line in done)
    assert counts["wait"] == (3 if again and hook == "on_wait" else 2)
    assert counts["resume"] == (3 if again and hook == "on_resume" else 2)


@pytest.mark.parametrize("point", [FaultPoint.BEFORE_PARK, FaultPoint.AFTER_PARK])
async def test_a_crash_at_the_park_calls_no_hook_twice(
    environment: TaskEnvironment, done: list[str], point: FaultPoint
) -> None:
    environment.crash_at(point)
    assert (await completed(environment)).state == "Succeeded"
    assert Counter(line.split()[0] for line in done) == {"wait": 2, "resume": 2}


async def test_except_around_a_wait(environment: TaskEnvironment, done: list[str]) -> None:
    @task(on_wait=names("wait"), on_success=tell("success"))
    async def swallows_the_park() -> None:
        try:
            await sleep(hours=1)
        except BaseException:
            did.append("swallowed")

    assert (await environment.run(swallows_the_park)).state == "Succeeded"
    assert done == ["swallowed", "wait 1", "success"]


async def test_a_hook_of_a_wait_that_raises(environment: TaskEnvironment, done: list[str]) -> None:
    @step
    async def shouts_at_waits(info: RunInfo) -> None:
        raise OSError("nobody listens")

    @task(on_wait=shouts_at_waits, on_resume=shouts_at_waits)
    async def waits_once() -> int:
        await sleep(hours=1)
        return 1

    run = await environment.run(waits_once)
    assert (run.state, run.result, run.attempts, run.failures) == ("Succeeded", 1, 2, 0)
    assert [(each.name, each.outcome) for each in run.steps if each.kind == "hook"] == [
        ("on_wait", "Failed"),
        ("on_resume", "Failed"),
    ]


def test_no_result_waits_for_a_hook_of_an_earlier_wait() -> None:
    def recorded(key: str, sequence: int) -> StepRecord:
        return StepRecord(StepKey(key), sequence, 1, "hook", "hook", StepOutcome.SUCCEEDED, 1, 0, None, "null")

    over = [recorded("wait/a/on_wait#1", 1), recorded("closing/after-2/on_failure#1", 2)]
    history = History([*over, recorded("0/look#1", 3)])
    assert history.awaits_before(3)
    history.pass_over(OVER)
    assert not history.awaits_before(3)
    assert history.awaits_before(4)
