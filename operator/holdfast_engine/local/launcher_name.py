"""Who may launch the attempts of a run that needs the directory and environment of one place.

A process inherits the working directory and the environment of whoever launches it, so an engine elsewhere must leave
such a run alone: the run names its launcher. `holdfast dev` is the launcher of its directory, under a name that stays
the same from one time to the next. `holdfast run` takes a name of its own below that, which lives as long as the
command: an advisory lock in the database says whether it still does. If it was killed, the launcher of the directory
may adopt its runs.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from holdfast_engine.control.refusals import DRIVER_ERRORS, refusals
from holdfast_engine.postgres.queries import queries

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_RETRY_SECONDS = 0.5


def name_of_place(directory: Path | None = None) -> str:
    """The launcher of a directory on this machine; default: the working directory."""
    return f"{socket.gethostname()}:{directory or Path.cwd()}"


def name_of_command() -> str:
    """A launcher's name that nobody else has, below the one of the working directory."""
    return f"{name_of_place()}#{secrets.token_hex(6)}"


@asynccontextmanager
async def alive_as(pool: Pool, name: str) -> AsyncIterator[None]:
    """Hold ``name`` while the context lasts, so that nobody adopts its runs; takes one connection of the pool."""
    held = asyncio.Event()
    holder = asyncio.create_task(_hold(pool, name, held))
    try:
        await held.wait()
        yield
    finally:
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)


async def _hold(pool: Pool, name: str, held: asyncio.Event) -> None:
    while True:
        # while the database is away nobody can adopt anything either
        with suppress(*DRIVER_ERRORS):
            async with pool.acquire() as connection:
                lost = asyncio.Event()
                connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                await connection.execute(queries()["hold_launcher_name"].text, name)
                held.set()
                await lost.wait()
        await asyncio.sleep(_RETRY_SECONDS)


async def adopt_orphans(pool: Pool, place: str) -> list[UUID]:
    """Make ``place`` the launcher of runs whose own launcher, below it, is gone; return their ids."""
    with refusals():
        return [row["id"] for row in await pool.fetch(queries()["adopt_orphans"].text, place)]


async def adopt_run(pool: Pool, run_id: UUID, launcher: str) -> bool:
    """Make ``launcher`` that of one unfinished run, unless its own one is alive; tell whether it is now."""
    with refusals():
        return bool(await pool.fetch(queries()["adopt_run"].text, run_id, launcher))
