"""What every test of the crash corpus needs: an environment on a fresh database, and the oracle."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.testing import TaskEnvironment
from tests.crash.cases import Corpus
from tests.crash.steps import SEED_VARIABLE
from tests.support.databases import Database
from tests.support.oracle import VARIABLE, Oracle


@pytest.fixture(scope="session")
def crash_seed(pytestconfig: pytest.Config) -> int:
    """What all chances of the corpus are drawn from."""
    given = int(pytestconfig.getoption("--crash-seed"))
    return random.SystemRandom().randrange(1_000_000) if given < 0 else given


@pytest.fixture
def oracle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_seed: int) -> Oracle:
    """The file outside of the database; the seed is printed with what fails."""
    print(f"reproduce it with --crash-seed {crash_seed}")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "oracle"))
    monkeypatch.setenv(SEED_VARIABLE, str(crash_seed))
    return Oracle(tmp_path / "oracle")


@pytest.fixture
async def environment(database: Database) -> AsyncIterator[TaskEnvironment]:
    """Runs tasks in this process."""
    async with TaskEnvironment(database.dsn) as environment:
        yield environment


@pytest.fixture
def corpus(environment: TaskEnvironment, oracle: Oracle) -> Corpus:
    """Runs and judges cases."""
    return Corpus(environment, oracle)
