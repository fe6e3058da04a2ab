"""Waiting without a process: above a few seconds the attempt leaves, and another goes on when the time has come."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from holdfast.sdk.codec import codec_for
from holdfast.sdk.journal import current_strand

_DATETIME = codec_for(datetime, "the end of a sleep")


async def sleep(seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
    """Wait for so long, counted from when this line was first reached. Outside of a run: ``asyncio.sleep``."""
    duration = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
    strand = current_strand()
    if strand is None:
        await asyncio.sleep(max(0.0, duration.total_seconds()))
        return
    journal = strand.journal
    due = journal.note(strand, "sleep", "sleep", lambda: journal.database_now() + duration, _DATETIME)
    await journal.sleep_until(strand, due)


async def sleep_until(due: datetime) -> None:
    """Wait until ``due``, which must have a time zone; the clock is the database's.

    Raises:
        ValueError: ``due`` has no time zone.
    """
    if due.tzinfo is None:
        raise ValueError(f"sleep_until({due!r}) needs a time zone, for instance datetime(..., tzinfo=UTC)")
    strand = current_strand()
    if strand is None:
        await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
        return
    settled = strand.journal.note(strand, "sleep", "sleep_until", lambda: due.astimezone(UTC), _DATETIME)
    await strand.journal.sleep_until(strand, settled)
