"""Which process an attempt has, written down so that the next engine finds it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import UUID

from holdfast_engine.launcher import AttemptId

SUFFIX = ".json"
_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """A process by its number, and by what tells it from a later one with the same number."""

    pid: int
    #: When it started, in clock ticks since the system did.
    start_ticks: int
    #: Which start of the system that was.
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """The record of a process that lives (or is a zombie)."""
        return cls(pid=pid, start_ticks=_start_ticks(pid), boot_id=_boot_id())

    @property
    def is_same_process(self) -> bool:
        """Whether the process that has this number now is the one that was written down."""
        try:
            return self == ProcessRecord.of(self.pid)
        except OSError:
            return False

    @property
    def leads_its_group(self) -> bool:
        """Whether a process group of this number is the one that was made for the process.

        A number is not given away while a group has it; so if it is free, what is left of the group is ours.
        """
        if self.boot_id != _boot_id():
            return False
        return self.is_same_process or not (_PROC / str(self.pid)).exists()


class ProcessRecords:
    """The records of one launcher, a file each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, id: AttemptId, record: ProcessRecord) -> None:
        """Write ``record`` down, whole or not at all."""
        path = self._path(id)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(vars(record)))
        unfinished.rename(path)

    def delete(self, id: AttemptId) -> None:
        """Forget a process; does nothing if it was."""
        self._path(id).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[tuple[AttemptId, ProcessRecord]]:
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            run_id, _, attempt = path.stem.rpartition("-")
            yield AttemptId(UUID(run_id), int(attempt)), ProcessRecord(**json.loads(path.read_text()))

    def _path(self, id: AttemptId) -> Path:
        return self._directory / f"{id}{SUFFIX}"


def _start_ticks(pid: int) -> int:
    # The second field is the program's name in parentheses, which may hold anything.
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[19])


@cache
def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
