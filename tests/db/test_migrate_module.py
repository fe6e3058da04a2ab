"""`python -m holdfast_operator.migrate`, which the operator's pods run first."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import suppress

import asyncpg
import pytest

from tests.support.databases import Database, Server


async def start(dsn: str | None, **settings: str) -> asyncio.subprocess.Process:
    """Start it with these settings."""
    given = {"database": dsn, **settings}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast_operator.migrate"),
        env={f"HOLDFAST_OPERATOR_{name.upper()}": value for name, value in given.items() if value is not None},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def migrate(dsn: str | None, **settings: str) -> tuple[int | None, str, str]:
    """Run it, and return its exit code and what it printed."""
    process = await start(dsn, **settings)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_owner_of_the_database_needs_no_other_right(empty_database: Database) -> None:
    administrator = await empty_database.connect()
    name = empty_database.name
    owner = f"{name}_owner"
    with suppress(asyncpg.DuplicateObjectError):  # roles belong to the whole server
        await administrator.execute("create role holdfast_runner nologin")
    await administrator.execute(f"create role {owner} login")
    await administrator.execute(f"alter database {name} owner to {owner}")
    dsn = empty_database.server.postgres.dsn(name, owner)
    try:
        first, again = await migrate(dsn), await migrate(dsn)
    finally:
        await administrator.execute(f"reassign owned by {owner} to current_user")
        await administrator.execute(f"drop owned by {owner}")
        await administrator.execute(f"drop role {owner}")

    assert (first[0], again[0]) == (0, 0), first[2]
    assert "0001_core" in first[1]
    assert "nothing to apply" in again[1]


async def test_a_database_that_is_late_is_waited_for(private_server: Server) -> None:
    async with private_server.database(migrated=False) as database:
        await private_server.postgres.stop()
        process = await start(database.dsn)
        assert process.stderr is not None
        told = (await process.stderr.readline()).decode()
        await private_server.postgres.start()
        out, err = await process.communicate()

    assert re.match(
        r"holdfast: the database is not there yet, after \d+ of 300 s: Cannot connect to the database:", told
    )
    assert process.returncode == 0, err
    assert b"0001_core" in out


@pytest.mark.parametrize("limit", ["0", "0.2"])
async def test_a_database_that_does_not_come_is_one_sentence_in_the_end(limit: str) -> None:
    code, out, err = await migrate("postgresql://nobody@127.0.0.1:1/nothing", database_wait_seconds=limit)

    assert (code, out) == (1, "")
    *_, last = err.splitlines()
    assert last.startswith(f"holdfast: The database did not come within {limit} s. Cannot connect to the database:")
    assert "HOLDFAST_OPERATOR_DATABASE_WAIT_SECONDS" in last
    assert "Traceback" not in err


async def test_a_database_that_refuses_is_not_waited_for(empty_database: Database) -> None:
    postgres = empty_database.server.postgres
    code, _, err = await migrate(postgres.dsn(empty_database.name, "nobody_at_all"))

    assert code == 1
    assert "nobody_at_all" in err
    assert "not there yet" not in err


async def test_a_missing_setting_is_named() -> None:
    code, _, err = await migrate(None)

    assert code == 1
    assert "HOLDFAST_OPERATOR_DATABASE is not set" in err
