"""What every benchmark gets."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from benchmarks.fresh_process import FreshProcesses
from benchmarks.runs import Runs
from benchmarks.server import Server, running_server

if TYPE_CHECKING:
    from benchmarks.server import Connection


@dataclass(frozen=True)
class Bench:
    """A server, processes, and how thorough to be."""

    server: Server
    runs: Runs
    processes: FreshProcesses
    is_quick: bool

    def repeat(self, times: int, *, quick: int) -> int:
        """How often to repeat."""
        return quick if self.is_quick else times

    @asynccontextmanager
    async def runner_connection(self) -> AsyncIterator[Connection]:
        """One connection with the rights of a pod."""
        connection = await asyncpg.connect(self.server.runner_dsn)
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def set_up(*, is_quick: bool) -> AsyncIterator[Bench]:
    """Start everything, in folders that go with it."""
    with tempfile.TemporaryDirectory(prefix="holdfast-benchmarks-bytecode-") as bytecode:
        async with running_server() as server, server.connection() as connection:
            yield Bench(server, Runs(server, connection), FreshProcesses(Path(bytecode)), is_quick)
