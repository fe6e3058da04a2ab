"""What pydantic found wrong in a manifest, in the words of someone who wrote the manifest."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from holdfast.contract.patterns import MEANINGS
from holdfast.contract.structural_schema import Schema, structural_schema
from holdfast.domain.errors import ManifestProblem

if TYPE_CHECKING:
    from holdfast.contract.yaml_document import YamlDocument

Path = tuple[str | int, ...]

_EXCERPT_LIMIT = 80

_SENTENCES: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not a field here",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "enum": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "value_error": "{error}",
}


def problems_of(
    error: ValidationError, model: type[BaseModel], document: YamlDocument, source: str
) -> Iterator[ManifestProblem]:
    """Yield one problem for each of pydantic's, in the order of the file."""
    schema = structural_schema(model)
    for details in sorted(error.errors(include_url=False), key=lambda found: document.line_of(_path(found))):
        path = _path(details)
        yield ManifestProblem(
            source=source,
            line=document.line_of(path),
            document=document.number,
            field=field_path(path),
            message=_sentence(details),
            value=_value(details),
            suggestion=_suggestion(details, path, schema),
        )


def field_path(path: Path) -> str:
    """Return the path of a field as people write it: ``spec.env[0].name``."""
    return "".join(f"[{part}]" if isinstance(part, int) else _joint(part) for part in path).removeprefix(".")


def excerpt(value: object) -> str:
    """Return a value as JSON, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _EXCERPT_LIMIT else text[: _EXCERPT_LIMIT - 1] + "…"


def closest(word: object, words: Iterable[str]) -> str | None:
    """Return "did you mean …?" for the nearest of ``words``, or ``None`` if none is near."""
    if not isinstance(word, str):
        return None
    folded = {known.lower().replace("_", ""): known for known in words}
    near = difflib.get_close_matches(word.lower().replace("_", "").replace("-", ""), folded, n=1, cutoff=0.7)
    return f"did you mean {folded[near[0]]}?" if near else None


def _path(details: ErrorDetails) -> Path:
    """Pydantic marks a mapping's bad key with a trailing "[key]"; the problem is the key's."""
    loc = details["loc"]
    return loc[:-1] if loc and loc[-1] == "[key]" else loc


def _joint(part: str) -> str:
    return f".{part}" if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f"[{json.dumps(part, ensure_ascii=False)}]"


def _sentence(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if details["type"] == "string_pattern_mismatch":
        return MEANINGS.get(context["pattern"], f"must match {context['pattern']}")
    template = _SENTENCES.get(details["type"])
    return details["msg"] if template is None else template.format_map(context)


def _value(details: ErrorDetails) -> str | None:
    value = details["input"]
    says_it_all = details["type"] in ("missing", "too_long", "too_short") or isinstance(value, dict)
    return None if says_it_all and details["type"] != "string_type" else excerpt(value)


def _suggestion(details: ErrorDetails, path: Path, schema: Schema) -> str | None:
    value = details["input"]
    if path == ("metadata", "name") and details["type"] == "missing" and "generateName" in value:
        return "what is applied is found again by its name; generateName is for kubectl create"
    if details["type"] == "extra_forbidden":
        name = str(path[-1])
        siblings = _at(schema, path[:-1]).get("properties", {})
        return closest(name, siblings) or _elsewhere(name, schema)
    if details["type"] == "enum":
        return closest(value, _at(schema, path).get("enum", []))
    if details["type"] == "string_type" and isinstance(value, bool | int | float):
        return "put it in quotes if it is meant as text"
    if details["type"] in ("int_type", "bool_type") and isinstance(value, str):
        return "leave the quotes out" if _reads_as(details["type"], value) else None
    return None


def _reads_as(kind: str, text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9]+", text) is not None if kind == "int_type" else text in ("true", "false")


def _at(schema: Schema, path: Path) -> Schema:
    """Return the schema of the value at ``path``, empty where nothing is known."""
    for part in path:
        nested: Any = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        if not isinstance(nested, dict):
            return {}
        schema = nested
    return schema


def _elsewhere(name: str, schema: Schema) -> str | None:
    """Say where a field of that very name would belong."""
    places = [place for place in _fields(schema, ()) if place[-1] == name and place[0] != "status"]
    return f"did you mean {field_path(min(places, key=len))}?" if places else None


def _fields(schema: Schema, path: Path) -> Iterator[Path]:
    for name, nested in schema.get("properties", {}).items():
        yield (*path, name)
        yield from _fields(nested, (*path, name))
