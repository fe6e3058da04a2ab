"""The clock of a test: it stands beside the real one and goes ahead when it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from holdfast.testing.store import Store


class Clock:
    """The database's clock, which is the only one of Holdfast. It cannot be set back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def now(self) -> datetime:
        """The time of the tests, aware."""
        time: datetime = await self._store.value("read_clock")
        return time

    async def advance(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
    ) -> datetime:
        """Let time pass at once, and return what time it is then.

        Raises:
            ValueError: the duration is negative.
        """
        duration_seconds = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days).total_seconds()
        if duration_seconds < 0:
            raise ValueError(f"the clock cannot go back by {-duration_seconds:g} s")
        await self._store.value("advance_clock", duration_seconds)
        return await self.now()

    async def advance_to(self, due: datetime) -> datetime:
        """Let time pass until ``due``; do nothing if that is over. Returns what time it is then.

        Raises:
            ValueError: ``due`` has no time zone.
        """
        if due.tzinfo is None:
            raise ValueError(f"advance_to({due!r}) needs a time zone, for instance datetime(..., tzinfo=UTC)")
        await self._store.value("advance_clock_to", due)
        return await self.now()


@asynccontextmanager
async def settable_clock(store: Store) -> AsyncIterator[Clock]:
    """Replace the clock of the database while the context is open."""
    await store.script("clock.sql")
    try:
        yield Clock(store)
    finally:
        await store.restore_clock()
