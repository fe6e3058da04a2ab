"""Waits for a database that is late, as it is when everything is installed at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from holdfast.domain.errors import MigrationError, UnavailableError
from holdfast.protocol.refusals import is_passing
from holdfast_engine.backoff import Backoff

T = TypeVar("T")

TELL_SECONDS = 10.0
"""Between two signs of life while the reason stays the same."""


async def when_it_is_there(call: Callable[[], Awaitable[T]], limit_seconds: float, tell: Callable[[str], None]) -> T:
    """Return what ``call`` answers, which is repeated while the database is not there.

    Args:
        call: may be repeated whatever became of it.
        limit_seconds: how long to wait; 0: not at all.
        tell: is told for people what is waited for, at first, when that changes, and from time to time.

    Raises:
        UnavailableError: the database did not come within the limit.
        MigrationError: it is there, and cannot be used.
    """
    began = time.monotonic()
    told, told_at = "", began
    backoff = Backoff()
    while True:
        try:
            return await call()
        except MigrationError as error:
            if error.__cause__ is None or not is_passing(error.__cause__):
                raise
            waited_seconds = time.monotonic() - began
            if waited_seconds >= limit_seconds:
                raise UnavailableError(
                    f"The database did not come within {limit_seconds:g} s. {error}. Is the DSN right, and does the "
                    "server run? HOLDFAST_OPERATOR_DATABASE_WAIT_SECONDS says how long it is waited for"
                ) from error
            if str(error) != told or time.monotonic() - told_at >= TELL_SECONDS:
                told, told_at = str(error), time.monotonic()
                tell(f"the database is not there yet, after {waited_seconds:.0f} of {limit_seconds:g} s: {error}")
            await asyncio.sleep(min(backoff.next_seconds(), limit_seconds - waited_seconds))
