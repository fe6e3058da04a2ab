"""Waiting without a process: above a few seconds the attempt leaves, and another goes on when the time has come.

In an ``async def`` task the calls are awaited; in a ``def`` task they block, and there is nothing to await.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.sdk.journal import current_strand


def sleep(
    seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
) -> Coroutine[Any, Any, None]:
    """Wait for so long, counted from when this line was first reached. Outside of a run: an ordinary sleep."""
    duration = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
    return _wait("sleep", lambda now: now + duration)


def sleep_until(due: datetime) -> Coroutine[Any, Any, None]:
    """Wait until ``due``, which must have a time zone; the clock is the database's.

    Raises:
        ValueError: ``due`` has no time zone.
    """
    if due.tzinfo is None:
        raise ValueError(f"sleep_until({due!r}) needs a time zone, for instance datetime(..., tzinfo=UTC)")
    return _wait("sleep_until", lambda _: due.astimezone(UTC))


def _wait(name: str, find_due: Callable[[datetime], datetime]) -> Coroutine[Any, Any, None]:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # a thread without an event loop: a `def` task
        _wait_blocking(name, find_due)
        return _Over()
    return _wait_async(name, find_due)


async def _wait_async(name: str, find_due: Callable[[datetime], datetime]) -> None:
    strand = current_strand()
    if strand is None:
        await asyncio.sleep(_seconds_until(find_due(datetime.now(UTC))))
        return
    journal = strand.journal
    await journal.sleep(strand, name, lambda: find_due(journal.database_now()))


def _wait_blocking(name: str, find_due: Callable[[datetime], datetime]) -> None:
    strand = current_strand()
    if strand is None:
        time.sleep(_seconds_until(find_due(datetime.now(UTC))))
        return
    journal = strand.journal
    journal.sleep_blocking(strand, name, lambda: find_due(journal.database_now()))


def _seconds_until(due: datetime) -> float:
    return max(0.0, (due - datetime.now(UTC)).total_seconds())


class _Over(Coroutine[Any, Any, None]):
    """What a blocking wait returns: it is over, so awaiting it is allowed and does nothing."""

    def send(self, value: Any) -> Any:
        """End at once."""
        raise StopIteration

    def throw(self, *error: Any) -> Any:
        """Raise what is thrown."""
        raise error[0]

    def close(self) -> None:
        """Do nothing."""

    def __await__(self) -> Generator[Any, Any, None]:
        return iter(())  # type: ignore[return-value]  # nothing to send to
