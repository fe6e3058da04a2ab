"""Short text about any value, for error messages."""

from __future__ import annotations

import reprlib

LIMIT_CHARACTERS = 200

Path = tuple[object, ...]
"""Where a value sits inside another: keys and indexes, and ``Attribute`` for fields."""


class Attribute(str):
    """A step of a path that is written ``.name`` and not ``['name']``."""

    __slots__ = ()


class _Excerpt(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxstring = self.maxother = self.maxlong = LIMIT_CHARACTERS
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 20

    def repr_bytes(self, value: bytes, level: int) -> str:
        return self.repr_str(value, level)  # type: ignore[arg-type]  # it only slices, and calls repr

    def repr_int(self, value: int, level: int) -> str:
        if value.bit_length() > 4096:  # beyond the digits that `repr` is willing to write
            return f"<int of {value.bit_length()} bits>"
        return super().repr_int(value, level)


_EXCERPT = _Excerpt()


def excerpt(value: object, limit_characters: int = LIMIT_CHARACTERS) -> str:
    """The ``repr`` of a value, cut in the middle of what is long. Never raises."""
    try:
        text = _EXCERPT.repr(value)
    except Exception:  # an author's __repr__ or metaclass may raise anything
        text = f"<{type_name(type(value))} whose repr fails>"
    if len(text) > limit_characters:
        text = text[: limit_characters - 1] + "…"
    return text


def type_name(kind: type) -> str:
    """The qualified name of a class; builtins without their module."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def spell(path: Path, root: str = "value") -> str:
    """Write a path as Python would: ``value['items'][2].when``."""
    return root + "".join(f".{step}" if isinstance(step, Attribute) else f"[{excerpt(step, 60)}]" for step in path)
