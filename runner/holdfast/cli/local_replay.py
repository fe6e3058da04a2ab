"""`holdfast runs replay --local`."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import typer

from holdfast.cli.entrypoints import load_entrypoint
from holdfast.cli.session import Session
from holdfast.cli.tracebacks import without_machinery
from holdfast.contract.exit_codes import CliExit
from holdfast.domain.errors import InputError

if TYPE_CHECKING:
    from holdfast.protocol.recorded_run import RecordedRun
    from holdfast.runtime.local_replay import LocalReplay


async def replay_here(session: Session, run: str, entrypoint: str | None) -> None:
    """Replay a run in this process and tell what came of it.

    Raises:
        NotFoundError: there is no such run.
        InputError: the run has no program in Python.
        TaskImportError: its module does not import here.
        UnknownTaskError: its module has no such task here.
    """
    from holdfast.runtime.local_replay import replay_locally

    async with session.control_plane() as plane:
        recorded = await plane.recorded(run)
    program = entrypoint or recorded.entrypoint
    if program is None:
        raise InputError(f"run {recorded.name} runs a command: there is nothing to replay. Or give --task MODULE:TASK.")
    # what the author's code prints must not mix with the one document
    with contextlib.redirect_stdout(sys.stderr) if session.wants_json else contextlib.nullcontext():
        replay = await replay_locally(load_entrypoint(program), recorded)
    session.answer(_document(recorded, program, replay), _page(recorded, program, replay))
    raise typer.Exit(CliExit.OK if replay.agrees else CliExit.RUN_FAILED)


def _document(run: RecordedRun, program: str, replay: LocalReplay) -> dict[str, Any]:
    error = replay.error
    return {
        "run": run.run_id,
        "name": run.name,
        "state": run.state,
        "program": program,
        "end": replay.end,
        "agrees": replay.agrees,
        "message": replay.message,
        "result": None if replay.result is None else json.loads(replay.result),
        "error": error and {"type": error.type, "message": error.message, "traceback": error.traceback},
        "recorded_steps": len(run.history),
        "replayed_steps": replay.replayed_steps,
        "ends": replay.ends,
        "left_over": replay.left_over,
    }


def _page(run: RecordedRun, program: str, replay: LocalReplay) -> str:
    lines = [f"run {run.name} ({run.run_id}), replayed with {program}"]
    lines.append(f"{replay.replayed_steps} of {len(run.history)} records replayed; no step was executed")
    if replay.error is not None:
        lines.append(without_machinery(replay.error.traceback).rstrip())
    if replay.result is not None:
        lines.append(json.dumps(json.loads(replay.result), ensure_ascii=False, indent=2))
    if replay.left_over:
        lines.append(f"recorded, and not asked for: {', '.join(replay.left_over)}")
    lines.append(f"{'agrees' if replay.agrees else 'DIFFERS'}: {replay.message}")
    return "\n".join(lines)
