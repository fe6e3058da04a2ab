"""Real PostgreSQL servers for the tests, and a fresh database for each test."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from holdfast_engine.postgres.embedded import EmbeddedPostgres
from holdfast_engine.postgres.migrations import migrate

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")

#: A login like that of a pod: a member of the role holdfast_runner.
RUNNER_LOGIN = "test_runner"

_MIGRATED_TEMPLATE = "migrated_template"

# The data of a test need not survive a crash of the machine; those of a killed server are safe without it.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "wal_init_zero": "off", "max_connections": "200"}


@dataclass(frozen=True)
class Database:
    """A database of one test.

    Args:
        dsn: as the superuser, who stands for the control plane.
        runner_dsn: as a login with the rights of a pod.
    """

    server: Server
    name: str
    dsn: str
    runner_dsn: str
    _connections: AsyncExitStack = field(repr=False)

    async def connect(self, dsn: str | None = None) -> Connection:
        """A connection to ``dsn`` (default: our own), closed at the end of the test."""
        connection = await asyncpg.connect(dsn or self.dsn)
        self._connections.push_async_callback(connection.close)
        return connection


class Server:
    """A PostgreSQL server that makes databases."""

    def __init__(self, postgres: EmbeddedPostgres, version: int) -> None:
        self.postgres = postgres
        self.version = version
        self._numbers = itertools.count(1)
        self._template_lock = asyncio.Lock()
        self._has_template = False

    @asynccontextmanager
    async def database(self, *, migrated: bool = True) -> AsyncIterator[Database]:
        """A new database, dropped at the end; ``migrated=False`` gives an empty one."""
        if migrated:
            await self._ensure_template()
        name = f"test_{next(self._numbers)}"
        await self._execute(f"create database {name} template {_MIGRATED_TEMPLATE if migrated else 'template0'}")
        dsns = self.postgres.dsn(name), self.postgres.dsn(name, RUNNER_LOGIN)
        try:
            async with AsyncExitStack() as connections:
                yield Database(self, name, *dsns, connections)
        finally:
            await self._execute(f"drop database if exists {name} with (force)")

    async def _ensure_template(self) -> None:
        async with self._template_lock:
            if self._has_template:
                return
            await self._execute(f"create database {_MIGRATED_TEMPLATE} template template0")
            await migrate(self.postgres.dsn(_MIGRATED_TEMPLATE))
            await self._execute(f"create role {RUNNER_LOGIN} login in role holdfast_runner")
            self._has_template = True

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.postgres.dsn())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def running_server(version: int = 18) -> AsyncIterator[Server]:
    """A server of PostgreSQL 18 (embedded) or 15 (Debian's), in a folder that goes with it."""
    if version == 15 and not (DEBIAN_15 / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not installed: apt-get install postgresql-15")
    programs = DEBIAN_15 if version == 15 else None
    with tempfile.TemporaryDirectory(prefix=f"holdfast-test-{version}-") as folder:
        async with EmbeddedPostgres(Path(folder), settings=_SETTINGS, programs=programs) as postgres:
            yield Server(postgres, version)


class Servers:
    """The servers of a test session, one per version, started when first asked for."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._servers: dict[int, Server] = {}
        self._shared: dict[int, Database] = {}

    async def of_version(self, version: int) -> Server:
        """The server of this major version."""
        if version not in self._servers:
            self._servers[version] = await self._stack.enter_async_context(running_server(version))
        return self._servers[version]

    async def shared_database(self, version: int) -> Database:
        """The one database of this version that many tests share."""
        if version not in self._shared:
            server = await self.of_version(version)
            self._shared[version] = await self._stack.enter_async_context(server.database())
        return self._shared[version]
