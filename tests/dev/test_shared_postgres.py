"""The embedded server of a state directory outlives its keeper, and its own death."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from holdfast.domain.errors import EmbeddedPostgresError
from holdfast_engine.control.following import patiently
from holdfast_engine.control.refusals import refusals
from holdfast_engine.local.shared_postgres import SharedPostgres
from holdfast_engine.local.state_directory import StateDirectory

KEEPER = """
import asyncio, sys
from pathlib import Path
from holdfast_engine.local.shared_postgres import SharedPostgres
from holdfast_engine.local.state_directory import StateDirectory

async def keep():
    async with SharedPostgres(StateDirectory.at(Path(sys.argv[1]))):
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(keep())
"""


async def postmaster(dsn: str) -> int:
    """Number of the server's process, as soon as one answers."""

    async def ask() -> int:
        with refusals():
            connection = await asyncpg.connect(dsn)
        try:
            return int((await connection.fetchval("select pg_read_file('postmaster.pid')")).split()[0])
        finally:
            await connection.close()

    return await patiently(ask)


async def test_who_comes_later_keeps_the_server_up_when_the_keeper_is_killed(server_folder: Path) -> None:
    state = StateDirectory.at(server_folder / "state")
    keeper = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KEEPER, str(state.path), stdout=asyncio.subprocess.PIPE
    )
    assert keeper.stdout is not None
    assert await keeper.stdout.readline() == b"up\n"
    async with SharedPostgres(state) as server:
        first = await postmaster(server.dsn)
        watch = await asyncpg.connect(server.dsn)
        lost = asyncio.Event()
        watch.add_termination_listener(lambda _: lost.set())

        keeper.kill()
        await keeper.wait()
        await lost.wait()

        assert await postmaster(server.dsn) != first


async def test_a_killed_server_is_started_again(server_folder: Path) -> None:
    async with SharedPostgres(StateDirectory.at(server_folder / "state")) as server:
        first = await postmaster(server.dsn)
        watch = await asyncpg.connect(server.dsn)
        lost = asyncio.Event()
        watch.add_termination_listener(lambda _: lost.set())

        os.kill(first, signal.SIGKILL)
        await lost.wait()

        assert await postmaster(server.dsn) != first


async def test_a_directory_that_cannot_be_made_is_told_with_the_ways_out(server_folder: Path) -> None:
    (server_folder / "file").touch()

    with pytest.raises(EmbeddedPostgresError, match=r"cannot be made.*--state-directory.*--database"):
        async with SharedPostgres(StateDirectory.at(server_folder / "file" / "state")):
            pass
