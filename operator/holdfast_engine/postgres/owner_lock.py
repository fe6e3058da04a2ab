"""One owner at a time for a directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from holdfast.domain.errors import EmbeddedPostgresError

LOCK_NAME = "owner.lock"


class OwnerLock:
    """The ownership of ``directory``: a file lock, which the kernel drops when the owner's process ends."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_NAME
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Become the owner, or stay it.

        Raises:
            EmbeddedPostgresError: someone else is the owner; names the process.
        """
        if self._file is not None:
            return
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read() or "another process"
            file.close()
            raise EmbeddedPostgresError(
                f"{self._path.parent} is in use by {owner}. Connect to that server by its DSN, "
                "stop that process, or choose another directory."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the ownership up. Does nothing when it is not ours."""
        if self._file is not None:
            self._file.close()
            self._file = None
