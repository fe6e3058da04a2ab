"""A database that is away is waited for, within limits."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from holdfast.domain.errors import DatabaseUnreachable
from holdfast.protocol.connection import Database
from holdfast.protocol.refusals import is_passing

T = TypeVar("T")

_log = logging.getLogger("holdfast")

_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 2.0


class Patience:
    """Repeats calls of the protocol while the database is away, at most ``grace_seconds`` from the first failure on.

    All calls of the protocol may be sent twice: the database accepts the same call again and changes nothing.
    """

    def __init__(self, database: Database, grace_seconds: float) -> None:
        self._database = database
        self._grace_seconds = grace_seconds

    async def persist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to ``call``.

        Raises:
            DatabaseUnreachable: the database stayed away for longer than the grace.
            AttemptFenced: a newer attempt owns the run.
        """
        failing_since: float | None = None
        told: type[Exception] | None = None
        wait_seconds = _FIRST_WAIT_SECONDS
        while True:
            try:
                answer = await call()
            except Exception as error:
                if not is_passing(error):
                    raise
                now = time.monotonic()
                if failing_since is None:
                    failing_since = now
                left_seconds = self._grace_seconds - (now - failing_since)
                # a broken connection comes first, and hides why the next one is of no use: say that, too
                if type(error) is not told and left_seconds > 0:
                    told = type(error)
                    _log.warning("holdfast: the database is away (%s); trying for %g s", error, round(left_seconds, 1))
                if now - failing_since >= self._grace_seconds:
                    raise DatabaseUnreachable(
                        f"the database was unreachable for {self._grace_seconds:g} s (databaseGraceSeconds): {error}"
                    ) from error
                self._database.drop()
                await asyncio.sleep(min(wait_seconds * (0.5 + random.random()), self._grace_seconds))
                wait_seconds = min(wait_seconds * 2, _LONGEST_WAIT_SECONDS)
            else:
                if failing_since is not None:
                    _log.warning("holdfast: the database is back after %.1f s", time.monotonic() - failing_since)
                return answer
