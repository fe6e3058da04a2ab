"""JSON text that says by itself what it holds: for values whose type nobody declared.

Plain JSON stays plain JSON. What JSON does not know carries a tag::

    {"$holdfast": "datetime", "value": "2026-01-01T00:00:00+00:00"}

Known are datetime, date, time, timedelta, UUID, Decimal, bytes, set, frozenset, tuple, concrete paths,
floats without a JSON number, text that is not well-formed Unicode, and dicts whose keys JSON cannot hold.
Each comes back equal and of the same type. Anything else, subclasses included, is refused: it would come
back as something else.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import pathlib
import sys
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

from holdfast.domain.errors import EncodingError
from holdfast.sdk.advice import advice
from holdfast.sdk.excerpt import Path, excerpt, spell, type_name

MARK = "$holdfast"
QUOTED_MARK = f'"{MARK}"'
"""In a JSON text this can only be a whole key or a whole string: a quote inside a string is escaped."""

DEPTH_LIMIT = 100
"""Levels of nesting. A fixed number, so that what was written can be read back from any depth of calls."""

_BARE = frozenset({type(None), bool, int})
"""Types whose values stand for themselves."""

_to_text = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode


def encode(value: object) -> str:
    """Write a value as JSON text.

    Raises:
        EncodingError: Names the place inside the value, what is there, and what to do.
    """
    if type(value) is str and value.isascii():
        return _write_plainly(value)
    try:
        return _to_text(_tag(value, ()))
    except ValueError as error:
        raise EncodingError(f"value holds an integer that Python will not write in digits: {error}") from None


def encode_marked(value: object) -> str:
    """The same, but with a tag even around plain JSON: whoever reads it sees that no type is left to guess.

    Raises:
        EncodingError: As ``encode``.
    """
    text = encode(value)
    return text if QUOTED_MARK in text else _to_text(_tagged("plain", json.loads(text)))


def decode(text: str) -> Any:
    """Read what ``encode`` or ``encode_marked`` wrote.

    Raises:
        EncodingError: The text is not JSON, or carries a tag this version does not know.
    """
    try:
        has_tags = text[:1] != '"' and QUOTED_MARK in text  # a lone text has none, and may be long
        return _from_tagged_text(text) if has_tags else _plain_reader()(text)
    except _UNREADABLE as error:
        raise EncodingError(f"recorded text cannot be read ({error!r}): {excerpt(text)}") from None


def _tag(value: object, path: Path) -> object:
    tag = _TAGS.get(type(value))
    if tag is None:
        raise EncodingError(f"{spell(path)} is of type {type_name(type(value))}: {excerpt(value)}. {advice(value)}")
    if len(path) > DEPTH_LIMIT:
        raise EncodingError(f"value contains itself, or is nested deeper than {DEPTH_LIMIT} levels")
    return tag(value, path)


def _tagged(kind: str, value: object, **more: object) -> dict[str, object]:
    return {MARK: kind, "value": value, **more}


def is_well_formed(text: str) -> bool:
    """Tell whether a text holds whole characters only, and can be written as UTF-8."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate: no other reader of JSON would take it
        return False
    return True


def _tag_itself(value: object, path: Path) -> object:
    return value


def _tag_str(value: str, path: Path) -> object:
    if is_well_formed(value):
        return value
    return _tagged("text", _base64(value.encode("utf-8", "surrogatepass")))


def _tag_float(value: float, path: Path) -> object:
    return value if math.isfinite(value) else _tagged("float", repr(value))


def _tag_list(value: list[object], path: Path) -> list[object]:
    if _BARE.issuperset(map(type, value)):
        return value
    return [_tag(item, (*path, index)) for index, item in enumerate(value)]


def _tag_dict(value: dict[Any, Any], path: Path) -> object:
    plain: dict[str, object] = {}
    for key, item in value.items():
        if type(key) is not str or key == MARK or not is_well_formed(key):
            return _tag_pairs(value, path)
        is_bare = type(item) in _BARE or (type(item) is str and item.isascii())
        plain[key] = item if is_bare else _tag(item, (*path, key))
    return plain


def _tag_pairs(value: dict[object, object], path: Path) -> object:
    return _tagged("dict", [[_tag(key, (*path, key)), _tag(item, (*path, key))] for key, item in value.items()])


def _tag_tuple(value: tuple[object, ...], path: Path) -> object:
    return _tagged("tuple", _tag_list(list(value), path))


def _tag_set(value: set[object], path: Path) -> object:
    return _tagged("set", _tag_list(list(value), path))


def _tag_frozenset(value: frozenset[object], path: Path) -> object:
    return _tagged("frozenset", _tag_list(list(value), path))


def _tag_datetime(value: datetime.datetime, path: Path) -> object:
    return _tag_clock("datetime", value, path)


def _tag_time(value: datetime.time, path: Path) -> object:
    return _tag_clock("time", value, path)


