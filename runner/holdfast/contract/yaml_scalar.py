"""What a plain (unquoted) scalar of YAML means to kubectl.

Every YAML library decides that in its own way, and a manifest must mean here what it means in a cluster.
These are the rules of the library inside kubectl: `on` and `y` are booleans, a date is a string, `010` is
eight.
"""

from __future__ import annotations

import re
from typing import Final

Scalar = None | bool | int | float | str

_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES: Final = (16, 2, 8, 10)
_INTEGER_LIMIT: Final = 70
"""Characters of an integer; 64 bits fit even in base two. Python refuses to parse some thousands of digits."""


def plain_scalar(text: str) -> Scalar:
    """Return the value of a plain scalar; infinities and NaN included, which JSON does not have."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text if text[0] == "." else text.replace("_", "")
    if len(digits) <= _INTEGER_LIMIT and (integer := _INTEGER.fullmatch(digits)):
        sign, *forms = integer.groups()
        magnitude = next(int(form, base) for form, base in zip(forms, _BASES, strict=True) if form)
        return -magnitude if sign == "-" else magnitude
    if _FLOAT.fullmatch(digits) and abs(number := float(digits)) != float("inf"):
        return number
    return text
