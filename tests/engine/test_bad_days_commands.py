"""A command is the task: its exit code decides, and it gets nothing that it should not have."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from holdfast.contract.exit_codes import RunnerExit
from tests.support.processes import is_alive
from tests.support.protocol import ControlPlane, Pod

if TYPE_CHECKING:
    from tests.engine.conftest import Launch


async def _started(control: ControlPlane, given: Any = None) -> Pod:
    return await control.started(input_text=json.dumps(given or {}), template={"command": ["true"]}, entrypoint=None)


async def _ends(
    control: ControlPlane, launch: Launch, *command: str, given: Any = None, **options: Any
) -> tuple[asyncpg.Record, list[str]]:
    """Run the command as an attempt; return the run and its log."""
    pod = await _started(control, given)
    async with launch(pod, command=command, **options) as process:
        code = await process.exit()
    run = await control.run(pod.run_id)
    assert code is (RunnerExit.SUCCEEDED if run["state"] == "Succeeded" else RunnerExit.FAILED), process.text
    rows = await control.connection.fetch(
        "select line from holdfast.logs where run_id = $1 order by line_number", pod.run_id
    )
    return run, [row["line"] for row in rows]


async def test_it_succeeds(control: ControlPlane, launch: Launch) -> None:
    run, lines = await _ends(control, launch, "sh", "-c", "echo out; printf 'no end'")
    assert (run["state"], run["result"]) == ("Succeeded", "null")
    assert lines == ["out", "no end"]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 3", "the command 'sh' ended with exit code 3"),
        ("exit 255", "the command 'sh' ended with exit code 255"),
        ("kill -9 $$", "the command 'sh' ended by signal SIGKILL"),
        ("kill -SEGV $$", "the command 'sh' ended by signal SIGSEGV"),
        ("kill -40 $$", "the command 'sh' ended by signal 40"),
    ],
)
async def test_it_fails_and_is_tried_again(control: ControlPlane, launch: Launch, script: str, says: str) -> None:
    run, _ = await _ends(control, launch, "sh", "-c", script)
    assert (run["state"], run["reason"], run["message"]) == ("Backoff", "ExitCode", says)


async def test_it_cannot_be_run(control: ControlPlane, launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "not_executable").write_text("#!/bin/sh\n")
    (tmp_path / "no_program").write_text("what is this")
    (tmp_path / "no_program").chmod(0o755)
    for name, says in {
        "no_such_program": "No such file or directory",
        str(tmp_path): "Permission denied",
        str(tmp_path / "not_executable"): "Permission denied",
        str(tmp_path / "not_executable" / "x"): "Not a directory",
        str(tmp_path / "no_program"): "Exec format error",
    }.items():
        run, _ = await _ends(control, launch, name)
        assert (run["state"], run["reason"]) == ("Failed", "UnknownTask")
        assert run["message"] == f"the command {name!r} cannot be run: {says}"


async def test_it_knows_who_it_is_and_no_secret(control: ControlPlane, launch: Launch) -> None:
    run, lines = await _ends(control, launch, "sh", "-c", "env | grep HOLDFAST_ | sort", given={"a": "ü\0\ud800"})
    assert lines[:-1] == [
        "HOLDFAST_ATTEMPT=1",
        'HOLDFAST_INPUT={"a": "\\u00fc\\u0000\\ud800"}',
        f"HOLDFAST_RUN_ID={run['id']}",
    ]
    assert lines[-1].startswith("HOLDFAST_STEPS=127.0.0.1:"), "where it can have its steps recorded, and nothing else"


@pytest.mark.parametrize(("size_bytes", "state"), [(100_000, "Succeeded"), (500_000, "Failed")])
async def test_its_input_has_to_fit_a_variable(
    control: ControlPlane, launch: Launch, size_bytes: int, state: str
) -> None:
    run, _ = await _ends(control, launch, "true", given={"text": "x" * size_bytes})
    assert run["state"] == state
    if state == "Failed":
        assert run["reason"] == "InputInvalid"
        assert "HOLDFAST_INPUT" in run["message"]


async def test_its_output_may_be_anything(control: ControlPlane, launch: Launch) -> None:
    first, half, rest = (
        r"nul \000, broken \377\303, squid \360\237\246\221\n",
        r"\360\237",
        r"\246\221\nhalf \360\237",
    )
    _, lines = await _ends(control, launch, "sh", "-c", f"printf '{first}'; printf '{half}'; printf '{rest}'")
    assert lines == ["nul \\0, broken \\xff\\xc3, squid 🦑", "🦑", "half \\xf0\\x9f"]


async def test_it_may_print_a_lot(control: ControlPlane, launch: Launch) -> None:
    run, lines = await _ends(control, launch, "sh", "-c", "seq 1 100000; echo done >&2")
    assert run["state"] == "Succeeded"
    assert lines[0] == "1"
    assert any("lines dropped" in line for line in lines)


async def test_what_it_leaves_behind_does_not_hold_the_attempt(control: ControlPlane, launch: Launch) -> None:
    """A process that it started keeps its output open."""
    run, lines = await _ends(control, launch, "sh", "-c", "sleep 1000 & echo $!")
    assert run["state"] == "Succeeded"
    os.kill(int(lines[0]), signal.SIGKILL)


async def test_a_cancel_asks_it_to_end(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control)
    script = "trap 'echo cleaning up; exit 0' TERM; echo at work; while :; do sleep 0.01; done"
    async with launch(pod, command=("sh", "-c", script)) as process:
        await process.says("at work")
        await control.call("cancel_run", pod.run_id)
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.CANCELED
        assert "cleaning up" in process.text
    assert (await control.run(pod.run_id))["state"] == "Canceled"


async def test_one_that_does_not_listen_is_killed(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control)
    script = "trap '' TERM; echo at work $$; while :; do sleep 0.01; done"
    async with launch(pod, command=("sh", "-c", script), shutdown_grace_seconds=1) as process:
        pid = int((await process.says("at work")).split(" ")[2])
        await control.call("cancel_run", pod.run_id)
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.CANCELED
    assert not is_alive(pid)


async def test_asked_to_leave_it_is_started_again_later(control: ControlPlane, launch: Launch) -> None:
    pod = await _started(control)
    async with launch(pod, command=("sh", "-c", "echo at work; sleep 1000")) as process:
        await process.says("at work")
        process.signal(signal.SIGTERM)
        assert await process.exit() is RunnerExit.DISRUPTED
    run = await control.run(pod.run_id)
    assert (run["state"], run["failures"], run["disruptions"]) == ("Backoff", 0, 1)