def _tag_clock(kind: str, value: datetime.datetime | datetime.time, path: Path) -> object:
    """A named zone is kept by name, with the time on its wall: arithmetic over a clock change needs it."""
    more: dict[str, object] = {"fold": 1} if value.fold else {}
    zone = zone_key(value.tzinfo)
    if zone is not None:
        return _tagged(kind, value.replace(tzinfo=None).isoformat(), zone=zone, **more)
    if not has_fixed_offset(value.tzinfo):
        raise EncodingError(
            f"{spell(path)} has a time zone of type {type_name(type(value.tzinfo))}: {excerpt(value)}. "
            "Use zoneinfo.ZoneInfo or datetime.timezone, e.g. value.astimezone(datetime.timezone.utc)."
        )
    return _tagged(kind, value.isoformat(), **more)


def zone_key(zone: datetime.tzinfo | None) -> str | None:
    """The name of a ``zoneinfo.ZoneInfo``, else None."""
    if zone is None or type(zone) is datetime.timezone:  # spares most programs the import
        return None
    from zoneinfo import ZoneInfo

    return zone.key if type(zone) is ZoneInfo else None


def has_fixed_offset(zone: datetime.tzinfo | None) -> bool:
    """Whether an ISO 8601 offset says all there is to know about a zone."""
    kind = type(zone)
    is_pydantics_own = kind.__module__.startswith("pydantic_core")
    return zone is None or kind is datetime.timezone or is_pydantics_own


def _tag_date(value: datetime.date, path: Path) -> object:
    return _tagged("date", value.isoformat())


def _tag_timedelta(value: datetime.timedelta, path: Path) -> object:
    return _tagged("timedelta", [value.days, value.seconds, value.microseconds])


def _tag_uuid(value: uuid.UUID, path: Path) -> object:
    return _tagged("uuid", str(value))


def _tag_decimal(value: decimal.Decimal, path: Path) -> object:
    return _tagged("decimal", str(value))


def _tag_bytes(value: bytes, path: Path) -> object:
    return _tagged("bytes", _base64(value))


def _tag_path(value: pathlib.Path, path: Path) -> object:
    return _tagged("path", _tag_str(str(value), path))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


_TAGS: dict[type, Callable[[Any, Path], object]] = {
    type(None): _tag_itself,
    bool: _tag_itself,
    int: _tag_itself,
    str: _tag_str,
    float: _tag_float,
    list: _tag_list,
    dict: _tag_dict,
    tuple: _tag_tuple,
    set: _tag_set,
    frozenset: _tag_frozenset,
    datetime.datetime: _tag_datetime,
    datetime.date: _tag_date,
    datetime.time: _tag_time,
    datetime.timedelta: _tag_timedelta,
    uuid.UUID: _tag_uuid,
    decimal.Decimal: _tag_decimal,
    bytes: _tag_bytes,
    type(pathlib.Path()): _tag_path,
}


def _read_clock(kind: type[datetime.datetime] | type[datetime.time]) -> Callable[[dict[str, Any]], object]:
    def read(tag: dict[str, Any]) -> object:
        value = kind.fromisoformat(tag["value"]).replace(fold=tag.get("fold", 0))
        if "zone" not in tag:
            return value
        from zoneinfo import ZoneInfo

        return value.replace(tzinfo=ZoneInfo(tag["zone"]))

    return read


_READERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "plain": lambda tag: tag["value"],
    "text": lambda tag: base64.b64decode(tag["value"]).decode("utf-8", "surrogatepass"),
    "float": lambda tag: float(tag["value"]),
    "dict": lambda tag: dict(tag["value"]),
    "tuple": lambda tag: tuple(tag["value"]),
    "set": lambda tag: set(tag["value"]),
    "frozenset": lambda tag: frozenset(tag["value"]),
    "datetime": _read_clock(datetime.datetime),
    "time": _read_clock(datetime.time),
    "date": lambda tag: datetime.date.fromisoformat(tag["value"]),
    "timedelta": lambda tag: datetime.timedelta(*tag["value"]),
    "uuid": lambda tag: uuid.UUID(tag["value"]),
    "decimal": lambda tag: decimal.Decimal(tag["value"]),
    "bytes": lambda tag: base64.b64decode(tag["value"]),
    "path": lambda tag: pathlib.Path(tag["value"]),
}


def _untag(document: dict[str, Any]) -> object:
    if MARK not in document:
        return document
    read = _READERS.get(document[MARK])
    if read is None:
        raise EncodingError(
            f"recorded value has the unknown tag {document[MARK]!r}; a newer version of Holdfast wrote it"
        )
    return read(document)


@cache
def _plain_reader() -> Callable[[str], Any]:
    """Pydantic's parser, which takes a tenth of the time of json's; who reads nothing is spared its import."""
    from pydantic_core import from_json

    return from_json


def _write_plainly(value: str) -> str:
    """Pydantic's writer escapes text as json's does, in a quarter of the time; its import would take longer than most
    processes write.
    """
    write: Callable[[str], bytes] | None = getattr(sys.modules.get("pydantic_core"), "to_json", None)
    return _to_text(value) if write is None else write(value).decode()


_UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
"""What reading a damaged text, or a zone this machine does not know, ends in."""

_from_tagged_text = json.JSONDecoder(object_hook=_untag).decode
