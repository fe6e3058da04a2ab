"""Values become JSON text and come back equal and of the same type."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import json
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, Field, Json, PrivateAttr, computed_field
from typing_extensions import TypedDict

from holdfast.sdk.codec import codec_for, codec_for_result
from tests.support.anatomy import anatomy

ZURICH = ZoneInfo("Europe/Zurich")
ANY_BYTES = bytes(range(256))
INSTANT = dt.datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=dt.UTC)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Color(enum.Enum):
    RED = 1
    BLUE = (2, "b")


class Size(enum.StrEnum):
    SMALL = "s"


class Point(NamedTuple):
    x: int
    y: float


class Options(TypedDict):
    raw: bytes
    ratio: float


@dataclasses.dataclass
class Line:
    name: str
    raw: bytes = b""
    ratio: float = 0.0
    anything: Any = None
    when: dt.datetime | None = None
    next: Line | None = None


@dataclasses.dataclass(frozen=True)
class Tag:
    name: str


class Order(BaseModel):
    id: uuid.UUID
    raw: bytes = b""
    ratio: float = 0.0
    extra: Any = None
    label: str = Field(default="", alias="Label")
    numbers: Json[list[int]] = Field(default_factory=list)
    _cache: int = PrivateAttr(default=0)

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented order
    @property
    def double(self) -> float:
        return self.ratio * 2


TYPED = [
    (str, "é\0\u2028\U0001f600"),
    (str, "\ud800 alone"),
    (str | None, "\ud800 alone"),
    (int, 2**200),
    (bool, True),
    (float, -0.0),
    (float, math.inf),
    (float, math.nan),
    (None, None),
    (NoReturn, None),
    (bytes, ANY_BYTES),
    (list[float], [math.nan, -math.inf, 5e-324, 1e308]),
    (dt.datetime, INSTANT),
    (dt.datetime, dt.datetime(1, 1, 1)),
    (dt.datetime, dt.datetime(2020, 10, 25, 2, 30, tzinfo=ZURICH, fold=1)),
    (dt.datetime, dt.datetime(2020, 3, 29, 2, 30, tzinfo=ZURICH)),
    (dt.datetime, dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5, seconds=7)))),
    (dt.date, dt.date.max),
    (dt.time, dt.time(1, 2, 3, 4)),
    (dt.timedelta, dt.timedelta(days=-1, microseconds=1)),
    (uuid.UUID, ID),
    (Decimal, Decimal("1.10")),
    (Decimal, Decimal("1E+5")),
    (Path, Path("/a/b")),
    (set[int], {1, 2}),
    (frozenset[str], frozenset("ab")),
    (tuple[int, str], (1, "a")),
    (tuple[Any, ...], (1, (2, [3]), {4})),
    (list, [1, (2,), {"a": {3}}]),
    (dict, {"a": dt.date(2020, 1, 1)}),
    (dict[str, Any], {"a": [INSTANT, ANY_BYTES, {1, 2}]}),
    (dict[str, str], {"$holdfast": "datetime", "value": "2020-01-01"}),
    (dict[str, str], {"\ud800": "\0"}),
    (dict[int, str], {1: "a"}),
    (dict[str, Any], {"a": {math.nan: 1}, "b": {(None, math.nan)}}),
    (dict[int | str, str], {1: "a", "1": "b"}),
    (dict[tuple[int, int], str], {(1, 2): "a"}),
    (dict[Color, Size], {Color.RED: Size.SMALL, Color.BLUE: Size.SMALL}),
    (Color, Color.BLUE),
    (Size, Size.SMALL),
    (Point, Point(1, math.nan)),
    (Options, {"raw": ANY_BYTES, "ratio": math.inf}),
    (Line, Line("a", ANY_BYTES, math.nan, {1: (2,)}, INSTANT, Line("b", when=INSTANT.astimezone(ZURICH)))),
    (list[Line | Point], [Line("a"), Point(1, 2.0)]),
    (set[Tag], {Tag("a"), Tag("b")}),
    (Order, Order(id=ID, raw=ANY_BYTES, ratio=math.inf, extra=[{1}, INSTANT], Label="x", numbers="[1, 2]")),  # type: ignore[arg-type]  # Json takes text
    (dict[str, Order], {"a": Order(id=ID)}),
    (str | dt.datetime, dt.datetime(2020, 1, 1)),
    (str | dt.datetime, "2020-01-01T00:00:00"),
    (str | bytes, b"text"),
    (bytes | str, "text"),
    (uuid.UUID | str, str(ID)),
    (int | float, 1.0),
    (float | int, 1),
    (list[int] | set[int], {1}),
    (tuple[int, ...] | list[int], (1,)),
    (collections.Counter[str], collections.Counter("aab")),
    (collections.deque[int], collections.deque([1, 2])),
]


@pytest.mark.parametrize(("annotation", "value"), TYPED, ids=lambda part: repr(part)[:60])
def test_an_annotated_value_comes_back_the_same(annotation: object, value: object) -> None:
    text = codec_for(annotation).encode(value)
    assert anatomy(codec_for(annotation).decode(text)) == anatomy(value)
    assert_fit_for_postgres(text)


UNTYPED = [
    {"a": [1, 2.5, "x", None, True]},
    {"$holdfast": "datetime", "value": "2020-01-01"},
    [{"$holdfast": {"$holdfast": 1}}],
    {1: "int", "1": "str", (1, 2): "tuple", None: "none", Decimal(1): {3}},
    "$holdfast",
    ["$holdfast", '"$holdfast"'],
    (1, (2, ()), [3]),
    {1, "a", frozenset({(1, 2)})},
    [math.nan, math.inf, -math.inf, -0.0],
    ANY_BYTES,
    Decimal("sNaN"),
    Decimal("-0.00"),
    dt.timedelta.min,
    dt.datetime(2020, 10, 25, 2, 30, tzinfo=ZURICH, fold=1),
    dt.datetime(2020, 3, 29, 2, 30, tzinfo=ZURICH),
    dt.datetime(2020, 1, 1, fold=1),
    dt.time(1, 2, tzinfo=dt.UTC),
    ID,
    Path("a\ud800b"),
    {"\ud800": "\udfff\0"},
]


@pytest.mark.parametrize("value", UNTYPED, ids=lambda part: repr(part)[:60])
def test_a_value_without_annotation_comes_back_the_same(value: object) -> None:
    text = codec_for().encode(value)
    assert anatomy(codec_for().decode(text)) == anatomy(value)
    assert_fit_for_postgres(text)


def assert_fit_for_postgres(text: str) -> None:
    """Well-formed Unicode without control characters, strict JSON without NaN."""
    text.encode()
    assert min(text) >= " "
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert "\\ud" not in text


def test_plain_json_stays_plain_json() -> None:
    value = {"a": [1, 2.5, "é", None, True, {"b": {}}]}
    for annotation in (Any, dict, dict[str, Any]):
        assert codec_for(annotation).encode(value) == '{"a":[1,2.5,"é",null,true,{"b":{}}]}'


def test_an_annotated_value_is_written_for_other_readers_of_json() -> None:
    text = codec_for(Line).encode(Line("a", b"\xff", math.inf, when=INSTANT))
    assert json.loads(text) == {
        "name": "a",
        "raw": "_w==",
        "ratio": "Infinity",
        "anything": None,
        "when": "2026-01-01T12:30:15.123456Z",
        "next": None,
    }


def test_a_computed_field_or_a_json_field_of_a_model_needs_no_tags() -> None:
    text = codec_for(Order).encode(Order(id=ID, ratio=1.5, numbers="[1]"))  # type: ignore[arg-type]  # Json takes text
    assert json.loads(text) == {
        "id": str(ID),
        "raw": "",
        "ratio": 1.5,
        "extra": None,
        "label": "",
        "numbers": "[1]",
    }


def test_an_int_for_a_float_settles_as_a_float() -> None:
    for annotation, given, expected in ((float, 1, 1.0), (list[float], [1, 2.5], [1.0, 2.5])):
        text, settled = codec_for(annotation).settle(given)
        assert anatomy(settled) == anatomy(expected) == anatomy(codec_for(annotation).decode(text))


def test_what_settles_is_what_a_replay_gets() -> None:
    text, settled = codec_for(Line).settle(Line("a", when=INSTANT))
    assert repr(settled) == repr(codec_for(Line).decode(text))


def test_a_named_zone_keeps_its_arithmetic() -> None:
    before_change = dt.datetime(2026, 3, 28, 12, tzinfo=ZURICH)
    for annotation in (Any, dt.datetime, Line):
        value = Line("a", when=before_change) if annotation is Line else before_change
        back = codec_for(annotation).decode(codec_for(annotation).encode(value))
        back = back.when if annotation is Line else back
        assert (back + dt.timedelta(days=1)).isoformat() == "2026-03-29T12:00:00+02:00"


def test_a_private_attribute_of_a_model_is_not_recorded() -> None:
    order = Order(id=ID)
    order._cache = 5
    assert codec_for(Order).decode(codec_for(Order).encode(order))._cache == 0


def test_a_value_recorded_without_annotation_fits_an_annotation_added_later() -> None:
    text = codec_for(Any).encode({"when": INSTANT})
    assert codec_for(dict[str, dt.datetime]).decode(text) == {"when": INSTANT}


def test_unions_in_another_order_do_not_share_a_codec() -> None:
    assert codec_for(int | str) is codec_for(int | str)
    assert codec_for(int | str) is not codec_for(str | int)


def test_the_annotation_of_a_result_may_be_defined_later() -> None:
    codec = codec_for_result(returns_later)
    assert codec.check() is True
    assert codec.decode(codec.encode(Later(1))) == Later(1)


def returns_later() -> list[Later] | Later: ...  # type: ignore[empty-body]  # only its annotation counts


@dataclasses.dataclass
class Later:
    id: int


def test_a_class_that_the_body_uses_may_be_local() -> None:
    @dataclasses.dataclass
    class Local:
        id: int

    def step() -> Local:
        return Local(1)

    codec = codec_for_result(step)
    assert codec.decode(codec.encode(step())) == Local(1)


def test_an_async_function_records_what_it_gives_when_awaited() -> None:
    async def step() -> set[int]:
        return {1}

    codec = codec_for_result(step)
    assert codec.decode(codec.encode({1})) == {1}


def test_a_function_without_annotation_records_any_value() -> None:
    step: Callable[[], Any] = lambda: None  # noqa: E731  # the point is that it has no annotation
    assert codec_for_result(step).encode({"a": (1,)}) == '{"a":{"$holdfast":"tuple","value":[1]}}'
