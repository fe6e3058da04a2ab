"""JSON text for values whose type is annotated: pydantic writes it and reads it back.

Every text is read back before it is recorded, and compared with the author's value. What pydantic's JSON
cannot give back (a NaN in a model, ``str | datetime``, a set below ``Any``, a named time zone) is written a
second time with tags; what tags cannot give back either is refused. So a replay never sees another value
than the first pass.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Any

from holdfast.domain.errors import DefinitionError, EncodingError
from holdfast.sdk import tagged
from holdfast.sdk.advice import advice
from holdfast.sdk.difference import Difference, difference
from holdfast.sdk.excerpt import excerpt, spell, type_name
from holdfast.sdk.problems import describe_mismatch, list_problems

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

_WITHOUT_A_VALUE = frozenset({"call", "callable", "generator"})
"""Kinds of pydantic schema that accept a function or a generator, which no JSON can bring back."""


def adapter_for(annotation: object) -> TypeAdapter[Any]:
    """Pydantic's adapter for an annotation, with any bytes and any float allowed.

    Raises:
        DefinitionError: Values of this annotation cannot be recorded.
        NameError: The annotation, or a field below it, names something not defined yet.
    """
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
    from typing_extensions import TypeAliasType

    config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings")
    # Pydantic refuses a config beside a dataclass or TypedDict, but hands it down to one behind an alias.
    make_alias: Any = TypeAliasType  # type checkers know it with literal types only
    alias = make_alias("Recorded", annotation)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(alias, config=config)
        if not adapter.pydantic_complete:
            adapter.rebuild(raise_errors=True)
    except PydanticUndefinedAnnotation as error:
        raise NameError(str(error), name=error.name) from None
    except PydanticUserError as error:
        reason = str(error).split("\n")[0]
        raise DefinitionError(reason.split(". Set `arbitrary_types_allowed")[0].rstrip(".")) from None
    if _kind(adapter.core_schema) in _WITHOUT_A_VALUE:
        raise DefinitionError("functions and generators have no value that JSON could hold")
    return adapter


def _kind(schema: Any) -> str:
    while schema["type"] in ("definitions", "nullable"):
        schema = schema["schema"]
    return str(schema["type"])


class TypedForm:
    """How values of one annotation are written and read."""

    def __init__(self, annotation: object) -> None:
        self._annotation = annotation
        self._adapter = adapter_for(annotation)

    def settle(self, value: object) -> tuple[str, Any]:
        from pydantic_core import PydanticSerializationError, ValidationError

        try:
            text = self._adapter.dump_json(value, warnings="error", round_trip=True, by_alias=False).decode()
            if tagged.QUOTED_MARK not in text:
                rebuilt = self._read_plain(text)
                if difference(value, rebuilt) is None:
                    return text, rebuilt
        except (PydanticSerializationError, ValidationError, RecursionError):
            pass  # the tagged text may hold what the plain one cannot; if not, it says why
        return self._settle_with_tags(value)

    def decode(self, text: str) -> Any:
        from pydantic_core import ValidationError

        try:
            return self._read(text)
        except ValidationError as error:
            raise EncodingError(
                f"recorded value does not fit the annotation {spell_annotation(self._annotation)}:\n"
                f"{_list_problems(error)}\n"
                "If the code changed since it was recorded, let the new type accept the old value too."
            ) from None

    def _read(self, text: str) -> Any:
        if tagged.QUOTED_MARK in text:
            return self._adapter.validate_python(tagged.decode(text), by_alias=False, by_name=True)
        return self._read_plain(text)

    def _read_plain(self, text: str) -> Any:
        return self._adapter.validate_json(text, by_alias=False, by_name=True)

    def _settle_with_tags(self, value: object) -> tuple[str, Any]:
        from pydantic_core import PydanticSerializationError, ValidationError

        try:
            parts = self._adapter.dump_python(value, warnings="error", round_trip=True, by_alias=False)
            text = tagged.encode_marked(_known_to_tags(parts))
            rebuilt = self._read(text)
        except ValidationError as error:
            raise EncodingError(f"it could not be rebuilt:\n{_list_problems(error)}") from None
        except RecursionError:
            raise EncodingError("value contains itself, or is nested too deep") from None
        except (PydanticSerializationError, TypeError, ValueError) as error:
            raise EncodingError(self._explain_misfit(value, error)) from None
        found = difference(value, rebuilt)
        if found is not None:
            raise EncodingError(_explain_difference(found))
        return text, rebuilt

    def _explain_misfit(self, value: object, error: Exception) -> str:
        """Pydantic's serializer names no path, its validator does."""
        from pydantic_core import PydanticSerializationError, ValidationError

        text = f"it does not fit the annotation {spell_annotation(self._annotation)}"
        try:
            misfit = self._adapter.dump_json(value, warnings=False, round_trip=True, by_alias=False)
            self._adapter.validate_json(misfit, strict=True, by_alias=False, by_name=True)
        except ValidationError as problems:
            return f"{text}:\n{_list_problems(problems)}"
        except (PydanticSerializationError, TypeError, ValueError, RecursionError):
            pass
        reason = str(error).strip().split("\n")[-1].strip()
        given = f"{excerpt(value)} (type {type_name(type(value))})"
        return f"{text}: value is {given}: {reason}. {advice(value)}"


def _explain_difference(found: Difference) -> str:
    one, other = (f"{excerpt(part)} (type {type_name(type(part))})" for part in (found.one, found.other))
    return f"{spell(found.path)} is {one} but would come back as {other}. {advice(found.one)}"


def spell_annotation(annotation: object) -> str:
    """An annotation as an author would write it."""
    return type_name(annotation) if isinstance(annotation, type) else excerpt(annotation)


def _list_problems(error: ValidationError) -> str:
    return list_problems(error, lambda problem: f"{spell(problem['loc'])}: {describe_mismatch(problem)}")


def _known_to_tags(value: Any) -> Any:
    """Enumerations, deques and special dicts as what they hold; the annotation knows their classes."""
    kind = type(value)
    if isinstance(value, enum.Enum):
        return _known_to_tags(value.value)
    if isinstance(value, dict):
        return {_known_to_tags(key): _known_to_tags(item) for key, item in value.items()}
    if isinstance(value, deque):
        return [_known_to_tags(item) for item in value]
    if kind in (list, tuple, set, frozenset):
        return kind(_known_to_tags(item) for item in value)
    return value
