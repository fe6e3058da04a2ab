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
    """A limit that a line has to keep.

    Attributes:
        measure: what is limited.
        limit: in the unit of the line, or times its floor.
        set_at_floor: the floor that a limit in units was set beside. Where the floor of the same run is higher, the
            machine is slower, and the limit is as many times that floor (ADR 16). None: the limit is what it is.
    """

    measure: Measure
    limit: float
    set_at_floor: float | None = None

    @classmethod
    def times_floor(cls, limit: float) -> Budget:
        """The value is at most so many times the floor of the same run."""
        return cls(Measure.RATIO_AT_MOST, limit)

    @classmethod
    def at_most(cls, limit: float, *, set_at_floor: float | None = None) -> Budget:
        """The value, in the unit of the line, is at most this."""
        return cls(Measure.VALUE_AT_MOST, limit, set_at_floor)

    @classmethod
    def at_least(cls, limit: float) -> Budget:
        """The value, in the unit of the line, is at least this."""
        return cls(Measure.VALUE_AT_LEAST, limit)

    def is_kept(self, value: float, ratio: float | None) -> bool:
        """Tell whether a measured value is within the limit; without a ratio a limit of it is not kept."""
        if self.measure is Measure.RATIO_AT_MOST:
            return ratio is not None and ratio <= self.limit
        if self.measure is Measure.VALUE_AT_LEAST:
            return value >= self.limit
        return value <= self.limit or self._is_kept_by_ratio(ratio)

    def _is_kept_by_ratio(self, ratio: float | None) -> bool:
        return self.set_at_floor is not None and ratio is not None and ratio <= self.limit / self.set_at_floor

    def __str__(self) -> str:
        if self.measure is Measure.RATIO_AT_MOST:
            return f"≤ {self.limit:g}x"
        if self.set_at_floor is not None:
            return f"≤ {self.limit:g} or {self.limit / self.set_at_floor:.2f}x"
        return f"{'≤' if self.measure is Measure.VALUE_AT_MOST else '≥'} {self.limit:g}"
