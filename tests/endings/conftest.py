"""What the tests of endings share: an environment, a list of what was done, and engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from holdfast.testing import TaskEnvironment
from tests.endings import hotel
from tests.support.databases import Database
from tests.support.engines import Engines
from tests.support.fifo import open_fifo


@pytest.fixture
def done() -> list[str]:
    """What the steps did, in order."""
    hotel.done.clear()
    return hotel.done


@pytest.fixture
async def environment(database: Database) -> AsyncIterator[TaskEnvironment]:
    """Runs tasks in this process."""
    async with TaskEnvironment(database.dsn) as environment:
        yield environment


@pytest.fixture
async def engines(database: Database, tmp_path: Path) -> AsyncIterator[Engines]:
    """Engines on a fresh database."""
    async with AsyncExitStack() as stack:
        fifo = await stack.enter_async_context(open_fifo(tmp_path / "fifo"))
        yield Engines(database, tmp_path, fifo, stack)
