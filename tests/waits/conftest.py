"""Engines on a fresh database, as the tests of the engine have them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.databases import Database
from tests.support.engines import Engines
from tests.support.fifo import open_fifo


@pytest.fixture
async def engines(database: Database, tmp_path: Path) -> AsyncIterator[Engines]:
    """Engines on a fresh database."""
    async with AsyncExitStack() as stack:
        fifo = await stack.enter_async_context(open_fifo(tmp_path / "fifo"))
        yield Engines(database, tmp_path, fifo, stack)
