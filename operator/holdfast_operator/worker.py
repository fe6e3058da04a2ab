"""Workers: each takes a key off the queue, has its resource reconciled, and puts it back if that failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from holdfast.domain.errors import UnavailableError
from holdfast.protocol.refusals import is_passing
from holdfast_operator.kinds import Key, Kind
from holdfast_operator.kube_errors import Conflict, KubeError, Throttled, Unavailable
from holdfast_operator.metrics import Metrics
from holdfast_operator.work_queue import WorkQueue

_logger = logging.getLogger("holdfast.operator")

Reconcile: TypeAlias = Callable[[Key], Awaitable[float | None]]
"""Brings a resource and its run in line; returns when to look again, in seconds, or ``None``."""

STOP_SECONDS = 10.0
"""How long the work under way may take to end before it is canceled."""


class Workers:
    """Works on a queue.

    Args:
        queue: of keys.
        reconcilers: by kind.
        metrics: counts the failures.
        count: how many keys at the same time.
        timeout_seconds: for one key; after it the work counts as failed.
        on_done: called whenever a key was worked on, well or not.
    """

    def __init__(
        self,
        queue: WorkQueue,
        reconcilers: Mapping[Kind, Reconcile],
        metrics: Metrics,
        *,
        count: int,
        timeout_seconds: float,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._reconcilers = reconcilers
        self._metrics = metrics
        self._count = count
        self._timeout_seconds = timeout_seconds
        self._on_done = on_done
        self._is_stopping = False
        self._idle: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._outage = False

    def start(self) -> None:
        """Begin, in the background."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"holdfast worker {number}") for number in range(self._count)
        ]

    async def stop(self) -> None:
        """Take no more keys, let the work under way end, and return when it has. May come twice."""
        self._is_stopping = True
        for task in self._idle:
            task.cancel()
        if self._tasks:
            _, unfinished = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _work(self) -> None:
        this = asyncio.current_task()
        assert this is not None
        while not self._is_stopping:
            self._idle.add(this)
            try:
                key = await self._queue.get()
            finally:
                self._idle.discard(this)
            try:
                await self._reconcile(key)
            finally:
                self._queue.done(key)
                self._on_done()

    async def _reconcile(self, key: Key) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                again_seconds = await self._reconcilers[key.kind](key)
        except Exception as error:
            at_least_seconds = error.retry_after_seconds if isinstance(error, Throttled) else 0.0
            self._tell(key, error, self._queue.retry(key, at_least_seconds))
            return
        self._outage = False
        self._queue.forget(key)
        if again_seconds is not None:
            self._queue.add_after(key, again_seconds)

    def _tell(self, key: Key, error: Exception, delay_seconds: float) -> None:
        reason = error.reason if isinstance(error, KubeError) else type(error).__name__
        self._metrics.reconcile_errors.labels(key.kind.name, reason).inc()
        if isinstance(error, Conflict):
            _logger.debug("%s changed meanwhile: %s", key, error.message)
        elif isinstance(error, (Unavailable, UnavailableError)) or is_passing(error):
            # All keys fail in an outage: the first speaks for them.
            level = logging.DEBUG if self._outage else logging.WARNING
            self._outage = True
            _logger.log(level, "%s waits for better times: %s", key, str(error) or reason)
        elif isinstance(error, KubeError):
            _logger.warning("%s: %s It is tried again in %.1f s.", key, error.message, delay_seconds)
        else:
            _logger.error("%s failed; it is tried again in %.1f s", key, delay_seconds, exc_info=error)
