"""How a value becomes JSON text and comes back the same.

Three forms: with an annotation pydantic does the work (``typed``), without one the text carries tags
(``tagged``), and for the five plain types the exact value is all there is. The text is well-formed Unicode
and fit for PostgreSQL's ``json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Generic, Never, NoReturn, Protocol, TypeVar, get_args, get_origin

from holdfast.domain.errors import DefinitionError, EncodingError, PayloadTooLargeError
from holdfast.sdk import tagged
from holdfast.sdk.advice import advice
from holdfast.sdk.excerpt import excerpt, type_name
from holdfast.sdk.hints import type_hints
from holdfast.sdk.tagged import is_well_formed
from holdfast.sdk.typed import TypedForm, spell_annotation

T = TypeVar("T")


class _Form(Protocol):
    def settle(self, value: object) -> tuple[str, Any]: ...
    def decode(self, text: str) -> Any: ...


class Codec(Generic[T]):
    """Writes values of one annotation as JSON text, and reads them back.

    The annotation is looked at when first needed, or by ``check``: it may name classes defined later.
    """

    def __init__(self, find_annotation: Callable[[], object], what: str) -> None:
        self._find_annotation = find_annotation
        self._what = what
        self._resolved_form: _Form | None = None

    def encode(self, value: T) -> str:
        """The JSON text of a value.

        Raises:
            EncodingError: The value, or a part of it, could not be rebuilt from the text as it is.
            DefinitionError: Values of the annotation can never be recorded.
        """
        return self.settle(value)[0]

    def settle(self, value: T) -> tuple[str, T]:
        """The JSON text of a value, and the value as every later ``decode`` of that text gives it.

        They are equal, with equal types, but for an ``int`` where the annotation says ``float``. Whoever
        hands the second to the author lets the first pass see exactly what a replay will see.

        Raises:
            EncodingError: The value, or a part of it, could not be rebuilt from the text as it is.
            DefinitionError: Values of the annotation can never be recorded.
        """
        try:
            return (self._resolved_form or self._form()).settle(value)
        except EncodingError as error:
            raise EncodingError(f"{self._what} cannot be recorded: {error}") from None

    def decode(self, text: str) -> T:
        """The value that a JSON text was made from.

        Raises:
            EncodingError: The text does not fit the annotation, e.g. because the code changed since.
            DefinitionError: Values of the annotation can never be recorded.
        """
        try:
            value: T = (self._resolved_form or self._form()).decode(text)
        except EncodingError as error:
            raise EncodingError(f"{self._what} cannot be rebuilt: {error}") from None
        return value

    def check(self) -> bool:
        """Look at the annotation now. False if it names something that is not defined yet.

        Raises:
            DefinitionError: Values of the annotation can never be recorded.
        """
        try:
            self._resolve()
        except NameError:
            return False
        return True

    def _form(self) -> _Form:
        if self._resolved_form is not None:
            return self._resolved_form
        try:
            return self._resolve()
        except NameError as error:
            raise DefinitionError(
                f"{self._what} has an annotation that cannot be resolved: {error}. "
                "Define or import that name in the module of the function."
            ) from None

    def _resolve(self) -> _Form:
        annotation = self._find_annotation()
        try:
            self._resolved_form = _form_for(annotation)
        except DefinitionError as error:
            raise DefinitionError(
                f"{self._what} cannot be recorded with the annotation {spell_annotation(annotation)}: "
                f"{error}. Annotate and return a dataclass, a pydantic model or plain JSON types."
            ) from None
        return self._resolved_form


def codec_for(annotation: object = Any, what: str = "value") -> Codec[Any]:
    """The codec for an annotation; ``what`` begins its error messages."""
    # `int | str == str | int`, but pydantic may read them differently: their spelling tells them apart.
    key = (annotation, repr(annotation), what)
    try:
        codec = _codecs.get(key)
    except TypeError:  # an annotation may hold a list
        return Codec(lambda: annotation, what)
    if codec is None:
        codec = _codecs[key] = Codec(lambda: annotation, what)
    return codec


_codecs: dict[tuple[object, str, str], Codec[Any]] = {}


def codec_for_result(function: Callable[..., Any]) -> Codec[Any]:
    """The codec for what a function returns (what an ``async def`` gives when awaited)."""
    name = getattr(function, "__qualname__", repr(function))
    return Codec(lambda: type_hints(function).get("return", Any), f"the result of {name}")


def check_size(text: str, limit_bytes: int, what: str, *, setting: str = "payload limit") -> None:
    """Refuse a JSON text over a limit.

    Args:
        text: The encoded value.
        limit_bytes: How many bytes of UTF-8 are allowed.
        what: Begins the message, e.g. ``the result of fetch``.
        setting: Name of the setting that holds the limit.

    Raises:
        PayloadTooLargeError: Names size, limit and setting.
    """
    size_bytes = len(text) if text.isascii() else len(text.encode())
    if size_bytes > limit_bytes:
        raise PayloadTooLargeError(
            f"{what} is {size_bytes:,} bytes of JSON, over the limit of {limit_bytes:,} bytes ({setting}). "
            "Use a reference to the data instead: a path, a key in object storage."
        )


class _TaggedForm:
    """Without an annotation: whatever its text can say by itself."""

    def settle(self, value: object) -> tuple[str, Any]:
        return tagged.encode(value), value

    def decode(self, text: str) -> Any:
        return tagged.decode(text)


class PlainJson:
    """The annotation of what comes from outside and is JSON, nothing else: no tag in it means anything."""


class _JsonForm:
    """For `PlainJson`."""

    def settle(self, value: object) -> tuple[str, Any]:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if not is_well_formed(text):  # half a character, as JSON allows it
            text = json.dumps(value, separators=(",", ":"))
        return text, value

    def decode(self, text: str) -> Any:
        return json.loads(text)


class _ExactForm:
    """For `str`, `int`, `float`, `bool` and `None`: values of exactly that type."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def settle(self, value: object) -> tuple[str, Any]:
        exact = value if type(value) is self._kind else self._exactly(value)
        return tagged.encode(exact), exact

    def decode(self, text: str) -> Any:
        value = tagged.decode(text)
        return value if type(value) is self._kind else self._exactly(value)

    def _exactly(self, value: object) -> object:
        kind = type(value)
        if kind is int and self._kind is float:
            return float(value)  # type: ignore[arg-type]  # an int, by its exact type
        raise EncodingError(
            f"value is of type {type_name(kind)}: {excerpt(value)}, and the annotation says "
            f"{type_name(self._kind)}. {advice(value)}"
        )


_EXACT = frozenset({str, int, float, bool, type(None)})
_NOTHING = (None, Never, NoReturn)


def _form_for(annotation: object) -> _Form:
    if get_origin(annotation) is Annotated and get_args(annotation)[0] is Any:
        annotation = Any
    if annotation is PlainJson:
        return _JsonForm()
    if annotation is Any or annotation is object:
        return _TaggedForm()
    if annotation in _NOTHING:
        return _ExactForm(type(None))
    if isinstance(annotation, type) and annotation in _EXACT:
        return _ExactForm(annotation)
    return TypedForm(annotation)
