"""The database of a test environment: one that is given, or an embedded server that goes with the environment."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

_RUNNER_ROLE = "holdfast_runner"

# what a test writes need not survive a crash of the machine
_SETTINGS = {"fsync": "off"}


@asynccontextmanager
async def migrated_database(dsn: str | None) -> AsyncIterator[str]:
    """The connection string of a database with Holdfast's schema; without ``dsn``, of a server of its own.

    Raises:
        MissingExtraError: no ``dsn``, and the extra ``dev`` is not installed.
        MigrationError: the database cannot be used.
    """
    # late: attempts in processes of their own import this package too, and need none of it
    from holdfast_engine.postgres.migrations import migrate

    if dsn is not None:
        await migrate(dsn)
        yield dsn
        return
    from holdfast_engine.postgres.embedded import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="holdfast-testing-") as folder:
        async with EmbeddedPostgres(Path(folder), settings=_SETTINGS) as postgres:
            await migrate(postgres.dsn())
            yield postgres.dsn()


def as_runner(dsn: str) -> str:
    """The same database with the rights of an attempt, for a login that may take that role."""
    return f"{dsn}{'&' if '?' in dsn else '?'}{urlencode({'role': _RUNNER_ROLE})}"
