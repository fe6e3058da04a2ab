"""The floor of a cold process: import asyncpg, connect, read one row, print."""

import asyncio
import os

import asyncpg


async def main() -> None:
    """Read one row of the database that the environment names."""
    connection = await asyncpg.connect(os.environ["HOLDFAST_DATABASE"])
    await connection.fetchrow("select 1")
    print("here", flush=True)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
