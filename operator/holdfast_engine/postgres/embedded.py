"""A PostgreSQL server of our own, for as long as its owner lives.

A pipe from the owner to the server's parent ends when the owner stops the server, and also when the owner is
killed: both take the same way out, a fast shutdown. Should the parent be killed too, the next owner of the
directory stops the orphan.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode

from holdfast.domain.errors import EmbeddedPostgresError
from holdfast_engine.postgres.data_directory import STOP_TIMEOUT_SECONDS, SUPERUSER, DataDirectory
from holdfast_engine.postgres.owner_lock import OwnerLock
from holdfast_engine.postgres.programs import Programs, embedded_programs

START_TIMEOUT_SECONDS = 60

# Signs in the log that processes of a server which was just killed are still on their way out.
_PREDECESSOR_IS_LEAVING = ("is still in use", 'lock file "postmaster.pid" already exists')


class EmbeddedPostgres:
    """A PostgreSQL 18 server in ``directory``, owned by this object from `start` to `stop`.

    Use it as an async context manager, or call `start` and `stop`, from any event loop. A directory has one
    owner; a second one is refused. After a crash of owner or server, `start` recovers the data.

    Args:
        directory: made if it does not exist; otherwise empty, or one of an earlier embedded server.
        tcp: also listen on a free port of 127.0.0.1, with a password; `dsn` then uses it. Default: False, the
            unix socket only.
        settings: server settings by name, for example ``{"fsync": "off"}``. Default: PostgreSQL's.
        programs: folder of PostgreSQL's programs. Default: those that the extra ``dev`` installs.

    Raises:
        MissingExtraError: no ``programs`` given, and the extra ``dev`` is not installed.
    """

    def __init__(
        self,
        directory: Path,
        *,
        tcp: bool = False,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.port = _free_port() if tcp else 5432
        self._tcp = tcp
        self._settings = dict(settings or {})
        self._programs = Programs.in_folder(programs or embedded_programs())
        is_durable = self._settings.get("fsync") != "off"
        self._files = DataDirectory(self.directory, self._programs, is_durable=is_durable)
        self._lock = OwnerLock(self.directory)
        self._server: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    @property
    def programs(self) -> Path:
        """The folder of PostgreSQL's programs (``psql``, ``pg_dump``, …), of the server's version."""
        return self._programs.folder

    @property
    def socket_directory(self) -> Path:
        """The folder of the unix socket, which only the server's user (and root) may enter."""
        return self._files.socket_directory

    @property
    def pid(self) -> int:
        """Process id of the server.

        Raises:
            EmbeddedPostgresError: it does not run.
        """
        postmaster = self._files.postmaster
        if self._server is None or postmaster is None:
            raise EmbeddedPostgresError(f"No server of ours runs in {self.directory}. Call start() first.")
        return postmaster.pid

    def dsn(self, database: str = "postgres", role: str = SUPERUSER) -> str:
        """The DSN of ``database`` for ``role``. Over TCP only the superuser has a password."""
        if self._tcp:
            secret = f":{quote(self._files.password)}" if role == SUPERUSER else ""
            return f"postgresql://{quote(role)}{secret}@127.0.0.1:{self.port}/{quote(database)}"
        query = urlencode({"host": self.socket_directory, "port": self.port})
        return f"postgresql://{quote(role)}@/{quote(database)}?{query}"

    async def start(self) -> None:
        """Start the server and return when it accepts connections. Does nothing if it runs already.

        Raises:
            EmbeddedPostgresError: the directory is not usable or has another owner, or the server does not
                start; carries the end of its log.
        """
        if self._server is not None and self._files.accepts():
            return
        self._files.create()
        self._lock.take()
        try:
            if self._server is not None:  # it was killed
                await asyncio.to_thread(self._end, self._server)
            await asyncio.to_thread(self._files.prepare)
            await self._launch_until_ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server (a fast shutdown) and give up the directory. May come twice, or before `start`."""
        server, self._server = self._server, None
        try:
            if server is not None:
                await asyncio.to_thread(self._end, server)
                self._files.remove_socket_directory()
        finally:
            self._lock.release()

    async def _launch_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while True:
            self._server = self._launch()
            if await self._becomes_ready(self._server, deadline):
                return
            await asyncio.to_thread(self._end, self._server)
            log = self._files.log_tail()
            is_passing = any(sign in log for sign in _PREDECESSOR_IS_LEAVING)
            if not is_passing or time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL did not start in {self.directory}. Its log ends:\n{log}")
            await asyncio.sleep(0.1)

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_directory),
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self._settings,
        }
        command = [str(self.programs / "postgres"), "-D", str(self._files.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self._files.log.open("wb") as log:
            return self._programs.launch_while_owned(command, log, stop_signal="INT")

    async def _becomes_ready(self, server: subprocess.Popen[bytes], deadline: float) -> bool:
        while server.poll() is None and time.monotonic() < deadline:
            if self._files.accepts():
                return True
            await asyncio.sleep(0.01)
        return False

    def _end(self, server: subprocess.Popen[bytes]) -> None:
        assert server.stdin is not None
        server.stdin.close()
        try:
            server.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._files.stop_server("immediate")
            server.wait(STOP_TIMEOUT_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
