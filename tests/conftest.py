"""Fixtures that every kind of test may use.

`database` is a fresh, migrated database per test; `shared_database` is one for all tests that look at runs of their
own only, and is there at once; `empty_database` is one that Holdfast has never seen; `env` runs tasks on `database`;
`pgbouncer` is a transaction pooler in front of it; `private_server` is a server that a test may kill.
Tests in `tests/db`, and those marked `postgres15`, run on PostgreSQL 18 and on 15; `--postgres` chooses one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from holdfast.testing import TaskEnvironment
from tests.support.databases import Database, Server, Servers, running_server
from tests.support.pooler import Pooler, running_pooler

# The machine may be busy: no test fails for being slow. What fails is printed with what reproduces it.
settings.register_profile("holdfast", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("holdfast")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", choices=["15", "18"], help="run the tests on this version only")
    parser.addoption("--crash-seed", type=int, default=20, help="seed of the crash corpus (20); -1: one by chance")
    parser.addoption("--crash-cases", type=int, default=400, help="generated cases of the crash corpus (400)")
    parser.addoption("--crash-kills", type=int, default=2, help="SIGKILLs of each shape of program (2); 0: everywhere")
    parser.addoption("--storm-seconds", type=int, default=40, help="how long the storm on the real node lasts (40)")
    parser.addoption("--storm-seed", type=int, help="its seed; default: one by chance, which is printed")


def pytest_configure() -> None:
    """What a shell starts in the background ignores SIGINT, and so would every process that a test interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "postgres_version" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--postgres")
    on_both = "db" in Path(metafunc.definition.path).parts or metafunc.definition.get_closest_marker("postgres15")
    versions = [int(chosen)] if chosen else [18, 15] if on_both else [18]
    metafunc.parametrize("postgres_version", versions, ids=[f"pg{version}" for version in versions])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Where CI=true, nothing is skipped silently: what a skipped test needs has to be installed."""
    report: pytest.TestReport = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"CI=true forbids to skip: {report.longrepr}"
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_servers() -> AsyncIterator[Servers]:
    """The servers that the whole session shares."""
    async with AsyncExitStack() as stack:
        yield Servers(stack)


@pytest_asyncio.fixture(loop_scope="session")
async def postgres_server(postgres_servers: Servers, postgres_version: int) -> Server:
    """The shared server of the version that this test runs on."""
    return await postgres_servers.of_version(postgres_version)


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[Database]:
    """A fresh database with Holdfast's schema."""
    async with postgres_server.database() as database:
        yield database


@pytest.fixture
async def env(database: Database) -> AsyncIterator[TaskEnvironment]:
    """Runs tasks in this process, on a fresh database."""
    async with TaskEnvironment(database.dsn) as env:
        yield env


@pytest_asyncio.fixture(loop_scope="session")
async def shared_database(postgres_servers: Servers, postgres_version: int) -> Database:
    """A migrated database, shared with other tests; close the connections that you make."""
    return await postgres_servers.shared_database(postgres_version)


@pytest.fixture
async def empty_database(postgres_server: Server) -> AsyncIterator[Database]:
    """A fresh database with nothing in it."""
    async with postgres_server.database(migrated=False) as database:
        yield database


@pytest.fixture
async def pgbouncer(database: Database) -> AsyncIterator[Pooler]:
    """A transaction pooler in front of `database`."""
    async with running_pooler(database) as pooler:
        yield pooler


@pytest.fixture
async def private_server() -> AsyncIterator[Server]:
    """A server of its own, for a test that stops or kills it."""
    async with running_server() as server:
        yield server
