"""One local control plane: an engine that launches processes, and the calls to ask it by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from holdfast_engine.control.plane import DEFAULT_NAMESPACE, ControlPlane
from holdfast_engine.engine import NO_LAUNCHER, Engine, EngineSettings
from holdfast_engine.launchers.process import ProcessLauncher
from holdfast_engine.local.database import LocalDatabase
from holdfast_engine.local.launcher_name import alive_as


@asynccontextmanager
async def serving(
    database: LocalDatabase,
    launcher: str,
    directory: Path,
    *,
    also_unnamed: bool = False,
    shutdown_grace_seconds: int = 25,
    namespace: str = DEFAULT_NAMESPACE,
) -> AsyncIterator[ControlPlane]:
    """Launch the runs of ``database`` that name ``launcher``, for as long as the context lasts.

    Processes inherit the working directory and the environment. At the end they are asked to hand over, and ended.

    Args:
        database: set up and reachable.
        launcher: the name, see `launcher_name`.
        directory: where processes are written down, and what they print.
        also_unnamed: also launch runs that name no launcher.
        shutdown_grace_seconds: time for processes to hand over at the end.
        namespace: of the control plane.

    Raises:
        LaunchError: the directory is in use by another one.
        UnavailableError: the database cannot be reached.
    """
    launchers = (launcher, NO_LAUNCHER) if also_unnamed else (launcher,)
    settings = EngineSettings(
        runner_dsn=database.attempt_dsn, launchers=launchers, shutdown_grace_seconds=shutdown_grace_seconds
    )
    engine = Engine(database.dsn, ProcessLauncher(directory, name=launcher), settings)
    async with alive_as(database.pool, launcher), engine:
        yield ControlPlane(database.pool, namespace)
