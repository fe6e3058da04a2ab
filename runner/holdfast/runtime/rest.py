"""When the event loop has come to rest: nothing is ready, so the author's code waits for something in all its tasks.
And when a thread has.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextvars import Context

_TURNS = 32
"""A loop that never rests, because of code outside of steps, counts as resting after so many turns."""


class Rest:
    """Calls back when the loop is at rest, once for each request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = Context()  # what is done here is none of the author's doing

    def then(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once the loop is at rest; from the loop's own thread only."""
        self._loop.call_soon(self._look, callback, 1, context=self._context)

    def then_from_any_thread(self, callback: Callable[[], None]) -> None:
        """The same, from any thread."""
        self._loop.call_soon_threadsafe(self._look, callback, 1, context=self._context)

    def _look(self, callback: Callable[[], None], turns: int) -> None:
        # without this list of asyncio's own loops (uvloop has none) it takes all the turns
        ready = getattr(self._loop, "_ready", None)
        if turns < _TURNS and (ready is None or ready):
            self._loop.call_soon(self._look, callback, turns + 1, context=self._context)
        else:
            callback()


def waits_for_a_thread(thread: int) -> bool:
    """Whether a thread is inside a wait of `threading` right now: join, Event, Condition, a queue."""
    frame = sys._current_frames().get(thread)
    return frame is not None and frame.f_code.co_filename == threading.__file__
