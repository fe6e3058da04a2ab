"""The input of a run is looked at when it is triggered: a bad one is refused before anything exists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.contract.json_text import json_kind, parse_json
from holdfast.contract.limits import INPUT_LIMIT_BYTES
from holdfast.domain.errors import InputError, LimitError
from holdfast_engine.control.input_schema import input_validator
from holdfast_engine.control.time_limit import TooLongError, time_limit

PROBLEMS_SHOWN = 20
CHECK_SECONDS = 1.0
"""Nobody else has a turn while an input is checked, and a pattern of ten characters may take years."""

Input = str | Mapping[str, Any]


def input_text(given: Input) -> str:
    """The JSON text of an input.

    Args:
        given: an object, or its JSON text.

    Raises:
        InputError: it is no JSON, or no object.
        LimitError: it is larger than an input may be.
    """
    text = given if isinstance(given, str) else _dumped(given)
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError as error:
        raise InputError(f"The input is not valid Unicode: {error.reason} at character {error.start}.") from None
    if size_bytes > INPUT_LIMIT_BYTES:  # by how much is not known: nobody reads a file to its end for that
        raise LimitError(
            f"The input is over the limit of {INPUT_LIMIT_BYTES:,} bytes of JSON. "
            "Pass a reference to the data instead (a path, a key in object storage)."
        )
    parsed = _parsed(text)
    if not isinstance(parsed, dict):
        raise InputError(f'The input must be a JSON object, {{"parameter": value, …}}, not {json_kind(parsed)}.')
    return text


def check_schema(schema: Mapping[str, Any], task: str) -> None:
    """Refuse what is no JSON Schema.

    Raises:
        InputError: says what is wrong with it.
        MissingExtraError: the library that reads schemas is not installed.
    """
    validator = input_validator()
    from jsonschema.exceptions import SchemaError

    try:
        validator.check_schema(schema)
    except SchemaError as error:
        raise InputError(
            f"The inputSchema of task {task} is no JSON Schema: {error.json_path}: {error.message}"
        ) from None


def check_input(text: str, schema: Mapping[str, Any], task: str) -> None:
    """Refuse an input that does not fit the task's schema.

    Raises:
        InputError: lists what does not fit, each with its path; or says why the schema cannot be used.
        MissingExtraError: the library that reads schemas is not installed.
    """
    kind = input_validator()
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY

    # By itself the library would fetch what a schema refers to, from any address and any file.
    validator = kind(schema, format_checker=kind.FORMAT_CHECKER, registry=EMPTY_REGISTRY)
    try:
        with time_limit(CHECK_SECONDS):
            errors = sorted(validator.iter_errors(json.loads(text)), key=lambda error: list(map(str, error.path)))
    except Unresolvable as error:
        raise InputError(
            f"The inputSchema of task {task} refers to {error.ref!r}, which is not in it. Write it under $defs."
        ) from None
    except RecursionError:
        raise InputError(
            f"The inputSchema of task {task} refers to itself without an end, or is nested too deep."
        ) from None
    except TooLongError:
        raise InputError(
            f"The input of {task} could not be checked by its inputSchema within {CHECK_SECONDS:.0f} s. "
            "Simplify its patterns and uniqueItems."
        ) from None
    lines = [line for error in errors for line in _lines(error)]
    if lines:
        more = [f"  and {len(lines) - PROBLEMS_SHOWN} more"] if len(lines) > PROBLEMS_SHOWN else []
        problems = "\n".join([f"  {line}" for line in lines[:PROBLEMS_SHOWN]] + more)
        raise InputError(f"The input of {task} does not fit its parameters:\n{problems}")


def _lines(error: Any) -> Iterable[str]:
    path = list(error.path)
    if error.validator == "required":
        # there is one error per missing field, and only its message says which
        name = next(name for name in error.validator_value if error.message.startswith(repr(name)))
        return [f"{_spell([*path, name])}: missing"]
    if error.validator == "additionalProperties" and error.validator_value is False:
        known = error.schema.get("properties", {})
        return [
            f"{_spell([*path, name])}: no such parameter{_suggest(name, known)}"
            for name in error.instance
            if name not in known
        ]
    return [f"{_spell(path)}: {error.message}"]


def _spell(path: Iterable[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the input"


def _suggest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are: {', '.join(known)}" if known else "; there are none"


def _dumped(given: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(given), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"The input has a value without JSON: {error}.") from None


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise InputError(f"The input is not JSON: {error}.") from None
