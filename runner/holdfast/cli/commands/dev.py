"""`holdfast dev`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from holdfast.cli.command import command, forgive_cancel
from holdfast.cli.definitions import import_tasks, register
from holdfast.cli.session import Session
from holdfast.domain.errors import ConflictError
from holdfast.domain.states import State

if TYPE_CHECKING:
    from holdfast_engine.control.plane import ControlPlane
    from holdfast_engine.control.views import RunView
    from holdfast_engine.local.state_directory import StateDirectory

_ADOPT_SECONDS = 5.0
_GOES_ON = frozenset({State.QUEUED, State.STARTING, State.RUNNING})


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "dev")
    async def dev(
        session: Session,
        modules: Annotated[
            list[str] | None,
            typer.Argument(metavar="[MODULE]...", help="Modules whose tasks can be triggered by name."),
        ] = None,
        ready_file: Annotated[
            Path | None,
            typer.Option(help="Written when everything is up, removed at the end: JSON with `database`, `pid`."),
        ] = None,
        grace: Annotated[
            int, typer.Option(metavar="SECONDS", min=0, help="Time for processes to hand over at the end.")
        ] = 10,
    ) -> None:
        """Be the control plane until Ctrl-C: database, engine, and a process for each attempt.

        Shows runs as they change. Processes get this working directory and environment.
        """
        from holdfast_engine.local.control_plane import serving
        from holdfast_engine.local.launcher_name import name_of_place
        from holdfast_engine.local.state_directory import StateDirectory

        tasks = import_tasks(modules or [])
        place = name_of_place()
        state = StateDirectory.at(session.settings.state_directory)
        state.create()
        async with (
            _only_one(state),
            _no_longer_than_ready(ready_file),
            session.database() as database,
            serving(
                database,
                place,
                state.launcher,
                also_unnamed=True,
                shutdown_grace_seconds=grace,
                namespace=session.settings.namespace,
            ) as plane,
        ):
            for task in tasks:
                await register(plane, task, place)
            _say_ready(session, database.dsn, [task.name for task in tasks], ready_file)
            adopting = asyncio.create_task(_adopt(database.pool, place))
            try:
                await _show_changes(session, plane)
            except asyncio.CancelledError:
                forgive_cancel()
                session.tell(f"stopping: processes have {grace} s to hand over")
            finally:
                adopting.cancel()


@asynccontextmanager
async def _only_one(state: StateDirectory) -> AsyncIterator[None]:
    from holdfast_engine.local.file_lock import FileLock

    lock = FileLock(state.dev_lock)
    if not lock.try_take():
        raise ConflictError(
            f"holdfast dev is running already for {state.path} ({lock.holder}). "
            "Stop it, or give this one its own --state-directory."
        )
    try:
        yield
    finally:
        lock.release()


@asynccontextmanager
async def _no_longer_than_ready(ready_file: Path | None) -> AsyncIterator[None]:
    """Nobody finds the file of one that has stopped, or was killed."""
    if ready_file is None:
        yield
        return
    ready_file.unlink(missing_ok=True)
    try:
        yield
    finally:
        ready_file.unlink(missing_ok=True)


def _say_ready(session: Session, dsn: str, tasks: list[str], ready_file: Path | None) -> None:
    document: dict[str, Any] = {"database": dsn, "pid": os.getpid(), "tasks": tasks}
    if ready_file is not None:
        unfinished = ready_file.with_name(ready_file.name + ".unfinished")
        unfinished.write_text(json.dumps(document))
        unfinished.replace(ready_file)
    known = f"tasks: {', '.join(tasks)}" if tasks else "no tasks registered (name modules to register theirs)"
    session.answer(document, f"ready: {dsn}\n{known}")


async def _show_changes(session: Session, plane: ControlPlane) -> None:
    shown: dict[UUID, tuple[State, int]] = {}
    async for run in plane.follow_all():
        # several announcements may come before the first look
        if shown.get(run.id) == (run.state, run.attempt):
            continue
        shown[run.id] = (run.state, run.attempt)
        if run.is_final:
            del shown[run.id]
        attempt = f"  attempt {run.attempt}" if run.attempt else ""
        session.tell(f"{datetime.now():%H:%M:%S}  {run.name}  {run.state}{attempt}{_reason(run)}")


def _reason(run: RunView) -> str:
    """Why the run is in its state, or what the attempt before came to."""
    if run.reason in (None, run.state):
        return ""
    return f"  {'after ' if run.state in _GOES_ON else ''}{run.reason}: {run.message}"


async def _adopt(pool: Any, place: str) -> None:
    """Go on with the runs of a `holdfast run` in this directory that was killed."""
    from holdfast.domain.errors import ControlError
    from holdfast_engine.local.launcher_name import adopt_orphans

    while True:
        with suppress(ControlError):  # the database may be away; later
            await adopt_orphans(pool, place)
        await asyncio.sleep(_ADOPT_SECONDS)
