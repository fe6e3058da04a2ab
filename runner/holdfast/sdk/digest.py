"""A short fingerprint of the arguments of a call: it tells on replay whether the program asks for the same.

Equal in every process: hash seeds, the order of sets and dicts, and addresses do not matter. Types count (``1``,
``"1"``, ``True`` and ``1.0`` differ), but a plain tuple equals a list with the same items, and a frozenset a set.
What has no value of its own (an open file, a client, a function, a module) counts by the name of its type.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from holdfast.sdk.excerpt import excerpt, type_name
from holdfast.sdk.tagged import zone_key

DIGEST_BYTES = 16
_EMPTY = blake2b(digest_size=DIGEST_BYTES)

DEPTH_LIMIT = 50
"""Levels of nesting that are looked at; what lies deeper counts by the name of its type."""

NODE_LIMIT = 200_000
"""Values that are looked at; the rest counts by the names of their types. Bounds the time of one call, and
makes an end of objects that point at each other in more ways than can be walked."""

DESCRIPTION_CHARACTERS = 200


def digest_arguments(args: tuple[object, ...], kwargs: Mapping[str, object]) -> bytes:
    """Fingerprint of a call's arguments, ``DIGEST_BYTES`` long. Cyclic and very deep values are fine too."""
    text = _plain_text(args[0]) if len(args) == 1 and not kwargs else None  # most calls: no writer is needed
    if text is None:
        writer = _Writer(NODE_LIMIT, [])
        for value in args:
            writer.write(value)
        for name in sorted(kwargs):
            writer.add(f"@{name}=")
            writer.write(kwargs[name])
        text = writer.text()
    try:
        data = text.encode()
    except UnicodeEncodeError:  # it holds lone surrogates
        data = text.encode("utf-8", "surrogatepass")
    digest = _EMPTY.copy()
    digest.update(data)
    return digest.digest()


def describe_arguments(args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
    """The arguments as a person would write them, cut at ``DESCRIPTION_CHARACTERS``."""
    texts = [excerpt(value) for value in args]
    texts += [f"{name}={excerpt(value)}" for name, value in kwargs.items()]
    text = f"({', '.join(texts)})"
    if len(text) > DESCRIPTION_CHARACTERS:
        text = f"{text[: DESCRIPTION_CHARACTERS - 2]}…)"
    return text


def _plain_text(value: Any) -> str | None:
    """What is written for a value without parts; None for any other."""
    kind = type(value)
    if kind is str:
        return f"s{len(value)}:{value}"
    if kind is int:
        return f"i{value:x};"  # hexadecimal has no limit of digits
    if value is None or kind is bool:
        return f"{value};"
    if kind is float:
        return f"f{value!r};"
    if kind is bytes:
        return f"b{value.hex()};"
    return None


class _Writer:
    """Writes values so that no two give one text: every part says its kind, and its length or end."""

    __slots__ = ("_nodes_left", "_open_ids", "_parts", "add")

    def __init__(self, nodes_left: int, open_ids: list[int]) -> None:
        self._nodes_left = nodes_left
        self._open_ids = open_ids  # of the containers around the value being written
        self._parts: list[str] = []
        self.add = self._parts.append

    def text(self) -> str:
        return "".join(self._parts)

    def write(self, value: Any) -> None:
        self._nodes_left -= 1
        text = _plain_text(value)
        if text is not None:
            self.add(text)
            return
        kind = type(value)
        if self._nodes_left <= 0 or len(self._open_ids) >= DEPTH_LIMIT or id(value) in self._open_ids:
            self._write_name("unseen", kind)
        else:
            self._open_ids.append(id(value))
            self._write_inside(kind, value)
            self._open_ids.pop()

    def _write_inside(self, kind: type, value: Any) -> None:
        if kind is list or kind is tuple:
            self._write_items(value)
        elif kind is dict:
            self._write_pairs(value)
        elif kind is set or kind is frozenset:
            self._write_unordered(value)
        else:
            self._write_object(kind, value)

    def _write_items(self, items: Collection[object]) -> None:
        self.add(f"[{len(items)}:")
        for item in items:
            if self._nodes_left <= 0:
                break
            self.write(item)

    def _write_pairs(self, pairs: dict[Any, object]) -> None:
        if all(type(key) is str for key in pairs):
            self.add(f"{{{len(pairs)}:")
            for key in sorted(pairs):
                self.write(key)
                self.write(pairs[key])
        else:
            self._write_unordered(pairs.items())

    def _write_unordered(self, items: Collection[object]) -> None:
        """Each item gets the same share of what may be looked at, so that the order cannot matter."""
        self.add(f"<{len(items)}:")
        share = self._nodes_left // max(len(items), 1)
        if share == 0:
            return
        texts = []
        for item in items:
            writer = _Writer(share, self._open_ids)
            writer.write(item)
            self._nodes_left -= share - max(writer._nodes_left, 0)
            texts.append(writer.text())
        self._parts += sorted(texts)

    def _write_object(self, kind: type, value: Any) -> None:
        if isinstance(value, type):
            self._write_name("class", value)
            return
        self._write_name("object", kind)
        read = _reader_of(kind)
        if read is None:
            return
        try:
            parts = read(value)
        except Exception:  # a field may be a property that raises: then the name of the type is all there is
            return
        self.write(parts)

    def _write_name(self, mark: str, kind: type) -> None:
        name = type_name(kind)
        self.add(f"{mark}{len(name)}:{name}")


def _named(names: Iterable[str]) -> Callable[[Any], object]:
    listed = tuple(names)
    return lambda value: {name: getattr(value, name, None) for name in listed}


def _model_fields(value: Any) -> object:
    return {**value.__dict__, **(value.__pydantic_extra__ or {})}


def _clock(value: Any) -> object:
    return [value.isoformat(), value.fold, zone_key(value.tzinfo)]


_READERS: tuple[tuple[type | tuple[type, ...], Callable[[Any], object]], ...] = (
    (enum.Enum, lambda member: member.name),
    ((datetime.datetime, datetime.time), _clock),
    (datetime.date, datetime.date.isoformat),
    ((datetime.timedelta, complex, range), repr),
    ((uuid.UUID, decimal.Decimal, pathlib.PurePath), str),
    (str, str.__str__),
    ((bytes, bytearray), bytes),
    (int, int.__index__),
    (float, float.__float__),
    (dict, lambda value: dict(dict.items(value))),
    ((list, tuple, deque), list),
    ((set, frozenset), set),
)
"""What stands for the value of an object: by class, subclasses included; the first that fits."""


@lru_cache(maxsize=1024)
def _reader_of(kind: type) -> Callable[[Any], object] | None:
    """How to get at the value of objects of one class; None if they have no value of their own."""
    if dataclasses.is_dataclass(kind):
        return _named(field.name for field in dataclasses.fields(kind))
    if hasattr(kind, "__pydantic_fields__"):
        return _model_fields
    if hasattr(kind, "__attrs_attrs__"):
        return _named(field.name for field in kind.__attrs_attrs__)
    return next((read for base, read in _READERS if issubclass(kind, base)), None)
