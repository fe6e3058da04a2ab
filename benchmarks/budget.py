"""What a measurement may cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """What of a line a budget limits."""

    RATIO_AT_MOST = "ratio at most"
    VALUE_AT_MOST = "value at most"
    VALUE_AT_LEAST = "value at least"


@dataclass(frozen=True)
class Budget:
    """A limit that a line has to keep."""

    measure: Measure
    limit: float

    @classmethod
    def times_floor(cls, limit: float) -> Budget:
        """The value is at most so many times the floor of the same run."""
        return cls(Measure.RATIO_AT_MOST, limit)

    @classmethod
    def at_most(cls, limit: float) -> Budget:
        """The value, in the unit of the line, is at most this."""
        return cls(Measure.VALUE_AT_MOST, limit)

    @classmethod
    def at_least(cls, limit: float) -> Budget:
        """The value, in the unit of the line, is at least this."""
        return cls(Measure.VALUE_AT_LEAST, limit)

    def is_kept(self, value: float, ratio: float | None) -> bool:
        """Tell whether a measured value is within the limit; without a ratio a limit of it is not kept."""
        if self.measure is Measure.RATIO_AT_MOST:
            return ratio is not None and ratio <= self.limit
        return value <= self.limit if self.measure is Measure.VALUE_AT_MOST else value >= self.limit

    def __str__(self) -> str:
        if self.measure is Measure.RATIO_AT_MOST:
            return f"≤ {self.limit:g}x"
        return f"{'≤' if self.measure is Measure.VALUE_AT_MOST else '≥'} {self.limit:g}"
