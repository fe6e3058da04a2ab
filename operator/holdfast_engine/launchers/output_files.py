"""What local processes print. A file, not a pipe: it outlives the engine, and a process never waits for a reader."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from holdfast_engine.launcher import AttemptId

LIMIT_BYTES = 4 * 1024 * 1024
KEPT_BYTES = 512 * 1024
"""What is left of a file that has grown above the limit: its end."""

TAIL_BYTES = 8 * 1024
KEPT_FILES = 100
"""Of processes that are gone; the oldest goes first."""

SUFFIX = ".log"
_MARK = b"[holdfast: output above %d bytes was dropped here]\n" % LIMIT_BYTES


class OutputFiles:
    """The output of one launcher's processes, a file each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._finished: deque[Path] = deque()

    def start(self) -> None:
        """Take over the files that are there."""
        files = self._directory.glob(f"*{SUFFIX}")
        self._finished.extend(sorted(files, key=lambda file: file.stat().st_mtime))

    def path(self, id: AttemptId) -> Path:
        """The file of an attempt."""
        return self._directory / f"{id}{SUFFIX}"

    def open(self, id: AttemptId) -> int:
        """A descriptor for a process to print to. It appends, so that cutting the file moves the writer along."""
        return os.open(self.path(id), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def tail(self, id: AttemptId) -> str:
        """The end of the output, from the beginning of a line if there is one."""
        try:
            with self.path(id).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                tail = file.read(TAIL_BYTES)
        except FileNotFoundError:
            return ""
        if size > TAIL_BYTES and b"\n" in tail[:-1]:
            tail = tail.partition(b"\n")[2]
        return tail.decode(errors="replace")

    def cut(self, id: AttemptId) -> None:
        """Drop all but the end if the file is above its limit. What is printed in this moment may be lost."""
        try:
            file = os.open(self.path(id), os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            size = os.fstat(file).st_size
            if size > LIMIT_BYTES:
                kept = os.pread(file, KEPT_BYTES, size - KEPT_BYTES)
                os.ftruncate(file, 0)
                os.write(file, _MARK + kept)
        finally:
            os.close(file)

    def finish(self, id: AttemptId) -> None:
        """The process is gone: its file stays until there are too many."""
        self.cut(id)
        self._finished.append(self.path(id))
        while len(self._finished) > KEPT_FILES:
            self._finished.popleft().unlink(missing_ok=True)
