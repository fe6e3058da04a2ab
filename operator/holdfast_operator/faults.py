"""Where a test can kill the operator: before and after every write.

``HOLDFAST_OPERATOR_FAULT="before:create:pods:3"`` kills the process, as by ``kill -9``, when it comes to that point
for the third time. A point is "before" or "after", the verb, and what is written: ``before:create:pods``,
``after:patch:taskruns/status``, ``before:delete:pods``, ``after:trigger_run``.
"""

from __future__ import annotations

import os
import signal
from typing import Final

VARIABLE: Final = "HOLDFAST_OPERATOR_FAULT"


class Fault:
    """A planned death.

    Args:
        plan: the point, a colon, and how many times it is come to; "" for none.
    """

    def __init__(self, plan: str) -> None:
        self._point, _, count = plan.rpartition(":")
        if plan and not (self._point and count.isdecimal() and int(count) > 0):
            raise ValueError(f"{VARIABLE}={plan!r}: it is a point and a number, like 'before:create:pods:3'")
        self._left = int(count) if plan else 0

    def is_due(self, point: str) -> bool:
        """Whether this time is the one. Call it once each time the point is come to."""
        if point != self._point:
            return False
        self._left -= 1
        return self._left == 0


_fault = Fault(os.environ.get(VARIABLE, ""))


def reach(point: str) -> None:
    """Die here if that was asked for."""
    if _fault.is_due(point):
        os.kill(os.getpid(), signal.SIGKILL)
