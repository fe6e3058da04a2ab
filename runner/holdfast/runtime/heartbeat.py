"""Renews the lease of an attempt and delivers its log lines, for as long as the attempt lasts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from holdfast.domain.errors import ControlFlow, DatabaseUnreachable
from holdfast.protocol.client import AttemptClient
from holdfast.protocol.messages import Flags
from holdfast.protocol.refusals import is_passing
from holdfast.runtime.output import Output

_log = logging.getLogger("holdfast")

LINES_EVERY_SECONDS = 1.0


class Heartbeat:
    """Use it as ``async with heartbeat:``.

    Args:
        client: the protocol.
        lease_seconds: the lease is renewed after a third of it.
        database_grace_seconds: after so long without an answer the attempt ends as a disruption.
        output: where log lines wait for delivery.
        on_flags: is told what is pending.
        on_broken: is told why the attempt cannot go on.
    """

    def __init__(
        self,
        client: AttemptClient,
        lease_seconds: float,
        database_grace_seconds: float,
        output: Output,
        on_flags: Callable[[Flags], None],
        on_broken: Callable[[ControlFlow], None],
    ) -> None:
        self._client = client
        self._interval_seconds = lease_seconds / 3
        self._grace_seconds = database_grace_seconds
        self._output = output
        self._on_flags = on_flags
        self._on_broken = on_broken
        self._now = asyncio.Event()

    def beat_now(self) -> None:
        """Ask the database at once what is pending."""
        self._now.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Beat while the context is open."""
        beating = asyncio.create_task(self._beat(), name="holdfast-heartbeat")
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def deliver_lines(self) -> None:
        """Deliver all lines that wait; give up when the database is away. Lines alone never end an attempt."""
        try:
            while self._output.has_lines:
                await self._pulse()
        except Exception as error:
            if not is_passing(error):
                _log.exception("holdfast: the last lines were refused")

    async def _beat(self) -> None:
        answered = time.monotonic()
        while True:
            wait_seconds = min(self._interval_seconds, LINES_EVERY_SECONDS)
            try:
                async with asyncio.timeout(wait_seconds):
                    await self._now.wait()
            except TimeoutError:
                if not self._output.has_lines and time.monotonic() - answered < self._interval_seconds:
                    continue
            self._now.clear()
            try:
                await self._pulse()
                answered = time.monotonic()
            except ControlFlow as fenced:
                self._on_broken(fenced)
                return
            except Exception as error:
                if not is_passing(error):
                    _log.exception("holdfast: a heartbeat was refused")
                silent_seconds = time.monotonic() - answered
                if silent_seconds >= self._grace_seconds + self._interval_seconds:
                    self._on_broken(
                        DatabaseUnreachable(f"no heartbeat was answered for {silent_seconds:.0f} s: {error}")
                    )
                    return

    async def _pulse(self) -> None:
        lines = self._output.waiting_lines()
        pulse = await self._client.heartbeat(lines)
        self._output.delivered(lines)
        self._on_flags(pulse.flags)
