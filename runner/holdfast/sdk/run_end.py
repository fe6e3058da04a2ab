"""What a hook is told of the end of its run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ends. ``run_info()`` says which run it is.

    Attributes:
        state: ``Succeeded``, ``Failed``, ``TimedOut``, ``Canceled`` or ``Expired``.
        input: what it was triggered with.
        result: what the task returned; None unless it succeeded.
        reason: why it did not succeed, in one CamelCase word; None if it did.
        message: the same in one sentence.
        error_type: the class of what its last attempt raised, ``module:QualName``; empty if it raised nothing.
        error_message: its text.
    """

    state: str
    input: dict[str, Any]
    result: Any = None
    reason: str | None = None
    message: str | None = None
    error_type: str = ""
    error_message: str = ""
