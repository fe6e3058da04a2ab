"""Where two values differ, with types counted: the proof that a recorded value is the author's value.

``1 == True == 1.0`` for Python; here they differ. The order of a dict counts, and every class.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from holdfast.sdk.excerpt import Attribute, Path
from holdfast.sdk.tagged import has_fixed_offset, zone_key

_ATOMS = frozenset({type(None), bool, int, str, float, bytes, uuid.UUID, datetime.date, datetime.timedelta})
"""Types for which ``==`` says everything. (NaN is not equal to itself; see ``_differ_as_float``.)"""


class Difference(NamedTuple):
    """Two parts that are not the same, and where they sit."""

    path: Path
    one: object
    other: object


def difference(one: object, other: object) -> Difference | None:
    """The first place where two values differ; None if they are the same.

    An ``int`` where the other has the equal ``float`` is no difference: Python takes ints for floats.
    """
    if one is other:
        return None
    kind = type(one)
    if kind is not type(other):
        is_number_for_float = kind is int and type(other) is float and one == other
        return None if is_number_for_float else Difference((), one, other)
    if kind in _ATOMS:
        same = one == other or (one != one and other != other)
        return None if same else Difference((), one, other)
    return _difference_inside(one, other)


def _difference_inside(one: Any, other: Any) -> Difference | None:
    kind = type(one)
    if issubclass(kind, list | tuple | deque):
        return _between_sequences(one, other)
    if issubclass(kind, Mapping):
        return _between_mappings(one, other)
    if issubclass(kind, set | frozenset):
        return _between_sets(one, other)
    if issubclass(kind, enum.Enum):
        return Difference((), one, other)  # members are single objects, and these two are not one
    if issubclass(kind, datetime.datetime | datetime.time):
        return None if _is_same_clock(one, other) else Difference((), one, other)
    if issubclass(kind, decimal.Decimal):
        return None if str(one) == str(other) else Difference((), one, other)
    if dataclasses.is_dataclass(kind):
        return _between_attributes(one, other, [field.name for field in dataclasses.fields(kind)])
    if hasattr(kind, "__pydantic_fields__"):
        return _between_models(one, other)
    equals: Any = kind.__eq__
    if equals is object.__eq__:
        return _between_attributes(one, other, list(getattr(one, "__dict__", ())))
    return None if _is_equal(one, other) else Difference((), one, other)


def _between_sequences(one: Any, other: Any) -> Difference | None:
    if len(one) != len(other):
        return Difference((), one, other)
    if _are_same_atoms(one, other):
        return None
    return _first(enumerate(zip(one, other, strict=True)))


def _between_mappings(one: Any, other: Any) -> Difference | None:
    if difference(list(one), list(other)) is not None:
        return Difference((), one, other)
    if _are_same_atoms(list(one.values()), list(other.values())):
        return None
    return _first(zip(one, zip(one.values(), other.values(), strict=True), strict=True))


def _are_same_atoms(one: Any, other: Any) -> bool:
    """A shortcut for long flat values; False says nothing."""
    kinds = list(map(type, one))
    return _ATOMS.issuperset(kinds) and kinds == list(map(type, other)) and bool(one == other)


def _between_sets(one: Any, other: Any) -> Difference | None:
    counterparts = {item: item for item in other}
    is_same = len(one) == len(other) and all(
        _has_counterpart(item, [counterparts[item]] if item in counterparts else other) for item in one
    )
    return None if is_same else Difference((), one, other)


def _has_counterpart(item: object, candidates: Iterable[object]) -> bool:
    """What holds a NaN is not found by ``in``, so all of the other set are its candidates."""
    return any(difference(item, candidate) is None for candidate in candidates)


def _between_models(one: Any, other: Any) -> Difference | None:
    """Private attributes of a model are its own affair: pydantic never writes them."""
    found = _first(
        (Attribute(name), (value, other.__dict__.get(name)))
        for name, value in one.__dict__.items()
        if name in type(one).__pydantic_fields__
    )
    return found or difference(one.__pydantic_extra__, other.__pydantic_extra__)


def _between_attributes(one: object, other: object, names: list[str]) -> Difference | None:
    return _first((Attribute(name), (getattr(one, name, None), getattr(other, name, None))) for name in names)


def _first(pairs: Iterable[tuple[object, tuple[object, object]]]) -> Difference | None:
    for step, (one, other) in pairs:
        found = difference(one, other)
        if found is not None:
            return found._replace(path=(step, *found.path))
    return None


def _is_same_clock(one: Any, other: Any) -> bool:
    """Same time on the wall and same offset; and the same named zone, on which arithmetic depends."""
    zone = zone_key(one.tzinfo)
    same_zone = zone == zone_key(other.tzinfo) and (zone is not None or has_fixed_offset(one.tzinfo))
    return same_zone and bool(one.fold == other.fold) and bool(one.isoformat() == other.isoformat())


def _is_equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except Exception:  # an author's __eq__ may raise, or answer with an array
        return False
