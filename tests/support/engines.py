"""Engines for tests, and runs of the tasks in `engine_tasks` for them."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from holdfast_engine.engine import Engine, EngineSettings
from holdfast_engine.launcher import Launcher
from holdfast_engine.launchers.process import RUNNER, ProcessLauncher
from tests.support.databases import Database
from tests.support.fifo import Fifo
from tests.support.runs import LAUNCHER, trigger

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_TASKS = "tests.support.engine_tasks"


class Engines:
    """Engines on one database and one state directory, one after the other."""

    def __init__(self, database: Database, directory: Path, fifo: Fifo, stack: AsyncExitStack) -> None:
        self.database = database
        self.directory = directory / "state"
        self.go = directory / "go"
        self.fifo = fifo
        self._stack = stack

    async def start(
        self,
        *,
        launcher: Launcher | None = None,
        program: tuple[str, ...] = RUNNER,
        max_processes: int = 100,
        **settings: Any,
    ) -> Engine:
        """An engine, stopped at the end of the test at the latest."""
        settings = {
            "runner_dsn": self.database.runner_dsn,
            "interval_seconds": 3600,
            "adoption_interval_seconds": 3600,
            "retention_interval_seconds": 3600,
            "shutdown_grace_seconds": 5,
            **settings,
        }
        if launcher is None:
            launcher = ProcessLauncher(self.directory, name=LAUNCHER, program=program, max_processes=max_processes)
        engine = Engine(self.database.dsn, launcher, EngineSettings(**settings))
        await self._stack.enter_async_context(engine)
        return engine

    async def start_process(self) -> asyncio.subprocess.Process:
        """An engine in a process of its own, killed at the end of the test at the latest."""
        engine = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.engine_process"),
            *(self.database.dsn, self.database.runner_dsn, str(self.directory)),
        )

        async def kill() -> None:
            if engine.returncode is None:
                engine.kill()
                await engine.wait()

        self._stack.push_async_callback(kill)
        return engine

    async def trigger(self, connection: Connection, name: str, **options: Any) -> UUID:
        """Accept a run of one of the tasks."""
        variables = {"FIFO": str(self.fifo.path), "GO": str(self.go)}
        env = [{"name": variable, "value": value} for variable, value in variables.items()]
        return await trigger(connection, name, entrypoint=f"{_TASKS}:{name}", template={"env": env}, **options)

    async def told_attempt(self) -> tuple[int, int]:
        """Wait until an attempt tells its number and that of its process."""
        attempt, pid = (await self.fifo.line()).split()
        return int(attempt), int(pid)
