"""The files of an embedded server: made once, checked at every start.

directory/
  owner.lock     whoever holds the lock on it is the owner
  data/          PostgreSQL's data directory
  socket/        its unix socket; nobody else may enter
  postgres.log   what the server said since it was last started
  password       of the superuser, for TCP; the socket trusts whoever may enter its folder
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from holdfast.domain.errors import EmbeddedPostgresError
from holdfast_engine.postgres.owner_lock import LOCK_NAME
from holdfast_engine.postgres.programs import Programs

SUPERUSER = "postgres"
STOP_TIMEOUT_SECONDS = 30

_LONGEST_SOCKET_PATH_BYTES = 100  # Linux allows 107, other systems a few less


@dataclass(frozen=True)
class Postmaster:
    """What a server writes about itself into ``postmaster.pid``."""

    pid: int
    port: int
    socket_directory: Path
    is_ready: bool

    @classmethod
    def read(cls, path: Path) -> Postmaster | None:
        """The server that wrote ``path``; None when there is none, or it has not written everything yet."""
        try:
            lines = path.read_text().splitlines()
        except FileNotFoundError:
            return None
        if len(lines) < 8:
            return None
        return cls(int(lines[0]), int(lines[3]), Path(lines[4]), lines[7].strip() == "ready")

    def listens(self) -> bool:
        """Whether a live server listens; the file itself may be left over from a crash."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            return client.connect_ex(str(self.socket_directory / f".s.PGSQL.{self.port}")) == 0


class DataDirectory:
    """The directory of one embedded server."""

    def __init__(self, root: Path, programs: Programs, *, is_durable: bool = True) -> None:
        self.root = root
        self.data = root / "data"
        self.log = root / "postgres.log"
        self._programs = programs
        self._is_durable = is_durable

    @property
    def socket_directory(self) -> Path:
        """The folder of the unix socket: inside the directory, or under the temporary one if too long."""
        inside = self.root / "socket"
        if len(os.fsencode(inside / ".s.PGSQL.65535")) <= _LONGEST_SOCKET_PATH_BYTES:
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"holdfast-{digest}"

    @property
    def postmaster(self) -> Postmaster | None:
        """The server that runs here, or ran here and crashed."""
        return Postmaster.read(self.data / "postmaster.pid")

    def accepts(self) -> bool:
        """Whether a server runs here and is ready for connections."""
        postmaster = self.postmaster
        # The file of a crashed server may say `ready` as well.
        return postmaster is not None and postmaster.is_ready and postmaster.listens()

    @property
    def password(self) -> str:
        """The superuser's password, asked for over TCP only."""
        return (self.root / "password").read_text()

    def log_tail(self) -> str:
        """The last lines of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def create(self) -> None:
        """Make the directory, with nothing in it.

        Raises:
            EmbeddedPostgresError: it holds something else. As root we would give that away to another user.
        """
        is_ours = (self.root / LOCK_NAME).exists()
        is_free = not self.root.exists() or (self.root.is_dir() and not any(self.root.iterdir()))
        if not is_ours and not is_free:
            raise EmbeddedPostgresError(
                f"{self.root} exists and is not the directory of an embedded PostgreSQL. "
                "Choose an empty directory, or one that does not exist."
            )
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def prepare(self) -> None:
        """Make what is missing, check what is there, and stop a server that outlived its owner.

        Raises:
            EmbeddedPostgresError: the data were made by another major version, or ``initdb`` failed.
        """
        self._programs.own(self.root)
        if not self.data.exists():
            self._initialize()
        self._check_version()
        self._make_socket_directory()
        self._stop_orphan()

    def _initialize(self) -> None:
        password = self.root / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        self._programs.own(password)
        unfinished = self.root / "data.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        self._programs.run(
            "initdb",
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-instructions",
            *([] if self._is_durable else ["--no-sync"]),
        )
        unfinished.rename(self.data)

    def _check_version(self) -> None:
        stored = (self.data / "PG_VERSION").read_text().strip()
        offered = self._programs.run("postgres", "--version").split()[2].split(".")[0]
        if stored != offered:
            raise EmbeddedPostgresError(
                f"{self.data} was made by PostgreSQL {stored}. This is PostgreSQL {offered}, which cannot "
                "read it. Choose another directory, or convert the data with pg_upgrade."
            )

    def _make_socket_directory(self) -> None:
        directory = self.socket_directory
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
        # Under the temporary folder somebody else may have been there first.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.geteuid(), self._programs.uid):
            raise EmbeddedPostgresError(f"{directory} belongs to someone else. Remove it, or choose a shorter path.")
        self._programs.own(directory)

    def remove_socket_directory(self) -> None:
        """Remove the folder of the socket if it lies elsewhere. Call it when no server runs."""
        if not self.socket_directory.is_relative_to(self.root) and self.socket_directory.exists():
            self.socket_directory.rmdir()

    def _stop_orphan(self) -> None:
        orphan = self.postmaster
        if orphan is None or not orphan.listens():
            return
        try:
            self.stop_server("fast")
        except EmbeddedPostgresError:
            if orphan.listens():  # else it went by itself in the meantime
                raise

    def stop_server(self, mode: str) -> None:
        """Stop the server that runs here, in ``mode`` (``fast`` or ``immediate``), and wait for its end."""
        self._programs.run(
            "pg_ctl", "stop", f"--pgdata={self.data}", f"--mode={mode}", f"--timeout={STOP_TIMEOUT_SECONDS}"
        )
