"""The kinds of value that fields have. Each is bounded, so that the API server can bound the cost of its
rules."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from holdfast.contract import limits, patterns

INT32_MAX = 2_147_483_647

Name = Annotated[str, StringConstraints(pattern=patterns.NAME, min_length=1, max_length=63)]
"""Short enough for a label's value, because the names of runs, queues and tasks become labels of pods."""

Subdomain = Annotated[str, StringConstraints(pattern=patterns.SUBDOMAIN, min_length=1, max_length=253)]
Domain = Annotated[str, StringConstraints(pattern=patterns.DOMAIN, min_length=1, max_length=253)]
Image = Annotated[str, StringConstraints(pattern=patterns.IMAGE, min_length=1, max_length=1024)]
Entrypoint = Annotated[str, StringConstraints(pattern=patterns.ENTRYPOINT, min_length=3, max_length=400)]
EnvironmentName = Annotated[str, StringConstraints(pattern=patterns.ENVIRONMENT_NAME, min_length=1, max_length=253)]
Word = Annotated[str, StringConstraints(pattern=patterns.CAMEL_CASE, min_length=1, max_length=128)]
Cron = Annotated[str, StringConstraints(pattern=patterns.CRON, min_length=6, max_length=200)]
TimeZone = Annotated[str, StringConstraints(pattern=patterns.TIME_ZONE, min_length=1, max_length=64)]
ConcurrencyKey = Annotated[str, StringConstraints(pattern=patterns.PRINTABLE, min_length=1, max_length=200)]
IdempotencyKey = Annotated[str, StringConstraints(pattern=patterns.PRINTABLE, min_length=1, max_length=500)]
ShortText = Annotated[str, StringConstraints(max_length=1024)]
Message = Annotated[str, StringConstraints(max_length=32768)]
Argument = Annotated[str, StringConstraints(pattern=patterns.NO_NUL, max_length=32768)]

Seconds = Annotated[int, Field(strict=True, ge=0, le=INT32_MAX)]
PositiveSeconds = Annotated[int, Field(strict=True, ge=1, le=INT32_MAX)]
Count = Annotated[int, Field(strict=True, ge=0, le=INT32_MAX)]
PositiveCount = Annotated[int, Field(strict=True, ge=1, le=INT32_MAX)]
Int32 = Annotated[int, Field(strict=True, ge=-INT32_MAX - 1, le=INT32_MAX)]
# The API server reads the bounds of a schema as floats: beyond 2**53 they are not what they were.
Generation = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Flag = Annotated[bool, Field(strict=True)]


def _rfc3339(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(patterns.TIME, value):
        raise ValueError(patterns.MEANINGS[patterns.TIME])
    if not isinstance(value, str | datetime):
        raise ValueError(patterns.MEANINGS[patterns.TIME])
    return value


def _to_rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc3339),
    PlainSerializer(_to_rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 64}),
]
"""A moment with its zone."""


def _within_input_limit(value: dict[str, Any]) -> dict[str, Any]:
    size_bytes = len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode())
    if size_bytes > limits.INPUT_LIMIT_BYTES:
        raise ValueError(
            f"is {size_bytes} bytes of JSON, above the limit of {limits.INPUT_LIMIT_BYTES}; "
            "store the data elsewhere and pass its address"
        )
    return value


_FREE_FORM_OBJECT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

JsonObject = Annotated[dict[str, JsonValue], WithJsonSchema(_FREE_FORM_OBJECT)]
"""An object whose fields are not ours to know: it is passed through as it is."""

Input = Annotated[JsonObject, AfterValidator(_within_input_limit), WithJsonSchema(_FREE_FORM_OBJECT)]
"""A run's input: one JSON object, its fields are the task's parameters."""

AnyJson = Annotated[JsonValue, WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True})]

_LabelKey = Annotated[str, StringConstraints(pattern=patterns.QUALIFIED_NAME, min_length=1, max_length=317)]
_LabelValue = Annotated[str, StringConstraints(pattern=patterns.LABEL_VALUE, max_length=63)]

Labels = Annotated[
    dict[_LabelKey, _LabelValue],
    Field(max_length=64),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 63, "pattern": patterns.LABEL_VALUE},
            "maxProperties": 64,
        }
    ),
]
Annotations = Annotated[
    dict[_LabelKey, str],
    Field(max_length=256),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 262144},
            "maxProperties": 256,
        }
    ),
]
