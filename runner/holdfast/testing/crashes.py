"""Where an attempt is to die, and what tells it so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn, Self

from holdfast.domain.errors import AttemptFenced
from holdfast.runtime.faults import FaultPoint

Moment = tuple[FaultPoint, str]
"""A fault point, and the key of the step that reached it; the key of park and finish is empty."""


class ProcessDied(AttemptFenced):
    """Stands for the end of the process: nothing that its attempt does from now on is recorded."""


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """One place to die.

    Attributes:
        point: the moment.
        step: name or key of the step; empty for any, and for park and finish.
        occurrence: the n-th time that the run reaches it, from 1.
    """

    point: FaultPoint
    step: str = ""
    occurrence: int = 1

    def __post_init__(self) -> None:
        if self.occurrence < 1:
            raise ValueError(f"occurrence={self.occurrence}: the first one is 1")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``after body|fetch|2``; step and occurrence may be left out.

        Raises:
            ValueError: the text is none; lists the moments there are.
        """
        point, _, rest = text.partition("|")
        # the step is last but one, and a key may hold anything
        step, _, occurrence = rest.rpartition("|") if "|" in rest else (rest, "", "1")
        if point not in tuple(FaultPoint) or not occurrence.isdigit():
            raise ValueError(f"{text!r} is not MOMENT|STEP|OCCURRENCE; moments are: {', '.join(FaultPoint)}")
        return cls(FaultPoint(point), step, int(occurrence))

    def __str__(self) -> str:
        return f"{self.point}|{self.step}|{self.occurrence}"

    def is_at(self, point: FaultPoint, key: str) -> bool:
        """Whether this moment is one of those that are counted."""
        return point == self.point and self.step in ("", key, step_name(key))


class CrashPlan:
    """Counts the moments of one run over all its attempts, and ends the attempt at the planned ones.

    Args:
        points: where to die.
        die: does not return.

    Attributes:
        reached: every moment so far, in order.
        waiting: the points that were not reached yet.
    """

    def __init__(self, points: Iterable[CrashPoint] = (), die: Callable[[str], NoReturn] | None = None) -> None:
        self.reached: list[Moment] = []
        self.waiting = list(points)
        self._seen: dict[CrashPoint, int] = dict.fromkeys(self.waiting, 0)
        self._die = die or _raise_died

    def reach(self, point: FaultPoint, key: str) -> None:
        """Note the moment; die if that was planned."""
        self.reached.append((point, key))
        for planned in self.waiting:
            if planned.is_at(point, key):
                self._seen[planned] += 1
        for planned in self.waiting:
            if self._seen[planned] == planned.occurrence:
                self.waiting.remove(planned)
                self._die(f"planned: {planned}")


def step_name(key: str) -> str:
    """The name of the step with this key; empty for explicit keys, which do not say."""
    return "" if "/" not in key else key.rpartition("/")[2].partition("#")[0]


def _raise_died(why: str) -> NoReturn:
    raise ProcessDied(why)
