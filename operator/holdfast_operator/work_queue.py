"""The keys that somebody has to look at: each at most once, however often it is added.

The rules are those of client-go's work queue. A key that is added while somebody works on it comes again when they
are done, so no two workers ever have the same key, and no change is missed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Protocol

from holdfast_operator.kinds import Key
from holdfast_operator.queue_metrics import QueueMetrics

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 60.0
STALE_DELAYS = 1000
"""How many delays that do not count any more are kept beside those that do."""


class Alarm(Protocol):
    """A call that will come."""

    def cancel(self) -> None:
        """It comes no more."""

    def when(self) -> float:
        """When it comes, by the clock that was asked for it."""


class Clock(Protocol):
    """What a queue needs of time; an event loop has it."""

    def time(self) -> float:
        """Seconds since some moment in the past."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> Alarm:
        """Call ``callback`` at that time."""


class WorkQueue:
    """Keys to work on.

    Args:
        metrics: where it tells how it is doing.
        clock: default: the running event loop.
    """

    def __init__(self, metrics: QueueMetrics, clock: Clock | None = None) -> None:
        self._metrics = metrics
        self._clock: Clock = clock or asyncio.get_running_loop()
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        #: When each key that waits in ``_ready``, or will when its worker is done, was added.
        self._added: dict[Key, float] = {}
        #: When the work on a key began.
        self._taken: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        #: When each delayed key is due; the heap may hold it more than once, and the earliest counts.
        self._due: dict[Key, float] = {}
        self._delayed: list[tuple[float, int, Key]] = []
        self._delayed_count = 0
        self._alarm: Alarm | None = None

    @property
    def depth(self) -> int:
        """How many keys wait for a worker."""
        return self._ready.qsize()

    @property
    def oldest_seconds(self) -> float:
        """For how long the key that waits longest has waited for a worker; 0 if none waits."""
        waiting = (added for key, added in self._added.items() if key not in self._taken)
        oldest = next(waiting, None)
        return 0.0 if oldest is None else self._clock.time() - oldest

    @property
    def longest_work_seconds(self) -> float:
        """For how long the longest work under way has gone on; 0 if there is none."""
        oldest = next(iter(self._taken.values()), None)
        return 0.0 if oldest is None else self._clock.time() - oldest

    @property
    def unfinished_work_seconds(self) -> float:
        """For how long all the work under way has gone on, taken together."""
        now = self._clock.time()
        return sum(now - taken for taken in self._taken.values())

    def add(self, key: Key) -> None:
        """Let somebody look at ``key`` soon."""
        if key in self._added:
            return
        self._added[key] = self._clock.time()
        self._metrics.adds.inc()
        if key not in self._taken:
            self._ready.put_nowait(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Let somebody look at ``key`` in so many seconds, or earlier if that was asked for before."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.time() + seconds
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        self._delayed_count += 1
        heapq.heappush(self._delayed, (due, self._delayed_count, key))
        if len(self._delayed) > 2 * len(self._due) + STALE_DELAYS:
            self._drop_stale()
        self._set_alarm()

    async def get(self) -> Key:
        """The next key. The caller calls `done` for it; this look is for all that was added so far."""
        key = await self._ready.get()
        now = self._clock.time()
        self._due.pop(key, None)
        self._metrics.waited(now - self._added.pop(key))
        self._taken[key] = now
        return key

    def done(self, key: Key) -> None:
        """The work on ``key`` is over, well or not."""
        self._metrics.worked(self._clock.time() - self._taken.pop(key))
        if key in self._added:
            self._ready.put_nowait(key)

    def retry(self, key: Key, at_least_seconds: float = 0.0) -> float:
        """The work on ``key`` failed: add it again after a delay that doubles each time. Returns the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures, 16))
        seconds = max(seconds, at_least_seconds)
        self._metrics.retries.inc()
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: Key) -> None:
        """The work on ``key`` succeeded: its next failure is its first."""
        self._failures.pop(key, None)

    def _drop_stale(self) -> None:
        """A run that is to be removed in a month would leave a delay here at each look until then."""
        self._delayed = [(due, number, key) for number, (key, due) in enumerate(self._due.items())]
        heapq.heapify(self._delayed)

    def _set_alarm(self) -> None:
        due = self._delayed[0][0]
        if self._alarm is not None:
            if self._alarm.when() <= due:
                return
            self._alarm.cancel()
        self._alarm = self._clock.call_at(due, self._add_due)

    def _add_due(self) -> None:
        self._alarm = None
        now = self._clock.time()
        while self._delayed and self._delayed[0][0] <= now:
            due, _, key = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
        if self._delayed:
            self._set_alarm()
