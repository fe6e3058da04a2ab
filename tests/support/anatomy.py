"""What a value is made of, written out: equal only for values that nothing can tell apart.

Written without the code under test, which has its own idea of sameness.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping
from typing import Any


def anatomy(value: Any) -> Any:
    """A nested tuple of type names and contents. Time zones count by name, else by offset."""
    name = type(value).__qualname__
    if isinstance(value, enum.Enum):
        return (name, value.name)
    if isinstance(value, dt.datetime | dt.time):
        zone = getattr(value.tzinfo, "key", None)
        return (name, value.isoformat(), value.fold, zone)
    if dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value)]
        return (name, *((field, anatomy(getattr(value, field))) for field in fields))
    if hasattr(value, "__pydantic_fields__"):
        return (name, *((field, anatomy(part)) for field, part in vars(value).items()))
    if isinstance(value, Mapping):
        return (name, *((anatomy(key), anatomy(item)) for key, item in value.items()))
    if isinstance(value, set | frozenset):
        return (name, *sorted((anatomy(item) for item in value), key=repr))
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return (name, repr(value))
    return (name, *(anatomy(item) for item in value))
