"""A real PgBouncer in front of a database, with transaction pooling."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast_engine.postgres.programs import Programs
from tests.support.databases import RUNNER_LOGIN, Database

_PORT = 6432

_CONFIGURATION = """
[databases]
* = host={server_socket} port={server_port}
[pgbouncer]
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 1000
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
"""


@dataclass(frozen=True)
class Pooler:
    """A PgBouncer; its DSNs lead to the test's database, each transaction on any of a few connections."""

    dsn: str
    runner_dsn: str


@asynccontextmanager
async def running_pooler(database: Database, *, pool_size: int = 2) -> AsyncIterator[Pooler]:
    """PgBouncer in front of ``database``, with at most ``pool_size`` connections to the server per role."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    programs = Programs.in_folder(database.server.postgres.programs)
    with tempfile.TemporaryDirectory(prefix="holdfast-pooler-") as name:
        folder = Path(name)
        (folder / "users").write_text(f'"postgres" ""\n"{RUNNER_LOGIN}" ""\n')
        (folder / "pgbouncer.ini").write_text(
            _CONFIGURATION.format(
                server_socket=database.server.postgres.socket_directory,
                server_port=database.server.postgres.port,
                pool_size=pool_size,
                port=_PORT,
                folder=folder,
            )
        )
        for path in (*folder.iterdir(), folder):
            programs.own(path)
        with (folder / "pgbouncer.log").open("wb") as log:
            process = programs.launch_while_owned([program, str(folder / "pgbouncer.ini")], log, stop_signal="TERM")
        try:
            while not _accepts(folder / f".s.PGSQL.{_PORT}"):
                if process.poll() is not None:
                    pytest.fail(f"PgBouncer did not start:\n{(folder / 'pgbouncer.log').read_text()}")
                await asyncio.sleep(0.01)
            yield Pooler(_dsn(folder, database.name, "postgres"), _dsn(folder, database.name, RUNNER_LOGIN))
        finally:
            process.communicate()


def _dsn(folder: Path, database: str, role: str) -> str:
    return f"postgresql://{role}@/{database}?host={folder}&port={_PORT}"


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) == 0
