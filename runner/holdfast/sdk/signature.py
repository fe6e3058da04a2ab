"""The input of a task: a JSON object matched to the parameters of its function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired

from holdfast.contract.json_text import json_kind, parse_json
from holdfast.domain.errors import DefinitionError, InputError
from holdfast.sdk.excerpt import excerpt
from holdfast.sdk.hints import type_hints
from holdfast.sdk.input_schema import input_schema_writer
from holdfast.sdk.plain_input import PlainInput
from holdfast.sdk.problems import describe_mismatch, list_problems
from holdfast.sdk.typed import adapter_for, spell_annotation

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails


class BoundArguments(NamedTuple):
    """Validated arguments, ready for the call ``function(*args, **kwargs)``."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Signature:
    """Matches input to the parameters of a function, by name, and validates it with their types.

    A parameter without annotation takes any JSON. Annotations are looked at when first needed, or by
    ``check``.

    Args:
        function: The task's function.
        name: What error messages call it; default is its qualified name.

    Raises:
        DefinitionError: The function has a ``*args`` parameter, which no JSON object can fill.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        self._function = function
        self._name = name or getattr(function, "__qualname__", repr(function))
        self._parameters = inspect.signature(function).parameters
        self._adapter: TypeAdapter[dict[str, Any]] | None = None
        self._plain: PlainInput | None = None
        for parameter in self._parameters.values():
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                raise DefinitionError(
                    f"{self._name} has the parameter *{parameter.name}, but input is a JSON object, matched "
                    f"by name. Write `{parameter.name}: list[...]` instead."
                )

    def validate(self, given: str | bytes | Mapping[str, Any]) -> BoundArguments:
        """Match input to the parameters.

        Args:
            given: The input as JSON text, or as an object. What is in it is read as JSON is: a string becomes
                a ``datetime`` where the annotation says so. Nothing is guessed: ``"7"`` and ``7.0`` are no ``int``.

        Raises:
            InputError: Lists everything that does not fit, with its path.
            DefinitionError: An annotation cannot be used for input.
        """
        text = input_text(given) if isinstance(given, Mapping) else given
        values = self._read_plainly(text)
        if values is None:
            values = self._read_with_pydantic(text)
        args = tuple(
            values.pop(parameter.name, parameter.default)
            for parameter in self._parameters.values()
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        )
        return BoundArguments(args, values)

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the input.

        Raises:
            DefinitionError: An annotation cannot be used for input, or has no JSON Schema.
        """
        from pydantic.errors import PydanticUserError

        try:
            schema = self._resolved_adapter().json_schema(schema_generator=input_schema_writer())
        except PydanticUserError as error:
            raise DefinitionError(f"the input of {self._name} has no JSON Schema: {error}") from None
        for parameter in self._parameters.values():
            field = schema.get("properties", {}).get(parameter.name)
            if field is not None and parameter.default is not inspect.Parameter.empty:
                _show_default(field, parameter.default)
        return schema

    def check(self) -> bool:
        """Look at the annotations now. False if one names something that is not defined yet.

        Raises:
            DefinitionError: An annotation cannot be used for input.
        """
        try:
            self._resolve()
        except NameError:
            return False
        return True

    def _read_plainly(self, text: str | bytes) -> dict[str, Any] | None:
        if self._adapter is not None or isinstance(text, bytes):  # pydantic is there already
            return None
        if self._plain is None:
            try:
                self._plain = PlainInput(self._parameters.values(), type_hints(self._function))
            except NameError:  # whoever asks pydantic says so
                return None
        return self._plain.read(text)

    def _read_with_pydantic(self, text: str | bytes) -> dict[str, Any]:
        from pydantic import ValidationError

        adapter = self._resolved_adapter()
        self._refuse_other_than_object(text)
        try:
            return adapter.validate_json(text, strict=True)
        except ValidationError as error:
            problems = list_problems(error, self._describe)
            raise InputError(f"the input of {self._name} does not fit its parameters:\n{problems}") from None

    def _resolved_adapter(self) -> TypeAdapter[dict[str, Any]]:
        try:
            return self._adapter or self._resolve()
        except NameError as error:
            raise DefinitionError(
                f"{self._name} has a parameter whose annotation cannot be resolved: {error}. "
                "Define or import that name in the module of the function."
            ) from None

    def _resolve(self) -> TypeAdapter[dict[str, Any]]:
        hints = type_hints(self._function)
        for parameter in self._parameters.values():  # one by one, so that an error can name the culprit
            self._check_annotation(parameter.name, hints.get(parameter.name, Any))
        self._adapter = _adapter_for(self._parameters.values(), hints)
        return self._adapter

    def _check_annotation(self, name: str, annotation: object) -> None:
        try:
            adapter_for(annotation)
        except DefinitionError as error:
            raise DefinitionError(
                f"parameter {name!r} of {self._name} cannot take input with the annotation "
                f"{spell_annotation(annotation)}: {error}. Use plain JSON types, a dataclass or a model."
            ) from None

    def _refuse_other_than_object(self, text: str | bytes) -> None:
        try:
            parsed = parse_json(text)
        except ValueError as error:  # of JSON or of UTF-8; both say where
            raise InputError(f"the input of {self._name} is not JSON: {error}; given was {excerpt(text)}") from None
        if not isinstance(parsed, dict):
            fields = f"the fields {', '.join(self._parameters)}" if self._parameters else "no field"
            raise InputError(
                f"the input of {self._name} must be a JSON object with {fields}, "
                f"not {json_kind(parsed)}: {excerpt(parsed)}"
            )

    def _describe(self, problem: ErrorDetails) -> str:
        place = _spell_field(problem["loc"])
        at_top = len(problem["loc"]) == 1
        if at_top and problem["type"] == "missing":
            return f"{place}: missing"
        if at_top and problem["type"] == "extra_forbidden":
            return f"{place}: no such parameter{_suggest(place, self._parameters)}"
        return f"{place}: {describe_mismatch(problem)}"


