"""Recorded results come back in the order in which they were recorded.

Code that looks at who finished first (``as_completed``, ``wait(FIRST_COMPLETED)``) then takes the same way again. A
call
never waits for one that may not come: of the calls that stand waiting, the one recorded first goes on, a few turns of
the event loop after it became the first, so that the code behind the previous one could make its next call.
"""

from __future__ import annotations

import asyncio
import heapq

_TURNS_BETWEEN = 4
"""Task done, its waiter woken, the next task made, its first call: four turns."""


class ReplayOrder:
    """The queue of replayed calls of one attempt."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._pumping = False
        self._count = 0

    async def turn(self, sequence: int) -> None:
        """Wait until the result recorded as number ``sequence`` is the next to come back."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._count += 1
        heapq.heappush(self._waiting, (sequence, self._count, future))
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump, 1)
        await future

    def _pump(self, turns_left: int) -> None:
        if turns_left:
            self._loop.call_soon(self._pump, turns_left - 1)
            return
        while self._waiting:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
                self._loop.call_soon(self._pump, _TURNS_BETWEEN)
                return
        self._pumping = False
