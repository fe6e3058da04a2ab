"""`python -m holdfast_operator.migrate`, which the operator's pods run first."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import asyncpg

from tests.support.databases import Database


async def migrate(dsn: str | None) -> tuple[int | None, str, str]:
    """Run it, and return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast_operator.migrate"),
        env={} if dsn is None else {"HOLDFAST_OPERATOR_DATABASE": dsn},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
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


async def test_a_missing_setting_is_named() -> None:
    code, _, err = await migrate(None)

    assert code == 1
    assert "HOLDFAST_OPERATOR_DATABASE is not set" in err
