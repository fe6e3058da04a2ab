"""Attempts that are stopped, replaced, asked to leave, or do not listen. Real processes, real signals."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.contract.exit_codes import RunnerExit
from tests.support.protocol import ControlPlane, Pod
from tests.support.runner_process import BAD_DAYS, RunnerProcess

if TYPE_CHECKING:
    from tests.engine.conftest import Launch


async def _started(control: ControlPlane, task: str, **options: Any) -> Pod:
    return await control.started(entrypoint=f"{BAD_DAYS}:{task}", **options)


async def _recorded(control: ControlPlane, pod: Pod) -> list[str]:
    return [step["key"] for step in await control.steps(pod.run_id) if step["outcome"] == "Succeeded"]


async def _until_heard_of(control: ControlPlane, pod: Pod) -> None:
    """Wait until the attempt has renewed its lease once more."""
    before = (await control.run(pod.run_id))["lease_expires_at"]
    while (await control.run(pod.run_id))["lease_expires_at"] == before:
        pass


async def _goes_on(control: ControlPlane, pod: Pod, launch: Launch, *words: str) -> RunnerProcess:
    """Let the next attempt run to its end, telling it these words."""
    await control.requeue(pod.run_id)
    async with launch(await control.admit(pod.run_id)) as process:
        for word in words:
            process.tell(word)
        assert await process.exit() is RunnerExit.SUCCEEDED
    return process


# --- stopped and woken -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newer_is", ["admitted", "open", "finished"])
async def test_an_attempt_that_wakes_up_too_late_records_nothing(
    control: ControlPlane, launch: Launch, newer_is: str
) -> None:
    older = await _started(control, "three_steps")
    async with launch(older) as sleeper:
        await sleeper.says("at second")
        sleeper.signal(signal.SIGSTOP)
        newer = await control.next_attempt(older)  # its lease has expired, the engine thinks
        if newer_is == "open":
            await newer.open()
        if newer_is == "finished":
            async with launch(newer) as successor:
                await successor.says("at second")
                successor.tell("of the newer")
                assert await successor.exit() is RunnerExit.SUCCEEDED
        before = await control.everything(older.run_id)
        sleeper.signal(signal.SIGCONT)
        sleeper.tell("of the older")
        assert await sleeper.exit() is RunnerExit.FENCED
        assert "was replaced by attempt 2" in sleeper.text
        assert "executed third" not in sleeper.text
    assert await control.everything(older.run_id) == before


async def test_an_attempt_that_wakes_up_hears_of_it_without_recording(control: ControlPlane, launch: Launch) -> None:
    """The step that it is in takes for ever; its heartbeat is refused."""
    older = await _started(control, "three_steps", lease_seconds=1)
    async with launch(older) as sleeper:
        await sleeper.says("at second")
        sleeper.signal(signal.SIGSTOP)
        await control.next_attempt(older)
        sleeper.signal(signal.SIGCONT)
        assert await sleeper.exit() is RunnerExit.FENCED


async def test_two_processes_of_one_attempt(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "three_steps")
    async with launch(pod) as first:
        await first.says("at second")
        async with launch(pod) as second:
            assert await second.exit() is RunnerExit.FENCED
            assert "was opened before" in second.text
            assert "executed" not in second.text
        first.tell()
        assert await first.exit() is RunnerExit.SUCCEEDED


# --- never awaits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["never_awaits", "spins"])
async def test_a_task_that_blocks_the_event_loop_keeps_its_lease(
    control: ControlPlane, launch: Launch, task: str
) -> None:
    pod = await _started(control, task, lease_seconds=1)
    async with launch(pod) as process:
        await process.says("at ")
        for _ in range(3):
            await _until_heard_of(control, pod)
        run = await control.run(pod.run_id)
        assert run["lease_expires_at"] > await control.call("now")
        if task == "never_awaits":
            process.tell("enough")
            assert await process.exit() is RunnerExit.SUCCEEDED
            assert (await control.run(pod.run_id))["result"] == '"enough"'


async def test_an_attempt_that_is_killed_tells_nothing_and_the_next_one_goes_on(
    control: ControlPlane, launch: Launch
) -> None:
    pod = await _started(control, "three_steps")
    async with launch(pod) as process:
        await process.says("at second")
        process.signal(signal.SIGKILL)
        assert await process.exit() == -signal.SIGKILL
    assert (await control.run(pod.run_id))["state"] == "Running"
    assert await control.end(pod, "Disruption") == "Backoff"
    following = await _goes_on(control, pod, launch, "again")
    assert "executed first" not in following.text
    assert (await control.run(pod.run_id))["result"] == '["first","again","third"]'


# --- asked to leave --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_step_under_way_is_finished_and_recorded(
    control: ControlPlane, launch: Launch, number: signal.Signals
) -> None:
    pod = await _started(control, "three_steps")
    async with launch(pod) as process:
        await process.says("at second")
        process.signal(number)
        await _until_heard_of(control, pod)
        process.tell("in time")
        assert await process.exit() is RunnerExit.DISRUPTED
        assert "executed third" not in process.text
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert (run["state"], run["disruptions"], run["failures"]) == ("Backoff", 1, 0)
    assert run["due_at"] <= await control.call("now"), "nothing to wait for"
    assert (attempt["class"], attempt["reason"]) == ("Disruption", "ShutdownRequested")
    assert await _recorded(control, pod) == ["0/say#1", "0/wait_in_step#1"]
    following = await _goes_on(control, pod, launch)
    assert "executed first" not in following.text
    assert (await control.run(pod.run_id))["result"] == '["first","in time","third"]'


async def test_a_step_that_takes_longer_than_the_grace_is_given_up(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "three_steps")
    async with launch(pod, shutdown_grace_seconds=2) as process:
        await process.says("at second")
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.DISRUPTED
    assert (await control.run(pod.run_id))["state"] == "Backoff"
    assert await _recorded(control, pod) == ["0/say#1"]
    await _goes_on(control, pod, launch, "again")
    assert (await control.run(pod.run_id))["result"] == '["first","again","third"]'


async def test_a_second_signal_is_meant(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "three_steps")
    async with launch(pod) as process:
        await process.says("at second")
        process.signal(signal.SIGTERM)
        await _until_heard_of(control, pod)
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.DISRUPTED
    assert await _recorded(control, pod) == ["0/say#1"]


async def test_between_steps_there_is_nothing_to_finish(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "waits_between_steps")
    async with launch(pod) as process:
        await process.says("at between")
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.DISRUPTED
    assert (await control.run(pod.run_id))["state"] == "Backoff"
    await _goes_on(control, pod, launch, "on")


async def test_a_def_step_in_a_thread_is_finished_and_recorded(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "in_a_thread")
    async with launch(pod) as process:
        await process.says("at second")
        process.signal(signal.SIGTERM)
        await _until_heard_of(control, pod)
        process.tell("in time")
        assert await process.exit() is RunnerExit.DISRUPTED
        assert "at third" not in process.text
    assert await _recorded(control, pod) == ["0/blocks#1"]
    await _goes_on(control, pod, launch, "later")
    assert (await control.run(pod.run_id))["result"] == '["in time","later"]'


async def test_a_def_step_that_takes_longer_than_the_grace_is_left_behind(
    control: ControlPlane, launch: Launch
) -> None:
    pod = await _started(control, "in_a_thread")
    async with launch(pod, shutdown_grace_seconds=2) as process:
        await process.says("at second")
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.DISRUPTED
    assert await _recorded(control, pod) == []


async def test_asked_to_leave_while_the_module_is_imported(
    control: ControlPlane, launch: Launch, tmp_path: Path
) -> None:
    pod = await control.started(entrypoint="slow:work")
    (tmp_path / "slow.py").write_text(
        "import sys\nfrom holdfast import task\nprint('importing', flush=True)\nsys.stdin.readline()\n"
        "@task\nasync def work() -> None:\n    print('working', flush=True)\n"
    )
    async with launch(pod, folder=tmp_path) as process:
        await process.says("importing")
        process.signal(signal.SIGTERM)
        process.tell()
        assert await process.exit() is RunnerExit.DISRUPTED
    assert (await control.run(pod.run_id))["state"] == "Backoff"


# --- cancel and suspend ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "place"),
    [("three_steps", "second"), ("waits_between_steps", "between"), ("in_a_thread", "second"), ("naps", "")],
)
async def test_a_signal_because_of_a_cancel(control: ControlPlane, launch: Launch, task: str, place: str) -> None:
    pod = await _started(control, task, **({"input_text": '{"seconds": 4}'} if task == "naps" else {}))
    async with launch(pod) as process:
        if task == "naps":
            while not await control.steps(pod.run_id):
                pass
        else:
            await process.says(f"at {place}")
        assert await control.call("cancel_run", pod.run_id) == "Canceling"
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.CANCELED
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert (run["state"], run["reason"], attempt["outcome"]) == ("Canceled", "Canceled", "Canceled")


async def test_the_code_may_clean_up_after_a_cancel(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "cleans_up")
    async with launch(pod) as process:
        await process.says("at work")
        await control.call("cancel_run", pod.run_id)
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.CANCELED
        assert "cleaning up" in process.text


async def test_a_cancel_is_heard_without_a_signal(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "cleans_up", lease_seconds=1)
    async with launch(pod) as process:
        await process.says("at work")
        await control.call("cancel_run", pod.run_id)
        assert await process.exit() is RunnerExit.CANCELED


@pytest.mark.parametrize("task", ["swallows_all", "sleeps_deaf", "deaf_thread"])
async def test_code_that_does_not_listen_is_left_after_the_grace(
    control: ControlPlane, launch: Launch, task: str
) -> None:
    """It may swallow whatever is raised, and call the next step: the attempt ends all the same."""
    pod = await _started(control, task)
    async with launch(pod, shutdown_grace_seconds=int(task == "swallows_all")) as process:
        await process.says("at ")
        await control.call("cancel_run", pod.run_id)
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.CANCELED
    assert (await control.run(pod.run_id))["state"] == "Canceled"


async def test_code_that_does_not_listen_is_left_when_it_is_fenced(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "swallows_all", lease_seconds=1)
    async with launch(pod, shutdown_grace_seconds=1) as process:
        await process.says("at step")
        await control.next_attempt(pod)
        assert await process.exit() is RunnerExit.FENCED


async def test_suspended_after_the_step_under_way(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "three_steps")
    async with launch(pod) as process:
        await process.says("at second")
        assert await control.call("suspend_run", pod.run_id) == "Running"
        process.tell("done")
        assert await process.exit() is RunnerExit.PARKED
        assert "executed third" not in process.text
    run = await control.run(pod.run_id)
    assert (run["state"], run["disruptions"], run["failures"]) == ("Suspended", 0, 0)
    assert await control.call("unsuspend_run", pod.run_id) == "Queued"
    async with launch(await control.admit(pod.run_id)) as process:
        assert await process.exit() is RunnerExit.SUCCEEDED
    assert (await control.run(pod.run_id))["result"] == '["first","done","third"]'


async def test_suspended_before_it_has_opened(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control, "three_steps")
    await control.call("suspend_run", pod.run_id)
    async with launch(pod) as process:
        assert await process.exit() is RunnerExit.PARKED
        assert "executed first" not in process.text
    assert (await control.run(pod.run_id))["state"] == "Suspended"


async def test_canceled_when_it_is_about_to_wait(control: ControlPlane, launch: Launch) -> None:
    """The cancel comes after the last record, so the park is the first to hear of it."""
    pod = await _started(control, "three_steps")
    async with launch(pod) as process:
        await process.says("at second")
        await control.call("suspend_run", pod.run_id)
        await control.call("cancel_run", pod.run_id)
        process.tell("done")
        assert await process.exit() is RunnerExit.CANCELED
    assert (await control.run(pod.run_id))["state"] == "Canceled"
