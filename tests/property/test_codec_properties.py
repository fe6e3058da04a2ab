"""For generated values: what is recorded is rebuilt, and a digest differs exactly when the arguments do."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import json
import random
import uuid
from decimal import Decimal
from types import GenericAlias
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from holdfast.sdk.codec import codec_for
from holdfast.sdk.digest import describe_arguments, digest_arguments
from holdfast.sdk.failure import Failure, describe, recordable, restore
from tests.support.anatomy import anatomy


class Color(enum.Enum):
    RED = 1
    BLUE = "b"


class Point(NamedTuple):
    x: int
    y: float


@dataclasses.dataclass(frozen=True)
class Tag:
    name: str
    raw: bytes
    anything: Any = None


class Order(BaseModel):
    ratio: float
    raw: bytes = b""
    when: dt.datetime | None = None
    extra: Any = None


zones = st.sampled_from(
    [None, dt.UTC, dt.timezone(dt.timedelta(hours=-5, minutes=30)), ZoneInfo("Europe/Zurich"), ZoneInfo("UTC")]
)
texts = st.text(st.characters(exclude_categories=()))  # surrogates and NUL too
atoms: dict[object, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(),
    bytes: st.binary(),
    uuid.UUID: st.uuids(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    dt.date: st.dates(),
    dt.datetime: st.datetimes(timezones=zones),
    dt.time: st.times(),
    dt.timedelta: st.timedeltas(),
    Color: st.sampled_from(Color),
    type(None): st.none(),
}
self_describing = st.one_of([values for kind, values in atoms.items() if kind is not Color])
hashables = st.recursive(
    self_describing, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5
)
anything = st.recursive(
    self_describing,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(texts, inner, max_size=4)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.dictionaries(st.sampled_from(["$holdfast", "value", "zone"]), inner)
    ),
    max_leaves=15,
)
structures: dict[object, st.SearchStrategy[Any]] = {
    Tag: st.builds(Tag, name=texts, raw=st.binary(), anything=anything),
    Point: st.builds(Point, x=st.integers(), y=st.floats()),
    Order: st.builds(
        Order,
        ratio=st.floats(),
        raw=st.binary(),
        when=st.none() | st.datetimes(timezones=zones),
        extra=anything,
    ),
    Any: anything,
}
Typed = tuple[Any, st.SearchStrategy[Any]]


def contain(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    """Annotations around other annotations, each with a strategy for its values."""

    def one(part: Typed) -> st.SearchStrategy[Typed]:
        annotation, values = part
        return st.sampled_from(
            [
                (GenericAlias(list, annotation), st.lists(values, max_size=3)),
                (GenericAlias(tuple, (annotation, ...)), st.lists(values, max_size=3).map(tuple)),
                (GenericAlias(dict, (str, annotation)), st.dictionaries(texts, values, max_size=3)),
                (annotation | None, st.none() | values),
                (GenericAlias(tuple, (annotation, int)), st.tuples(values, st.integers())),
                (GenericAlias(collections.deque, annotation), st.lists(values, max_size=3).map(collections.deque)),
            ]
        )

    return inner.flatmap(one)


simple: list[Typed] = [*atoms.items(), *structures.items()]
keyed: list[Typed] = [
    (GenericAlias(dict, (kind, int)), st.dictionaries(values, st.integers(), max_size=3))
    for kind, values in atoms.items()
]
sets: list[Typed] = [(GenericAlias(set, kind), st.sets(values, max_size=3)) for kind, values in atoms.items()]
typed = st.recursive(st.sampled_from(simple + keyed + sets), contain, max_leaves=3)


@given(typed.flatmap(lambda part: st.tuples(st.just(part[0]), part[1])))
def test_an_annotated_value_comes_back_the_same(case: tuple[object, Any]) -> None:
    annotation, value = case
    codec = codec_for(annotation)
    text, settled = codec.settle(value)
    assert_strict_json(text)
    assert anatomy(codec.decode(text)) == anatomy(settled) == anatomy(value)


@given(anything)
def test_a_value_without_annotation_comes_back_the_same(value: Any) -> None:
    text = codec_for().encode(value)
    assert_strict_json(text)
    assert anatomy(codec_for().decode(text)) == anatomy(value)


def assert_strict_json(text: str) -> None:
    text.encode()
    assert "\0" not in text

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(text, parse_constant=refuse)


@given(anything, anything)
def test_digests_differ_exactly_when_arguments_do(one: Any, other: Any) -> None:
    same_digest = digest_arguments((one,), {}) == digest_arguments((other,), {})
    assert same_digest == (unordered(anatomy(one)) == unordered(anatomy(other)))


@given(anything)
def test_a_digest_survives_a_replay(value: Any) -> None:
    rebuilt = codec_for().decode(codec_for().encode(value))
    assert digest_arguments((value,), {"k": value}) == digest_arguments((rebuilt,), {"k": rebuilt})


@given(st.dictionaries(hashables, st.integers(), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_a_dict_does_not_change_a_digest(value: dict[Any, int], shuffler: random.Random) -> None:
    items = list(value.items())
    shuffler.shuffle(items)
    assert digest_arguments((value,), {}) == digest_arguments((dict(items),), {})


@given(st.lists(anything, max_size=5), st.dictionaries(texts, anything, max_size=3))
def test_a_description_is_short(args: list[Any], kwargs: dict[str, Any]) -> None:
    assert len(describe_arguments(tuple(args), kwargs)) <= 200


def unordered(parts: Any) -> Any:
    """An anatomy without what a digest leaves out: the order of dicts, and what is frozen."""
    if not isinstance(parts, tuple):
        return parts
    name, *rest = parts
    inner = [unordered(part) for part in rest]
    if name == "dict":
        return (name, *sorted(inner, key=repr))
    return ({"tuple": "list", "frozenset": "set"}.get(name, name), *inner)


class Told(Exception):
    def __init__(self, code: object, text: str) -> None:
        super().__init__(text)
        self.code = code


class Named(Exception):
    def __init__(self, *, reason: object) -> None:
        super().__init__(f"{reason!r}")
        self.reason = reason


errors = st.one_of(
    st.builds(lambda args, kind: kind(*args), st.lists(anything, max_size=3), st.sampled_from([Exception, KeyError])),
    st.builds(Told, anything, texts),
    st.builds(lambda reason: Named(reason=reason), anything),
    st.builds(Exception, st.builds(object)),
    st.builds(OSError, st.integers(1, 130), texts, texts),
)


@given(errors)
def test_first_pass_and_replay_raise_the_same(error: Exception) -> None:
    first = recordable(error)
    replayed = restore(Failure.from_json(describe(error).to_json()))
    assert type(replayed) is type(first)
    assert str(replayed) == str(first)
    assert anatomy(list(replayed.args)) == anatomy(list(first.args))
    assert anatomy(vars(replayed)) == anatomy(vars(first))
