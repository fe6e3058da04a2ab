"""A lock that its holder's process cannot outlive."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class FileLock:
    """The lock on ``path``: the kernel drops it when the holder's process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def try_take(self) -> bool:
        """Take the lock if nobody else holds it; tell whether it is ours now."""
        if self._file is not None:
            return True
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        self._file = file
        return True

    @property
    def holder(self) -> str:
        """Who holds it, as they wrote it down."""
        return self._path.read_text() or "another process"

    def release(self) -> None:
        """Give it up. Does nothing when it is not ours."""
        if self._file is not None:
            self._file.close()
            self._file = None
