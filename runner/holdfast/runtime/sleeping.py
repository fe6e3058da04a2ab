"""Waits for a time of the database's clock: in the process when short, without it when long."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from weakref import WeakSet

from holdfast.domain.scopes import StepKey
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.runtime.history import WOKE_KIND, WOKE_MARK
from holdfast.runtime.step_call import cancel_mark_of
from holdfast.sdk.codec import codec_for
from holdfast.sdk.journal import Strand

if TYPE_CHECKING:
    from holdfast.runtime.session import Session

SLEEP_KIND = "sleep"

_DATETIME = codec_for(datetime, "the end of a sleep")


class Timers:
    """Timers of the event loop that the author's code has set (``asyncio.sleep``, ``timeout``, ``wait_for``).

    While one of them runs the attempt must not park: nothing records when it would have gone off.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._set: WeakSet[asyncio.TimerHandle] = WeakSet()

    def add(self, timer: asyncio.TimerHandle) -> None:
        """Note a timer."""
        self._set.add(timer)

    def are_none(self) -> bool:
        """Whether none is running."""
        return math.isinf(self.next_in_seconds())

    def next_in_seconds(self) -> float:
        """Return when to look again, in seconds: just after the next of them; infinite when there is none."""
        now = self._loop.time()
        running = (timer.when() for timer in tuple(self._set) if not timer.cancelled())
        return min((when - now + 0.01 for when in running if when > now), default=math.inf)


class Sleeps:
    """Sleeps for a session: the due time is a recorded value, the rest is patience."""

    def __init__(self, session: Session, timers: Timers, park_threshold_seconds: float) -> None:
        self._session = session
        self._timers = timers
        self._park_threshold_seconds = park_threshold_seconds

    async def sleep(self, strand: Strand, name: str, find_due: Callable[[], datetime]) -> None:
        """Wait in an asyncio task."""
        session = self._session
        due, record = session.notes.take(strand, SLEEP_KIND, name, find_due, _DATETIME)
        if session.history.was_canceled(record):
            # its caller lost patience then, and will again
            await session.until_canceled(record, strand)
        try:
            while (remaining := self._remaining_seconds(due)) > 0:
                if remaining <= self._park_threshold_seconds:
                    await asyncio.sleep(remaining)
                else:
                    with session.departure.waiting(strand.branch.path, due):
                        await session.quietly.sleep(min(remaining, self._timers.next_in_seconds()))
            if session.live_branches and not session.departure.is_draining:
                await self._wake_in_turn(record, strand)
        except asyncio.CancelledError as canceled:
            session.departure.check()
            session.note_canceled(cancel_mark_of(record.key, record.name, session.next_sequence()), canceled)
            raise

    async def _wake_in_turn(self, sleep: StepRecord, strand: Strand) -> None:
        """Come back among other results where it did first: the code may look at who was first."""
        session = self._session
        woke = session.history.woke(sleep.key)
        if woke is None:
            woke = _woke_mark(sleep, session.next_sequence())
            session.notes.put(woke)
        await session.order.turn(woke.sequence, (strand.branch.path,))
        session.order.end_turn()

    def sleep_blocking(self, strand: Strand, name: str, find_due: Callable[[], datetime]) -> None:
        """Wait in a thread."""
        session = self._session
        due, record = session.notes.take(strand, SLEEP_KIND, name, find_due, _DATETIME)
        while (remaining := self._remaining_seconds(due)) > 0:
            if remaining <= self._park_threshold_seconds:
                session.departure.stopped.wait(remaining)
            else:
                with session.departure.waiting(strand.branch.path, due):
                    session.departure.stopped.wait(min(remaining, self._timers.next_in_seconds()))
            session.departure.check()
        if session.live_branches and not session.departure.is_draining:
            woke = session.history.woke(record.key)
            session.wake_in_turn(woke, lambda: _woke_mark(record, session.next_sequence()), strand)

    def _remaining_seconds(self, due: datetime) -> float:
        return (due - self._session.database_now()).total_seconds()


def _woke_mark(sleep: StepRecord, sequence: int) -> StepRecord:
    return StepRecord(
        StepKey(sleep.key + WOKE_MARK), sequence, 0, WOKE_KIND, sleep.name, StepOutcome.SUCCEEDED, 1, 0, None, "null"
    )
