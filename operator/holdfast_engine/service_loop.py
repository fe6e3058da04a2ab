"""Runs a service on a timer, and whenever something says that there is work.

A service is a `run_once` that looks at the database and does what is due. It may be called at any time and any number
of times, so the loop needs to know nothing else: a pass that failed is a pass that comes again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from holdfast.protocol.refusals import is_passing
from holdfast_engine.backoff import FIRST_SECONDS, Backoff

_logger = logging.getLogger("holdfast.engine")

STOP_SECONDS = 10.0
"""How long a pass that is under way may take to end before it is canceled."""


@dataclass(frozen=True, kw_only=True)
class PassReport:
    """What one pass of a service did."""

    #: How many runs or attempts it changed.
    changed: int = 0
    #: When to look again at the latest, in seconds; 0: at once, there is more. ``None``: when the interval is over.
    again_seconds: float | None = None


class Service(Protocol):
    """One periodic duty of the engine."""

    @property
    def name(self) -> str:
        """What it is called in the log."""

    async def run_once(self) -> PassReport:
        """Do what is due now."""


OnPass = Callable[[Service, PassReport | Exception], None]
"""Called after each pass with what it did, or with what it raised. Costs nothing; tests wait with it."""


class ServiceLoop:
    """Calls ``run_once`` of ``service`` when `wake` is called, and at least once per interval.

    Args:
        service: what to run.
        interval_seconds: the longest time between two passes, at least 1.
        on_pass: called after each pass.
    """

    def __init__(self, service: Service, interval_seconds: float, on_pass: OnPass) -> None:
        if interval_seconds < 1:
            raise ValueError(f"interval_seconds={interval_seconds}: an idle service looks once per second at most")
        self.service = service
        self._interval_seconds = interval_seconds
        self._on_pass = on_pass
        self._wake = asyncio.Event()
        self._backoff = Backoff()
        self._is_out = False
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """There may be work: let the next pass begin now, or right after the one under way."""
        self._wake.set()

    def wake_within(self, seconds: float) -> None:
        """There may be work that can wait for so long: what comes meanwhile shares the pass."""
        if self._alarm is None and not self._is_stopping:
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.wake()

    def start(self) -> None:
        """Begin, in the background. Does nothing if it runs, or after `stop`."""
        if self._task is None and not self._is_stopping:
            self._task = asyncio.create_task(self._run(), name=f"holdfast {self.service.name}")

    async def stop(self) -> None:
        """Let the pass under way end, and return when it has. May come twice, or before `start`."""
        self._is_stopping = True
        self._wake.set()
        if self._alarm is not None:
            self._alarm.cancel()
        if self._task is not None:
            _, unfinished = await asyncio.wait([self._task], timeout=STOP_SECONDS)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            await self._rest(await self._pass())

    async def _pass(self) -> float:
        """Run once; return how long to rest, in seconds."""
        try:
            report = await self.service.run_once()
        except Exception as error:
            delay_seconds = self._backoff.next_seconds()
            self._log(error, delay_seconds)
            self._on_pass(self.service, error)
            await asyncio.sleep(FIRST_SECONDS)  # whoever wakes us
            return delay_seconds
        if self._is_out:
            self._is_out = False
            _logger.warning("%s: the database is back", self.service.name)
        self._backoff.reset()
        self._on_pass(self.service, report)
        again_seconds = self._interval_seconds if report.again_seconds is None else report.again_seconds
        return max(0.0, min(self._interval_seconds, again_seconds))

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)  # the others get their turn
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _log(self, error: Exception, delay_seconds: float) -> None:
        name = self.service.name
        if not is_passing(error):
            _logger.error("%s failed; it tries again in %.1f s", name, delay_seconds, exc_info=error)
        elif not self._is_out:
            self._is_out = True
            reason = str(error) or type(error).__name__
            _logger.warning("%s: the database is away (%s); trying until it is back", name, reason)
