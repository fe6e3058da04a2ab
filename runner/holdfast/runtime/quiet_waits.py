"""Waits of our own, by timers that are none of the author's code: they do not keep an attempt from parking."""

from __future__ import annotations

import asyncio
import math
from contextvars import Context


class QuietWaits:
    """Waits in the event loop of an attempt.

    Args:
        loop: that loop.
        stopping: done when the attempt is to end.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stopping: asyncio.Future[None]) -> None:
        self._loop = loop
        self._stopping = stopping

    async def sleep(self, seconds: float) -> None:
        """Wait for so long."""
        await self._end_within(self._loop.create_future(), seconds)

    async def until(self, event: asyncio.Future[None], seconds: float = math.inf) -> None:
        """Wait for ``event``, for the end of the attempt or for so long, whatever comes first."""
        over: asyncio.Future[None] = self._loop.create_future()

        def end(_: object) -> None:
            if not over.done():
                over.set_result(None)

        for each in (event, self._stopping):
            each.add_done_callback(end, context=Context())
        try:
            await self._end_within(over, seconds)
        finally:
            for each in (event, self._stopping):
                each.remove_done_callback(end)

    async def _end_within(self, over: asyncio.Future[None], seconds: float) -> None:
        if math.isinf(seconds):
            await over
            return
        # in a context without a strand, where nobody notes it
        timer = Context().run(self._loop.call_later, seconds, lambda: None if over.done() else over.set_result(None))
        try:
            await over
        finally:
            timer.cancel()
