"""Errors of the driver become ours at this border."""

from __future__ import annotations

import asyncpg

from holdfast.domain.errors import (
    AttemptFenced,
    ConflictError,
    ControlError,
    LimitError,
    PayloadTooLargeError,
    WrongStateError,
)

FENCED = frozenset({"HF001", "HF002", "HF003"})

_REFUSALS: dict[str, type[ControlError]] = {"HF004": ConflictError, "HF005": WrongStateError, "HF006": LimitError}

_PASSING_CLASSES = frozenset({"08", "53", "57", "58", "40"})
"""SQLSTATE classes that pass by themselves: connection, resources (disk full too), operator intervention (shutdown,
statement timeout), system errors (I/O), rollbacks (deadlock)."""

_PASSING_STATES = frozenset({"25006", "55P03", "25P03", "3D000"})
"""Read-only server (failover under way), lock timeout, idle timeout, database being restored."""


BROKEN = (OSError, EOFError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises when a connection is lost, or in a state that it does not understand."""


def is_passing(error: BaseException) -> bool:
    """Tell whether the same call may succeed later: the database is away, restarting, full or overloaded."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
    if isinstance(error, ValueError):  # the driver's name for an argument or a connection string that is wrong
        return False
    return isinstance(error, BROKEN)


def refusal_of(error: asyncpg.PostgresError) -> BaseException | None:
    """Return our error for a refusal of the protocol, None for anything else."""
    state = error.sqlstate or ""
    if state in FENCED:
        return AttemptFenced(str(error))
    if state.startswith("HF"):
        hint = getattr(error, "hint", None)
        return _REFUSALS.get(state, ControlError)(f"{error}. {hint}" if hint else str(error))
    if state == "54000":
        return PayloadTooLargeError(str(error))
    return None
