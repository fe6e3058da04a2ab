"""One line of the table: what was measured, beside its floor and within its budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.budget import Budget


@dataclass(frozen=True)
class Line:
    """A result.

    Attributes:
        what: what was measured.
        unit: of value and floor: ``ms``, ``steps/s`` or ``MB``.
        value: what Holdfast (or a peer) took.
        floor: what the same takes without it, measured in the same run; None where there is no floor.
        budget: what was promised; None where nothing was.
    """

    what: str
    unit: str
    value: float
    floor: float | None = None
    budget: Budget | None = None

    @property
    def ratio(self) -> float | None:
        """Value over floor."""
        return None if self.floor is None else self.value / self.floor

    @property
    def is_ok(self) -> bool:
        """Whether the budget is kept; nothing to keep counts as kept."""
        return self.budget is None or self.budget.is_kept(self.value, self.ratio)

    def to_json(self) -> dict[str, Any]:
        """The line as ``latest.json`` has it."""
        return {
            "what": self.what,
            "unit": self.unit,
            "value": self.value,
            "floor": self.floor,
            "ratio": self.ratio,
            "budget": None if self.budget is None else str(self.budget),
            "ok": self.is_ok,
        }
