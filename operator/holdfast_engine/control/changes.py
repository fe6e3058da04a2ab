"""Learn of changes when they happen, and do not depend on it.

The database announces every change of state on one channel. What is announced while the connection is lost is
not sent again, and a transaction pooler announces nothing, so whoever waits looks again from time to time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from holdfast_engine.control.refusals import DRIVER_ERRORS

if TYPE_CHECKING:
    from holdfast_engine.postgres.connections import Pool

CHANNEL = "holdfast"
LOOK_AGAIN_SECONDS = 1.0


class Changes:
    """Announcements since the last look: which runs changed.

    Args:
        only: tell of this run alone; None: of every run.
    """

    def __init__(self, only: str | None = None) -> None:
        self._only = only
        self._changed: set[str] = set()
        self._wake = asyncio.Event()

    async def next(self) -> set[str]:
        """Wait for changes, at most `LOOK_AGAIN_SECONDS`; return the ids of the runs that changed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), LOOK_AGAIN_SECONDS)
        self._wake.clear()
        changed, self._changed = self._changed, set()
        return changed

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        _, _, run_id = str(payload).partition(" ")
        if run_id and self._only in (None, run_id):
            self._changed.add(run_id)
            self._wake.set()

    async def listen(self, pool: Pool) -> None:
        """Listen until the connection is lost, then again on another; ends by cancellation only."""
        while True:
            # a pool that lost its database, or a server on its way down, is asked again
            with suppress(*DRIVER_ERRORS):
                async with pool.acquire() as connection:
                    await self._listen_on(connection)
            await asyncio.sleep(LOOK_AGAIN_SECONDS / 4)

    async def _listen_on(self, connection: Any) -> None:
        lost = asyncio.Event()

        def lose(_connection: object) -> None:
            lost.set()

        await connection.add_listener(CHANNEL, self._heard)
        connection.add_termination_listener(lose)
        try:
            await lost.wait()
        finally:
            if not connection.is_closed():
                connection.remove_termination_listener(lose)
                await connection.remove_listener(CHANNEL, self._heard)


@asynccontextmanager
async def changes(pool: Pool, only: str | None = None) -> AsyncIterator[Changes]:
    """Announcements of changes while the context lasts; takes one connection of the pool."""
    heard = Changes(only)
    listener = asyncio.create_task(heard.listen(pool))
    try:
        yield heard
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