def input_text(given: Mapping[str, Any]) -> str:
    """The JSON text of an input object, which may hold datetimes, bytes (base64), models and the like.

    Raises:
        InputError: Something in it has no JSON.
    """
    from pydantic_core import to_json

    try:
        return to_json(dict(given), bytes_mode="base64", inf_nan_mode="strings").decode()
    except ValueError as error:
        raise InputError(f"the input has a value without JSON: {error}; given was {excerpt(given)}") from None


def _adapter_for(parameters: Iterable[inspect.Parameter], hints: Mapping[str, Any]) -> TypeAdapter[dict[str, Any]]:
    """A TypedDict, not a model: any name is allowed in it, and absent keys leave defaults to the function."""
    from pydantic import ConfigDict, TypeAdapter
    from typing_extensions import TypedDict

    fields: dict[str, Any] = {}
    config = ConfigDict(extra="forbid", val_json_bytes="base64")
    options: dict[str, Any] = {}
    for parameter in parameters:
        annotation = hints.get(parameter.name, Any)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            config["extra"] = "allow"
            options["extra_items"] = annotation
        elif parameter.default is inspect.Parameter.empty:
            fields[parameter.name] = annotation
        else:
            fields[parameter.name] = NotRequired[annotation]
    make_typed_dict: Any = TypedDict  # type checkers know it with literal fields only
    kind = make_typed_dict("Input", fields, **options)
    kind.__pydantic_config__ = config
    return TypeAdapter(kind)


def _spell_field(path: tuple[int | str, ...]) -> str:
    """``items[0].price``, as a reader of JSON would say it."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the input"


def _suggest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only when needed: it is slow to import

    near = get_close_matches(name, list(known), n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are: {', '.join(known)}" if known else "; there are none"


def _show_default(field: dict[str, Any], default: object) -> None:
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        field["default"] = to_jsonable_python(default, bytes_mode="base64", inf_nan_mode="strings")
    except PydanticSerializationError:
        return  # a default may be an object that only the function knows
