"""Errors of the driver become ours at this border, by SQLSTATE."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from holdfast.domain.errors import (
    ConflictError,
    ControlError,
    DeniedError,
    HoldfastError,
    InputError,
    LimitError,
    MigrationError,
    NotFoundError,
    UnavailableError,
    WrongStateError,
)
from holdfast.protocol.refusals import is_passing

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

_REFUSALS: dict[str, type[HoldfastError]] = {
    "HF002": NotFoundError,
    "HF004": ConflictError,
    "HF005": WrongStateError,
    "HF006": LimitError,
    "42501": DeniedError,
}

_NOT_SET_UP = frozenset({"3F000", "42P01", "42703", "42883"})
"""Schema, table, column or function missing: the database is empty or older than this Holdfast."""

_DATA_CLASS = "22"
_CHECK_VIOLATION = "23514"


@contextmanager
def refusals() -> Iterator[None]:
    """Raise what the database refuses as an error of ours that says what to do."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise refusal_of(error) from error


def refusal_of(error: BaseException) -> HoldfastError:
    """The error of ours that says what ``error`` of the driver means."""
    if not isinstance(error, asyncpg.PostgresError):
        return UnavailableError(f"The database cannot be reached: {str(error) or type(error).__name__}")
    state = error.sqlstate or ""
    sentence = _sentence(error)
    if state in _REFUSALS:
        return _REFUSALS[state](sentence)
    if state in _NOT_SET_UP:
        return MigrationError(
            f"The database is not set up for this version of Holdfast ({error}). Run: holdfast migrate"
        )
    if state == _CHECK_VIOLATION:
        return LimitError(f"A value is out of its bounds: {sentence}")
    if state.startswith(_DATA_CLASS):
        return InputError(f"A value does not fit: {sentence}")
    if is_passing(error):
        return UnavailableError(f"The database cannot do it now: {sentence}")
    return ControlError(f"{sentence} (SQLSTATE {state})")


def _sentence(error: asyncpg.PostgresError) -> str:
    message = str(error.args[0]) if error.args else type(error).__name__
    hint = getattr(error, "hint", None)
    return f"{message}; {hint}" if hint else message
