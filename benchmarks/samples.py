"""Durations of many repetitions of the same."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Samples:
    """Durations in milliseconds."""

    def __init__(self, milliseconds: Iterable[float] = ()) -> None:
        self._all = list(milliseconds)

    def __iter__(self) -> Iterator[float]:
        return iter(self._all)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take the duration of what is inside the context."""
        began = time.perf_counter()
        yield
        self.add(time.perf_counter() - began)

    def add(self, seconds: float) -> None:
        """Add one duration, given in seconds."""
        self._all.append(seconds * 1000)

    def forget(self) -> None:
        """Drop what was taken so far: the warm-up."""
        self._all.clear()

    @property
    def median(self) -> float:
        """Half of them are at most this."""
        return statistics.median(self._all)

    @property
    def p99(self) -> float:
        """99 of 100 are at most this."""
        return statistics.quantiles(self._all, n=100, method="inclusive")[98]
