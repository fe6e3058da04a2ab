"""The floor of a cold attempt: import asyncpg, connect, read one row, tell the witness."""

import asyncio
import os

import asyncpg

from benchmarks.programs.witness_call import tell_witness


async def main() -> None:
    """Read one row of the database that the environment names."""
    connection = await asyncpg.connect(os.environ["HOLDFAST_DATABASE"])
    await connection.fetchrow("select 1")
    tell_witness()
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
