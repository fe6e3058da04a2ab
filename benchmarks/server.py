"""The server that everything is measured on: the embedded one, with its durable default settings."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from benchmarks.statements import statement
from holdfast_engine.postgres.embedded import EmbeddedPostgres
from holdfast_engine.postgres.migrations import apply_schema

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_RUNNER_LOGIN = "benchmark_runner"


@dataclass(frozen=True)
class Server:
    """A running server with Holdfast's schema, and beside it the tables of the floor."""

    postgres: EmbeddedPostgres

    @property
    def dsn(self) -> str:
        """As the superuser, who stands for the control plane."""
        return self.postgres.dsn()

    @property
    def pid(self) -> int:
        """The process whose children serve the connections."""
        return self.postgres.pid

    @property
    def runner_dsn(self) -> str:
        """As a login with the rights of a pod; the floor uses it too, so that both go the same way."""
        return self.postgres.dsn(role=_RUNNER_LOGIN)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection as the superuser."""
        connection = await asyncpg.connect(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """The DSN of an empty database, which is dropped at the end: for a peer."""
        async with self.connection() as connection:
            await connection.execute(f"create database {name}")
            try:
                yield self.postgres.dsn(name)
            finally:
                await connection.execute(f"drop database {name} with (force)")


@asynccontextmanager
async def running_server() -> AsyncIterator[Server]:
    """Start a server in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="holdfast-benchmarks-") as folder:
        async with EmbeddedPostgres(Path(folder)) as postgres:
            server = Server(postgres)
            async with server.connection() as connection:
                await apply_schema(connection)
                await connection.execute(statement("create_login"))
            yield server
