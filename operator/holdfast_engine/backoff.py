"""How long to wait before trying again what failed."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0


class Backoff:
    """Delays that double, each shortened by up to a half so that many do not come back at once."""

    def __init__(self) -> None:
        self._failures = 0

    def next_seconds(self) -> float:
        """The delay after one more failure."""
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return longest * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: begin again with the shortest delay."""
        self._failures = 0
