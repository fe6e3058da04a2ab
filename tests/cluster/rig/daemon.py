"""A process that the rig starts and ends, by its number and its start: a number used again is never taken for ours."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.rig.errors import RigError

STOP_SECONDS = 10.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Daemon:
    """One process with its log and the file that remembers its number.

    Args:
        name: What the log and the file are called.
        command: Program and arguments.
        directory: The folder of the cluster; the log is `logs/NAME.log`, the number in `run/NAME.pid`.
        environment: Added to the environment of this process.
        outlives_us: Whether the process goes on when the one that started it ends. If not, not even a kill -9 of a
            test session leaves it behind.
    """

    name: str
    command: Sequence[str | Path]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    outlives_us: bool = False

    @property
    def log(self) -> Path:
        """What the process wrote."""
        return self.directory / "logs" / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The number of the process, if it runs."""
        try:
            pid, began = self._file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _start_of(int(pid)) == began else None

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self.pid is not None:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        tether = [] if self.outlives_us else ["setpriv", "--pdeathsig", "KILL"]
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                [*tether, *map(str, self.command)],
                env={**_plain_environment(), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._file.write_text(f"{process.pid} {_start_of(process.pid)}")
        _CHILDREN[process.pid] = process

    def stop(self) -> None:
        """End the process: it is asked to, and killed if that had no effect within ten seconds."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if (pid := self.pid) is None:
                break
            os.kill(pid, number)
            self._wait_for_end(pid)
        self._file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the process as a crash does."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGKILL)
            self._wait_for_end(pid)

    def wait_until(self, is_ready: Callable[[], bool], what: str, timeout_seconds: float = 180) -> None:
        """Wait until `is_ready` says so.

        Raises:
            RigError: The process ended, or the time is over.
        """
        end = time.monotonic() + timeout_seconds
        while not is_ready():
            if self.pid is None:
                raise RigError(f"{self.name} ended before {what}:\n{self._last_words()}\nAll of it: {self.log}")
            if time.monotonic() > end:
                raise RigError(f"{what} took more than {timeout_seconds:.0f} s; see {self.log}:\n{self._last_words()}")
            time.sleep(POLL_SECONDS)

    @property
    def _file(self) -> Path:
        return self.directory / "run" / f"{self.name}.pid"

    def _wait_for_end(self, pid: int) -> None:
        began = _start_of(pid)
        end = time.monotonic() + STOP_SECONDS
        while began is not None and _start_of(pid) == began and time.monotonic() < end:
            if (child := _CHILDREN.get(pid)) is not None:
                child.poll()
            time.sleep(POLL_SECONDS / 5)

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])


_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def _plain_environment() -> dict[str, str]:
    """No proxy: everything the cluster talks to is on this machine."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def _start_of(pid: int) -> str | None:
    """When the process began, in the kernel's own count; none if it ended, even if nobody has reaped it yet."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]
