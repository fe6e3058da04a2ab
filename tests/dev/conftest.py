"""Fixtures for tests that run the command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from holdfast_engine.control.plane import ControlPlane
from tests.support.cli import Cli
from tests.support.databases import Database


@pytest.fixture
async def plane(database: Database) -> AsyncIterator[ControlPlane]:
    """The control plane of a fresh database, which no engine serves."""
    async with asyncpg.create_pool(database.dsn, min_size=1, max_size=4) as pool:
        yield ControlPlane(pool)


@pytest.fixture
def cli(tmp_path: Path, database: Database) -> Cli:
    """Commands in a folder of their own, on a fresh database."""
    return Cli(tmp_path, database.dsn)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """A folder that an embedded server can reach; pytest's own are closed again whenever another session begins."""
    with TemporaryDirectory(prefix="holdfast-test-") as folder:
        yield Path(folder)


@pytest.fixture
def embedded_cli(server_folder: Path) -> Cli:
    """Commands in a folder of their own, with the embedded server of that folder."""
    return Cli(server_folder)
