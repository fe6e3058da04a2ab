"""What cannot be recorded is refused: which place, which value, what to do."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import io
import re
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, SecretStr

from holdfast.domain.errors import DefinitionError, EncodingError, PayloadTooLargeError
from holdfast.sdk.codec import check_size, codec_for, codec_for_result


class Color(enum.Enum):
    RED = 1


class Text(str):
    __slots__ = ()


@dataclasses.dataclass
class Line:
    name: str
    ratio: float = 0.0
    anything: Any = None


@dataclasses.dataclass
class Label:
    name: str


class Login(BaseModel):
    user: str
    hidden: int = Field(default=0, exclude=True)


class LongLogin(Login):
    password: SecretStr


class Unloved:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Array:
    def tolist(self) -> list[int]:
        return []


class OddZone(dt.tzinfo):
    tzname = dst = lambda *_: None  # only the offset counts

    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=1)


async def _coroutine() -> None: ...


CYCLE: list[Any] = []
CYCLE.append(CYCLE)

REFUSED: list[tuple[object, object, str]] = [
    (Any, {"a": [1, Line("x")]}, r"value\['a'\]\[1\] is of type .*Line: Line\(name='x'.* Annotate the return type"),
    (Any, [Color.RED], r"value\[0\] is of type .*Color: <Color.RED: 1>\. Annotate the return type"),
    (Any, Login(user="u"), r"Annotate the return type, with Login"),
    (Any, iter([1]), r"type list_iterator.* Return list\(\.\.\.\)"),
    (Any, {"f": io.StringIO()}, r"value\['f'\].*StringIO.* Read it"),
    (Any, Text("x"), r"come back as str: return str\(\.\.\.\)"),
    (Any, collections.OrderedDict(a=1), r"return dict\(\.\.\.\)"),
    (Any, bytearray(b"x"), r"Return bytes\(\.\.\.\)"),
    (Any, Array(), r"Return its \.tolist\(\)"),
    (Any, object(), r"Return a dataclass, a pydantic model or plain JSON types: of object"),
    (Any, Unloved(), r"<Unloved instance"),
    (Any, {1: Line("x")}, r"value\[1\] is of type"),
    (Any, dt.datetime(2020, 1, 1, tzinfo=OddZone()), r"time zone of type .*OddZone.* \.astimezone|astimezone"),
    (Any, 10**5000, r"4300 digits"),
    (Any, CYCLE, r"contains itself, or is nested deeper than 100"),
    (list, CYCLE, r"contains itself"),
    (int, 10**5000, r"4300 digits"),
    (int, True, r"value is of type bool: True, and the annotation says int"),
    (int, 1.0, r"of type float: 1\.0, and the annotation says int"),
    (str, Text("x"), r"of type .*Text: 'x', and the annotation says str"),
    (float, True, r"of type bool"),
    (None, 3, r"of type int: 3, and the annotation says NoneType"),
    (list[int], [1, True], r"value\[1\] is True \(type bool\) but would come back as 1 \(type int\)"),
    (list[int], [1, "a"], r"value\[1\]: Input should be a valid integer, not 'a' \(type str\)"),
    (Line, Line(5), r"value\['name'\]: Input should be a valid string, not 5 \(type int\)"),  # type: ignore[arg-type]  # the point
    (list[Line], [Line("x", anything=object())], r"value\[0\]\['anything'\] is of type object"),
    (dict[str, Any], {"a": [Line("x")]}, r"value\['a'\]\[0\] is Line.* would come back as \{.*Annotate"),
    (Line | Label, Label("x"), r"is Label\(name='x'\) .* would come back as Line\(name='x'"),
    (Login, LongLogin(user="u", password=SecretStr("p")), r"LongLogin.* would come back as Login"),
    (LongLogin, LongLogin(user="u", password=SecretStr("p")), r"value\['password'\] is of type pydantic.*SecretStr"),
    (Login, Login(user="u", hidden=3), r"value\.hidden is 3 \(type int\) but would come back as 0"),
    (dict[str, int], collections.defaultdict(int, a=1), r"defaultdict.* come back as \{'a': 1\} \(type dict\)"),
    (Decimal, Decimal("NaN"), r"could not be rebuilt:\n  value: Input should be a finite number"),
    (Annotated[Decimal, AfterValidator(Decimal.normalize)], Decimal("1.10"), r"Decimal\('1.10'\).* come back"),
    (list[str], "text", r"does not fit the annotation list\[str\]"),
]


@pytest.mark.parametrize(("annotation", "value", "message"), REFUSED, ids=[f"{index}" for index in range(len(REFUSED))])
def test_a_value_that_would_not_come_back_is_refused(annotation: object, value: object, message: str) -> None:
    with pytest.raises(EncodingError, match=message) as caught:
        codec_for(annotation, "the result of step").encode(value)
    assert str(caught.value).startswith("the result of step cannot be recorded: ")


def test_a_coroutine_says_to_await_it() -> None:
    coroutine = _coroutine()
    with pytest.raises(EncodingError, match="Await it"):
        codec_for().encode(coroutine)
    coroutine.close()


def test_an_error_does_not_repeat_a_large_value() -> None:
    with pytest.raises(EncodingError) as caught:
        codec_for(list[int]).encode(["x" * 1_000_000])
    assert len(str(caught.value)) < 1000


def test_a_deep_value_is_refused_or_comes_back_from_any_depth_of_calls() -> None:
    def deep(levels: int) -> list[Any]:
        value: list[Any] = []
        for _ in range(levels):
            value = [value]
        return value

    def below(frames: int, call: Callable[[], Any]) -> Any:
        return call() if frames == 0 else below(frames - 1, call)

    text = codec_for().encode(deep(100))
    assert below(sys.getrecursionlimit() - 400, lambda: codec_for().decode(text)) == deep(100)
    with pytest.raises(EncodingError, match="100 levels"):
        codec_for().encode(deep(101))
    with pytest.raises(EncodingError, match="nested too deep"):
        codec_for(list[Any]).encode(deep(100_000))


def test_a_text_that_does_not_fit_the_annotation_names_the_place() -> None:
    with pytest.raises(
        EncodingError, match=r"cannot be rebuilt:(.|\n)*value\['name'\]: Field required(.|\n)*code changed"
    ):
        codec_for(Line).decode('{"title":"x"}')


@pytest.mark.parametrize(
    "text",
    ['{"$holdfast":"galaxy","value":1}', '{"$holdfast":[],"value":1}', '{"$holdfast":"uuid","value":"x"}', "{", ""],
)
def test_a_damaged_text_is_an_encoding_error(text: str) -> None:
    for annotation in (Any, dict[str, Any], str):
        with pytest.raises(EncodingError, match="cannot be rebuilt"):
            codec_for(annotation).decode(text)


class Response:
    pass


@dataclasses.dataclass
class Holder:
    response: Response


def returns_response() -> Response: ...  # type: ignore[empty-body]  # only its annotation counts
def returns_holder() -> Holder: ...  # type: ignore[empty-body]  # only its annotation counts
def returns_iterator() -> Iterator[int]: ...  # type: ignore[empty-body]  # only its annotation counts
def returns_stream() -> AsyncIterator[int]: ...  # type: ignore[empty-body]  # only its annotation counts
def returns_awaitable() -> Awaitable[int]: ...  # type: ignore[empty-body]  # only its annotation counts
def returns_callable() -> Callable[[], int]: ...  # type: ignore[empty-body]  # only its annotation counts
def returns_lambda() -> lambda: 1: ...  # type: ignore[valid-type]  # the point
def returns_module() -> types: ...  # type: ignore[valid-type]  # the point


@pytest.mark.parametrize(
    ("function", "annotation"),
    [
        (returns_response, "Response"),
        (returns_holder, "Holder.*Response"),
        (returns_iterator, "Iterator[int]"),
        (returns_stream, "AsyncIterator[int]"),
        (returns_awaitable, "Awaitable[int]"),
        (returns_callable, "Callable[[], int]"),
        (returns_lambda, "lambda"),
        (returns_module, "module 'types'"),
    ],
)
def test_an_annotation_without_json_is_refused_by_name(function: Callable[[], Any], annotation: str) -> None:
    codec = codec_for_result(function)
    pattern = annotation if ".*" in annotation else re.escape(annotation)
    for look in (codec.check, lambda: codec.encode(None), lambda: codec.decode("null")):
        with pytest.raises(DefinitionError, match=pattern) as caught:
            look()
        assert function.__name__ in str(caught.value)


def returns_undefined() -> list[Nowhere]: ...  # type: ignore[name-defined,empty-body]  # noqa: F821  # the point


def test_an_undefined_annotation_waits_until_it_is_needed() -> None:
    codec = codec_for_result(returns_undefined)
    assert codec.check() is False
    with pytest.raises(DefinitionError, match=r"returns_undefined.*'Nowhere' is not defined"):
        codec.encode([])


def test_a_text_over_the_limit_names_size_limit_and_setting() -> None:
    check_size('"é"', 4, "the result of step")
    with pytest.raises(PayloadTooLargeError, match=r"the result of step is 5 bytes .* limit of 4 bytes \(LIMIT\)"):
        check_size('"éa"', 4, "the result of step", setting="LIMIT")
