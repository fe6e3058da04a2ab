"""The schema of a database as text, to compare."""

from __future__ import annotations

import asyncio
import os

from tests.support.databases import Database


async def dump_schema(database: Database) -> str:
    """What ``pg_dump --schema-only`` of the server's own version prints, without its random words."""
    program = database.server.postgres.programs / "pg_dump"
    process = await asyncio.create_subprocess_exec(
        str(program),
        "--schema-only",
        f"--dbname={database.dsn}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    # `\restrict` and `\unrestrict` carry a new password each time.
    lines = output.decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))
