"""Input that plain JSON types describe, read without pydantic, whose import takes as long as the rest of a cold start.

Taken is only what nobody reads in two ways: text, whole numbers, booleans, null, and lists and objects of them. All
else, and whatever does not fit, is left to pydantic: it knows more types, and says what is wrong.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

from holdfast.contract.json_text import object_of_pairs

Fits: TypeAlias = Callable[[object], bool]
"""Whether a value of JSON is one of an annotation."""

LARGEST_TEXT = 64 * 1024
"""In characters; pydantic's import takes less time than its parser saves at more."""
DEEPEST_LEVEL = 20
_LARGEST_INTEGER = 2**63 - 1


class PlainInput:
    """Reads the input of one function.

    Args:
        parameters: of the function.
        hints: their annotations; a parameter without one takes anything.
    """

    def __init__(self, parameters: Iterable[inspect.Parameter], hints: Mapping[str, object]) -> None:
        self._fits: dict[str, Fits] = {}
        self._required: set[str] = set()
        self._is_plain = True
        for parameter in parameters:
            fits = _fits_of(hints.get(parameter.name, Any))
            if fits is None or parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self._is_plain = False
                return
            self._fits[parameter.name] = fits
            if parameter.default is inspect.Parameter.empty:
                self._required.add(parameter.name)

    def read(self, text: str) -> dict[str, Any] | None:
        """The values by parameter, those with a default only if they are given; ``None``: ask pydantic."""
        if not self._is_plain or len(text) > LARGEST_TEXT:
            return None
        values = _parsed(text)
        if not isinstance(values, dict) or not self._required <= values.keys() <= self._fits.keys():
            return None
        return values if all(self._fits[name](value) for name, value in values.items()) else None


def _parsed(text: str) -> Any:
    """The value of a JSON text; ``None``, which may also be null, if parsers may disagree about it."""
    if "\\ud" in text.lower():  # perhaps half a surrogate pair
        return None
    try:
        text.encode()
        return json.loads(text, object_pairs_hook=object_of_pairs)
    except (ValueError, RecursionError):
        return None


def _fits_of(annotation: object) -> Fits | None:
    """What tells the values of an annotation; ``None`` if it is not plain."""
    if annotation is Any:
        return _is_anything
    if annotation is int:
        return _is_integer
    if annotation is str or annotation is bool or annotation is NoneType:
        return lambda value: type(value) is annotation
    origin, parts = get_origin(annotation) or annotation, [_fits_of(each) for each in get_args(annotation)]
    if None in parts:
        return None
    fits = [part for part in parts if part is not None]
    if origin is Union or origin is UnionType:
        return lambda value: any(part(value) for part in fits)
    if origin is list:
        of_item = fits[0] if fits else _is_anything
        return lambda value: type(value) is list and all(map(of_item, value))
    if origin is dict and (not fits or get_args(annotation)[0] is str):
        of_field = fits[1] if fits else _is_anything
        return lambda value: type(value) is dict and all(map(of_field, value.values()))
    return None


def _is_integer(value: object) -> bool:
    return type(value) is int and abs(value) <= _LARGEST_INTEGER


def _is_anything(value: object, level: int = 0) -> bool:
    if level > DEEPEST_LEVEL:
        return False
    if isinstance(value, (list, dict)):
        return all(_is_anything(each, level + 1) for each in (value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, (str, bool)) or _is_integer(value)
