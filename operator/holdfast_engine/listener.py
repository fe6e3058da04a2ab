"""Hears of changes of state. What it hears is a hint: whoever misses one looks again by the clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.protocol.refusals import is_passing
from holdfast_engine.backoff import Backoff
from holdfast_engine.database import EngineDatabase

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

_logger = logging.getLogger("holdfast.engine")

CHANNEL = "holdfast"
PING = "select 1"
PING_SECONDS = 30.0
"""How long a connection that died silently may go unnoticed."""


class Listener:
    """A connection that listens, made again whenever it is lost.

    Args:
        database: where to listen.
        on_change: called with the state a run is in now and its id, which is "" if it is about no run in particular.
        on_connect: called when it listens (again): what happened before was not heard.
    """

    def __init__(
        self, database: EngineDatabase, on_change: Callable[[str, str], None], on_connect: Callable[[], None]
    ) -> None:
        self._database = database
        self._on_change = on_change
        self._on_connect = on_connect
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, in the background."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen_forever(), name="holdfast listener")

    async def stop(self) -> None:
        """End. May come twice, or before ``start``."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen_forever(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._listen(backoff)
            except Exception as error:
                if not is_passing(error):
                    _logger.exception("the listener failed")
            await asyncio.sleep(backoff.next_seconds())

    async def _listen(self, backoff: Backoff) -> None:
        connection = await self._database.connect()
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._hear)
            backoff.reset()
            self._on_connect()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(PING_SECONDS):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute(PING)
        finally:
            connection.terminate()

    def _hear(self, connection: object, pid: int, channel: str, payload: object) -> None:
        state, _, run_id = str(payload).partition(" ")
        self._on_change(state, run_id)
