"""One local process, our child or adopted, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

from holdfast_engine.launcher import AttemptId
from holdfast_engine.launchers.process_record import ProcessRecord


class WatchedProcess:
    """A process that leads a group of its own.

    Args:
        id: the attempt that it is.
        record: the process.
        child: the same as our child; ``None`` if an earlier engine launched it: then nobody sees its exit code.
        on_end: called once, when it is gone and reaped.

    Raises:
        ProcessLookupError: it is gone already.
    """

    def __init__(
        self,
        id: AttemptId,
        record: ProcessRecord,
        child: subprocess.Popen[bytes] | None,
        on_end: Callable[[WatchedProcess], None],
    ) -> None:
        self.id = id
        self._record = record
        self._child = child
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._kill_timer: asyncio.TimerHandle | None = None
        self._was_asked = False
        # A descriptor, because it means this process even when its number belongs to another one.
        self._descriptor = os.pidfd_open(record.pid)
        if child is None and not record.is_same_process:
            os.close(self._descriptor)
            raise ProcessLookupError(record.pid)
        self._loop.add_reader(self._descriptor, self._end)

    @property
    def exit_code(self) -> int | None:
        """How it ended as `subprocess` says it, negative for a signal; ``None`` if nobody saw it."""
        return None if self._child is None else self._child.returncode

    def stop(self, grace_seconds: float) -> None:
        """Send SIGTERM, once, and SIGKILL after the shortest grace that was given."""
        if not self._was_asked:
            self._was_asked = True
            self._send(signal.SIGTERM)
        kill_at = self._loop.time() + grace_seconds
        if self._kill_timer is None or kill_at < self._kill_timer.when():
            self._cancel_kill()
            self._kill_timer = self._loop.call_at(kill_at, self._send, signal.SIGKILL)

    def close(self) -> None:
        """Stop watching; the process is left alone."""
        self._cancel_kill()
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def _cancel_kill(self) -> None:
        if self._kill_timer is not None:
            self._kill_timer.cancel()

    def _end(self) -> None:
        self.close()
        # Before it is reaped, because until then nobody else can get its number.
        kill_group(self._record)
        if self._child is not None:
            self._child.wait()
        self._on_end(self)


def kill_group(record: ProcessRecord) -> None:
    """End what a process that is gone has started: nothing of an attempt outlives it, as in a pod."""
    if record.leads_its_group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(record.pid, signal.SIGKILL)
