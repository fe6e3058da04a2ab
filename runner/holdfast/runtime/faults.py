"""Named moments at which a test may end the attempt; in production nobody listens."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class FaultPoint(StrEnum):
    """The moments between which a crash leaves something different behind."""

    BEFORE_BODY = "before body"
    AFTER_BODY = "after body"
    AFTER_RECORD = "after record"
    BEFORE_PARK = "before park"
    AFTER_PARK = "after park"
    BEFORE_FINISH = "before finish"
    AFTER_FINISH = "after finish"


class Faults(Protocol):
    """Is told of every moment; may end the process, or raise a ``ControlFlow``, which ends the attempt there."""

    def reach(self, point: FaultPoint, key: str) -> None:
        """The attempt is at ``point``; ``key`` is the step's, empty for park and finish."""


class NoFaults:
    """Production's: nothing happens."""

    def reach(self, point: FaultPoint, key: str) -> None:
        """Do nothing."""


NO_FAULTS: Faults = NoFaults()
