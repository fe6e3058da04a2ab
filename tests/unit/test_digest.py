"""The fingerprint of a call's arguments."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import io
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from holdfast.sdk.digest import DIGEST_BYTES, describe_arguments, digest_arguments


class Color(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


@dataclasses.dataclass
class Node:
    name: str
    peers: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class OtherNode:
    name: str
    peers: list[Any] = dataclasses.field(default_factory=list)


class Order(BaseModel):
    model_config = {"extra": "allow"}
    id: int


class Client:
    """Holds what is not the same in the next process."""


class Moody:
    def __init__(self) -> None:
        self.x = 1

    def __repr__(self) -> str:
        raise RuntimeError


def digest(*args: Any, **kwargs: Any) -> bytes:
    return digest_arguments(args, kwargs)


DISTINCT: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.0, 0.0, -0.0, "1", b"1", "", b"", "True", "None", 2**70, 10**5000),
    *([], [[]], [1], [[1]], [1, 2], ["1"], ["a", "b"], ["ab"], ["a", ["b"]]),
    *({}, {"a": 1}, {"a": "1"}, {1: "a"}, {"1": "a"}, {True: "a"}, {(1, 2): 3}, {"a": {"b": 1}}),
    *(set(), {1}, {"1"}, {1, 2}),
    *(Color.RED, Number.ONE, Text("1"), collections.OrderedDict(a=1), collections.deque([1])),
    *(dt.date(2020, 1, 1), dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    *(dt.datetime(2020, 1, 1, tzinfo=ZoneInfo("UTC")), dt.time(1), dt.timedelta(1), dt.timedelta(2)),
    *(Decimal("1"), Decimal("1.0"), UUID(int=1), Path("1"), Path("2"), range(3), 1j),
    *(Node("a"), Node("b"), Node("a", [1]), OtherNode("a"), Order(id=1), Order(id=2)),
    Order.model_validate({"id": 1, "more": 2}),
    *(Client, Client(), Moody(), "\ud800"),
]


def test_values_that_differ_have_digests_that_differ() -> None:
    by_digest: dict[bytes, object] = {}
    for value in DISTINCT:
        other = by_digest.setdefault(digest(value), value)
        assert other is value, (other, value)


def test_the_place_of_an_argument_counts() -> None:
    digests = [digest(1, 2), digest(2, 1), digest([1, 2]), digest(1, b=2), digest(b=2), digest(a=2), digest()]
    assert len(set(digests)) == len(digests)
    assert digest(a=1, b=2) == digest(b=2, a=1)
    assert {len(each) for each in digests} == {DIGEST_BYTES}


def test_the_order_of_a_dict_does_not_count() -> None:
    assert digest({"a": 1, "b": {2: 3, 4: 5}}) == digest({"b": {4: 5, 2: 3}, "a": 1})


def test_a_tuple_equals_a_list_and_a_frozenset_a_set() -> None:
    assert digest((1, (2, 3))) == digest([1, [2, 3]])
    assert digest(frozenset({1, 2})) == digest({2, 1})


@pytest.mark.parametrize(
    "make",
    [
        Client,
        Moody,
        io.StringIO,
        lambda: lambda: 1,
        lambda: open(os.devnull),  # noqa: SIM115  # closed below
        lambda: types.ModuleType("m"),
        lambda: iter([1]),
        lambda: {"client": [Client()]},
        lambda: Node("a", [Client()]),
    ],
)
def test_what_has_no_value_counts_by_its_type(make: Callable[[], Any]) -> None:
    one, other = make(), make()
    assert digest(one) == digest(other)
    for value in (one, other):
        if isinstance(value, io.TextIOWrapper):
            value.close()


def test_values_that_hold_themselves_end() -> None:
    def ring() -> list[Any]:
        ring: list[Any] = [1]
        ring.append(ring)
        ring.append({"a": ring})
        return ring

    assert digest(ring()) == digest(ring())
    assert digest(ring()) != digest([1, 1, {"a": 1}])
    assert digest(ring()) != digest([1, ring(), {"a": ring()}])


def test_values_with_too_many_ways_through_them_end() -> None:
    def tangle(names: str) -> Node:
        nodes = [Node(f"{name}{number}") for name in names for number in range(30)]
        for node in nodes:
            node.peers.extend(nodes)
        return nodes[0]

    doubled: Any = 1
    for _ in range(100):
        doubled = {"a": doubled, "b": doubled}
    assert digest(tangle("a")) == digest(tangle("a")) != digest(tangle("b"))
    assert len(digest(doubled)) == DIGEST_BYTES


def test_very_deep_values_end() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert len(digest(deep)) == DIGEST_BYTES
    while deep != 1:  # taken apart by hand: Python would do it by recursion
        deep = deep[0]


PROGRAM = """
import datetime, decimal, json, pathlib, sys, uuid
from holdfast.sdk.digest import digest_arguments
words = [str(number) for number in range(50)]
values = [
    set(words), frozenset(words), {frozenset(words): {1: set(words)}}, dict.fromkeys(words), object(), print, sys,
    {(word, len(word)): word for word in words}, [1.5, b"x", None, True, decimal.Decimal("1.0"), uuid.UUID(int=5)],
    pathlib.Path("a"), datetime.datetime(2020, 1, 1), {object(): 1}, lambda: 1, [set(words)] * 3, digest_arguments,
]
print(json.dumps([digest_arguments((value,), {"k": value}).hex() for value in values]))
"""


def test_every_process_has_the_same_digests() -> None:
    answers = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert len(json.loads(answers[0])) == 15


def test_large_sets_have_the_same_digest_in_any_order() -> None:
    items = [(str(number), number) for number in range(20_000)]
    assert digest(set(items)) == digest(set(reversed(items)))
    assert digest({item: 1 for item in items}) == digest({item: 1 for item in reversed(items)})


def test_a_description_reads_like_the_call() -> None:
    assert describe_arguments((1, "a"), {"k": [None]}) == "(1, 'a', k=[None])"
    assert describe_arguments((), {}) == "()"
    long = describe_arguments(("x" * 1_000_000,), {})
    assert len(long) == 200
    assert long.endswith(")")
    assert "Moody" in describe_arguments((Moody(),), {})
