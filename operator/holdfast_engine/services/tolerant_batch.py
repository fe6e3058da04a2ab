"""One statement for many items, which goes on without those that it cannot be done for.

A statement that fails because of one item fails for all of them. So it is tried with each half again, until the item is
alone: then it is told of, and left out for a while, so that it holds up nobody.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from holdfast.protocol.refusals import is_passing
from holdfast_engine.backoff import Backoff

_logger = logging.getLogger("holdfast.engine")

Item = TypeVar("Item")


@dataclass
class _Setback:
    """An item that failed alone."""

    again_at: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


class TolerantBatch(Generic[Item]):
    """Does the same about many items.

    Args:
        key: tells items apart, from one call to the next; shown in the log.
        clock: seconds since some moment in the past.
    """

    def __init__(self, key: Callable[[Item], Hashable], clock: Callable[[], float] = time.monotonic) -> None:
        self._key = key
        self._clock = clock
        self._setbacks: dict[Hashable, _Setback] = {}

    @property
    def again_seconds(self) -> float | None:
        """When the first of the items that were left out is due again; ``None`` if there are none."""
        due = min((setback.again_at for setback in self._setbacks.values()), default=None)
        return None if due is None else max(0.0, due - self._clock())

    async def apply(
        self, what: str, items: Sequence[Item], statement: Callable[[Sequence[Item]], Awaitable[int]]
    ) -> int:
        """Do it about all ``items``; return how many changed.

        Args:
            what: a verb and its object for the log, such as "end attempt".
            items: all that there are now: an item that is missing is forgotten.
            statement: does it about the items that it is given, or about none of them; returns how many changed.

        Raises:
            Exception: whatever passes by itself, such as a database that is away.
        """
        keys = {self._key(item) for item in items}
        self._setbacks = {key: setback for key, setback in self._setbacks.items() if key in keys}
        known = [(item, setback) for item in items if (setback := self._setbacks.get(self._key(item))) is not None]
        changed = await self._halve(what, [item for item in items if self._key(item) not in self._setbacks], statement)
        for item, setback in known:
            if setback.again_at <= self._clock():
                changed += await self._halve(what, [item], statement)
        return changed

    async def _halve(
        self, what: str, items: Sequence[Item], statement: Callable[[Sequence[Item]], Awaitable[int]]
    ) -> int:
        if not items:
            return 0
        try:
            changed = await statement(items)
        except Exception as error:
            if is_passing(error):
                raise
            if len(items) == 1:
                self._leave_out(what, items[0], error)
                return 0
            half = len(items) // 2
            first = await self._halve(what, items[:half], statement)
            return first + await self._halve(what, items[half:], statement)
        for item in items:
            self._setbacks.pop(self._key(item), None)
        return changed

    def _leave_out(self, what: str, item: Item, error: Exception) -> None:
        key = self._key(item)
        setback = self._setbacks.setdefault(key, _Setback())
        seconds = setback.backoff.next_seconds()
        setback.again_at = self._clock() + seconds
        _logger.error(
            "could not %s %s; the others go on, and it is tried again in %.1f s", what, key, seconds, exc_info=error
        )
