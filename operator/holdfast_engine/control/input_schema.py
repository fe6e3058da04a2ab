"""JSON Schema, read as strictly as the attempt reads the input itself: one input gets one answer everywhere.

JSON Schema alone would let 7.0 pass for an integer, and any text for a date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from holdfast.domain.errors import MissingExtraError

_FORMATS: Mapping[str, type] = {
    "date-time": datetime,
    "date": date,
    "time": time,
    "duration": timedelta,
    "uuid": UUID,
    "decimal": Decimal,
    "binary": bytes,
}


@cache
def input_validator() -> Any:
    """The class of validators: `input_validator()(schema).iter_errors(value)`.

    Raises:
        MissingExtraError: the library that reads schemas is not installed.
    """
    try:
        from jsonschema import Draft202012Validator, FormatChecker, validators
    except ImportError:
        raise MissingExtraError(what="Checking an input by its schema", package="jsonschema", extra="dev") from None
    formats = FormatChecker(formats=())
    for name, kind in _FORMATS.items():
        formats.checks(name, raises=ValueError)(_reader_of(kind))
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    extend: Any = validators.extend  # its library gives it no types
    return extend(Draft202012Validator, type_checker=types, format_checker=formats)


def _is_integer(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _reader_of(kind: type) -> Callable[[object], bool]:
    from pydantic import ConfigDict, TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(kind, config=ConfigDict(val_json_bytes="base64"))

    def reads(value: object) -> bool:
        if isinstance(value, str):
            adapter.validate_json(json.dumps(value), strict=True)
        return True

    return reads
