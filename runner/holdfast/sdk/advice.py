"""What an author can do about a value that cannot be recorded."""

from __future__ import annotations

import dataclasses
import enum
import inspect
from collections.abc import Iterator

_BASES = (bool, str, bytes, int, float, dict, list, tuple, set, frozenset, type(None))

_PLAIN_MODULES = frozenset({"datetime", "decimal", "uuid"})
"""Where the other types live that need no class of the author's to be rebuilt."""


def advice(value: object) -> str:
    """One sentence that says what to return instead, or what to annotate."""
    kind = type(value)
    name = kind.__qualname__
    if inspect.isawaitable(value):
        return "Await it, and return what it gives."
    if kind in _BASES or kind.__module__ in _PLAIN_MODULES:
        return "Make the annotation and the value agree."
    if isinstance(value, enum.Enum) or _has_declared_fields(value):
        return (
            f"Annotate the return type, with {name} in this place, so that it can be rebuilt; "
            "or return plain JSON types."
        )
    if callable(getattr(kind, "read", None)):
        return "Read it, and return what was read."
    if inspect.isasyncgen(value):
        return "Return [item async for item in it]."
    if isinstance(value, Iterator):
        return "Return list(...) of it."
    for method in ("tolist", "to_dict"):  # numpy and pandas, without importing them
        if callable(getattr(kind, method, None)):
            return f"Return its .{method}()."
    for base in _BASES:
        if isinstance(value, base) and kind is not base:
            return f"It would come back as {base.__name__}: return {base.__name__}(...) of it."
    if isinstance(value, bytearray | memoryview):
        return "Return bytes(...) of it."
    return f"Return a dataclass, a pydantic model or plain JSON types: of {name}, the fields you need."


def _has_declared_fields(value: object) -> bool:
    kind = type(value)
    return (
        dataclasses.is_dataclass(kind)
        or hasattr(kind, "__pydantic_fields__")
        or (isinstance(value, tuple) and hasattr(kind, "_fields"))
    )
