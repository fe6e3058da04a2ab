"""What the tests of the examples share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from holdfast.testing import TaskEnvironment
from tests.support.cli import Cli
from tests.support.databases import Database
from tests.support.killed_processes import ROOT, KilledProcesses


@pytest.fixture
def cli(database: Database) -> Cli:
    """Commands in the root of the repository."""
    return Cli(ROOT, database.dsn)


@pytest.fixture
async def environment(database: Database) -> AsyncIterator[TaskEnvironment]:
    """Runs tasks, and sets the clock."""
    async with TaskEnvironment(database.dsn) as environment:
        yield environment


@pytest.fixture
def processes(environment: TaskEnvironment) -> KilledProcesses:
    """Runs tasks in processes that are killed."""
    return KilledProcesses(environment)
