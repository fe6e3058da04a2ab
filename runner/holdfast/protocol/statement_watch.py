"""Notices a statement that takes too long: the server, or the way to it, is gone.

One timer watches all statements of a connection. One for each would have to be set and canceled at every recorded step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import Context


class StatementWatch:
    """Calls ``on_overdue`` when a statement that began has not ended within ``limit_seconds``."""

    def __init__(self, limit_seconds: float, on_overdue: Callable[[], None]) -> None:
        self._limit_seconds = limit_seconds
        self._on_overdue = on_overdue
        self._began: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def began(self) -> None:
        """A statement begins now."""
        self._began = time.monotonic()
        if self._timer is None:
            self._look_again(self._limit_seconds)

    def ended(self) -> None:
        """The statement has ended, well or badly."""
        self._began = None

    def close(self) -> None:
        """There will be no further statement."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._began is None:
            return
        left_seconds = self._began + self._limit_seconds - time.monotonic()
        if left_seconds > 0:
            self._look_again(left_seconds)
        else:
            self._on_overdue()

    def _look_again(self, seconds: float) -> None:
        # in a context of its own: this is no timer of the code that happens to call
        self._timer = Context().run(asyncio.get_running_loop().call_later, seconds, self._look)
