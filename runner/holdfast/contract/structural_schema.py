"""Pydantic's JSON Schema to Kubernetes' structural schema.

A structural schema gives every value exactly one type: no references, no `anyOf` with types, no `null`.
What pydantic writes for `X | None` becomes X in a field that is not required; unknown fields are pruned
where nothing is said.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]


@cache
def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the structural schema of a model. Do not change the answer: it is kept."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(schema, schema.get("$defs", {}))


def _structural(schema: Schema, definitions: Schema) -> Schema:
    schema = _resolved(schema, definitions)
    kept = {name: value for name, value in schema.items() if name not in _DROPPED}
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    if "properties" in kept:
        kept["properties"] = {name: _structural(field, definitions) for name, field in kept["properties"].items()}
    for nested in ("items", "additionalProperties"):
        if isinstance(kept.get(nested), dict):
            kept[nested] = _structural(kept[nested], definitions)
    if "description" in kept:
        # Docstrings are wrapped for readers of the code; `kubectl explain` wraps anew.
        kept["description"] = " ".join(kept["description"].split())
    if kept.get("additionalProperties") is False:
        del kept["additionalProperties"]
    if kept.get("default", ...) in (None, [], {}):
        del kept["default"]
    if kept.get("type") == "integer":
        kept["format"] = "int32" if _fits_int32(kept) else "int64"
    if unsupported := sorted(_UNSUPPORTED & kept.keys()):
        raise ValueError(f"{', '.join(unsupported)} cannot be part of a structural schema: {schema}")
    return {name: kept[name] for name in sorted(kept, key=_reading_order)}


_DROPPED = frozenset({"$defs", "title"})
_UNSUPPORTED = frozenset({"$ref", "anyOf", "oneOf", "allOf", "prefixItems", "patternProperties", "propertyNames"})
_FIRST = ("description", "type", "format", "default", "required", "properties", "items")
_INT32 = (-(2**31), 2**31 - 1)


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """Follow references and leave `null` out; what stands beside either wins over what they name."""
    beside = {name: value for name, value in schema.items() if name not in ("$ref", "anyOf")}
    if "$ref" in schema:
        named = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return {**_resolved(named, definitions), **beside}
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**_resolved(choices[0], definitions), **beside}
    return schema


def _reading_order(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


def _fits_int32(schema: Schema) -> bool:
    smallest, largest = _INT32
    lower: int = schema.get("minimum", -(2**63))
    upper: int = schema.get("maximum", 2**63)
    return smallest <= lower and upper <= largest
