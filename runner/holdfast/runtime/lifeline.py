"""A second thread with a connection of its own, for the moments when the attempt's event loop is not free.

It renews the lease while a task blocks the loop, and records for ``def`` steps that are called from the loop's thread.
The connection is opened at the first such moment only: most attempts have one connection.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from holdfast.domain.errors import ControlFlow
from holdfast.protocol.client import AttemptClient
from holdfast.protocol.connection import Database
from holdfast.protocol.messages import Identity
from holdfast.protocol.refusals import is_passing
from holdfast.runtime.patience import Patience

T = TypeVar("T")

_log = logging.getLogger("holdfast")


class Lifeline:
    """Starts with the first use, or with ``watch``; ends with ``close``."""

    def __init__(self, connection: Database, identity: Identity, database_grace_seconds: float) -> None:
        self._connection = connection
        self.client = AttemptClient(connection, identity)
        self.patience = Patience(connection, database_grace_seconds)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the other thread and wait for it, blocking this one."""
        return asyncio.run_coroutine_threadsafe(call(), self._start()).result()

    def watch(self, last_contact: Callable[[], float], interval_seconds: float) -> None:
        """From now on, renew the lease whenever ``last_contact()`` (monotonic seconds) is older than the interval."""
        asyncio.run_coroutine_threadsafe(self._renew(last_contact, interval_seconds), self._start())

    def close(self) -> None:
        """End the thread and the connection. May come twice, or before the first use."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._stop(), loop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            loop.close()

    async def _renew(self, last_contact: Callable[[], float], interval_seconds: float) -> None:
        while True:
            silent_seconds = time.monotonic() - last_contact()
            if silent_seconds < interval_seconds:
                await asyncio.sleep(interval_seconds - silent_seconds)
                continue
            try:
                await self.client.heartbeat()
            except ControlFlow as fenced:
                _log.warning("holdfast: %s", fenced)
                return
            except Exception as error:
                if not is_passing(error):
                    raise
                self._connection.drop()
            await asyncio.sleep(interval_seconds)

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="holdfast-lifeline", daemon=True)
                # in a context of its own: our thread is no branch of the author's, and must not take its number
                Context().run(self._thread.start)
            return self._loop

    async def _stop(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._connection.close()
        asyncio.get_running_loop().stop()
