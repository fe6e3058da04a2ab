"""Fixtures of the tests that run attempts as processes, without an engine in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import asyncpg
import pytest

from tests.support.databases import Database
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
