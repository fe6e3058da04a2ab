"""Fixtures of the tests that run attempts as processes: with an engine, or without one in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from tests.support.databases import Database
from tests.support.engines import Engines
from tests.support.fifo import open_fifo
from tests.support.protocol import ControlPlane
from tests.support.runner_process import RunnerProcess, runner_process

Launch = Callable[..., AbstractAsyncContextManager[RunnerProcess]]


@pytest.fixture
async def control(shared_database: Database) -> AsyncIterator[ControlPlane]:
    """The control functions of the shared database."""
    connection = await asyncpg.connect(shared_database.dsn)
    yield ControlPlane(connection)
    await connection.close()


@pytest.fixture
def launch(shared_database: Database) -> Launch:
    """Starts the process of an attempt in the shared database; see ``runner_process``."""
    return partial(runner_process, database=shared_database.runner_dsn)


@pytest.fixture
async def engines(database: Database, tmp_path: Path) -> AsyncIterator[Engines]:
    """Engines on a fresh database."""
    async with AsyncExitStack() as stack:
        fifo = await stack.enter_async_context(open_fifo(tmp_path / "fifo"))
        yield Engines(database, tmp_path, fifo, stack)
