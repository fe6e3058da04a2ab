"""JSON as everybody here reads it: what one reader takes, the next one takes too, and as the same."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Refused beyond what `json` refuses: a key that comes twice in one object, of which each reader may keep another;
    NaN and Infinity; half a surrogate pair, which no UTF-8 can hold; nesting that the attempt would give up on.

    Raises:
        ValueError: says what is wrong, and where if that is known.
    """
    from pydantic_core import from_json

    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=object_of_pairs)
        from_json(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValueError as error:
        if "recursion limit" in str(error):
            raise ValueError("it is nested too deep") from None
        raise
    return value


def json_kind(value: object) -> str:
    """What a reader of JSON calls such a value: "a list", "null" …"""
    return _KINDS[type(value)]


def object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of its fields.

    Raises:
        ValueError: A key comes twice.
    """
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} comes twice in one object")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}
