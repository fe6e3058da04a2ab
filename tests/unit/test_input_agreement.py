"""One input gets one answer: from the schema that a trigger is checked by, and from the parameters themselves."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from holdfast.domain.errors import InputError
from holdfast.sdk.signature import Signature
from holdfast_engine.control.inputs import check_input, check_schema, input_text


class Colour(enum.Enum):
    RED = "red"


class Customer(BaseModel):
    id: int
    since: dt.date | None = None


@dataclass
class Item:
    name: str
    price: Decimal


CASES: list[tuple[Any, list[str], list[str]]] = [
    (int, ["7", "-0"], ['"7"', "7.0", "1e2", "true", "null"]),
    (float, ["7", "7.5", "1e2"], ['"7"', '"Infinity"', "true"]),
    (bool, ["true"], ["1", '"true"']),
    (str, ['"7"', '"nul \\u0000"'], ["7", "null"]),
    (Decimal, ['"1.10"', "1.1", "1"], ['"x"', '"NaN"', "true"]),
    (dt.datetime, ['"2026-01-01T00:00:00Z"', '"2026-01-01T00:00:00"'], ['"2026-01-01"', '"yesterday"', "1", "true"]),
    (dt.date, ['"2026-01-01"'], ['"2026-01-01T00:00:00"', '"2026-02-30"', '"1"', "1"]),
    (dt.time, ['"10:00"'], ['"10"', "36000"]),
    (dt.timedelta, ['"P1D"'], ['"5"', "5"]),
    (UUID, ['"00000000-0000-0000-0000-000000000001"'], ['"1"', "1"]),
    (bytes, ['"_w=="'], ['"é"', "[1]"]),
    (Colour, ['"red"'], ['"RED"', "1"]),
    (Literal["a", 1], ['"a"', "1"], ['"b"', '"1"']),
    (int | None, ["null", "1"], ['"1"', "1.0"]),
    (list[int], ["[]", "[1]"], ['{"0": 1}', "[1.0]", '"1"']),
    (set[int], ["[1, 1]"], ['["1"]']),
    (frozenset[dt.date], ['["2026-01-01", "2026-01-01"]'], ['["today"]']),
    (tuple[int, str], ['[1, "a"]'], ["[1]", '["1", "a"]']),
    (dict[str, int], ['{"a": 1}'], ['{"a": "1"}', "[]"]),
    (Customer, ['{"id": 1}', '{"id": 1, "since": "2026-01-01"}'], ['{"id": "1"}', '{"id": 1, "since": "x"}', "{}"]),
    (list[Item], ['[{"name": "a", "price": "1.1"}]'], ['[{"name": "a", "price": "much"}]', '[{"name": "a"}]']),
    (Annotated[int, Field(ge=1)], ["1"], ["0"]),
    (Annotated[str, Field(pattern="^[a-z]+$", max_length=3)], ['"abc"'], ['"abcd"', '"ABC"']),
]


def _each(answer: int) -> list[Any]:
    return [pytest.param(case[0], text, id=f"{case[0]} {text}") for case in CASES for text in case[answer]]


def _task_of(annotation: Any) -> Callable[..., None]:
    def task(value: Any) -> None: ...

    task.__annotations__["value"] = annotation
    return task


def _by_schema(function: Callable[..., None], text: str) -> None:
    schema = json.loads(json.dumps(Signature(function).json_schema()))
    check_schema(schema, "task")
    check_input(input_text(text), schema, "task")


@pytest.mark.parametrize(("annotation", "value"), _each(1))
def test_both_take_it(annotation: Any, value: str) -> None:
    text = f'{{"value": {value}}}'
    Signature(_task_of(annotation)).validate(text)
    _by_schema(_task_of(annotation), text)


@pytest.mark.parametrize(("annotation", "value"), _each(2))
def test_both_refuse_it(annotation: Any, value: str) -> None:
    text = f'{{"value": {value}}}'
    with pytest.raises(InputError, match="value"):
        Signature(_task_of(annotation)).validate(text)
    with pytest.raises(InputError, match="value"):
        _by_schema(_task_of(annotation), text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"value": 1, "value": 2}', "the key 'value' comes twice"),
        ('{"value": {"a": 1, "b": 2, "a": 1}}', "the key 'a' comes twice"),
        ('{"value": NaN}', "NaN is no JSON number"),
        ('{"value": "\\ud800"}', "hex escape"),
        ('{"value": ' + "[" * 300 + "]" * 300 + "}", "nested too deep"),
        ('{"value": ' + "[" * 100_000, "nested too deep"),
        ("[1]", "must be a JSON object"),
        ('{"value": 1', "not JSON"),
    ],
    ids=["key twice", "key twice inside", "NaN", "half a pair", "too deep", "far too deep", "list", "cut"],
)
def test_both_refuse_the_text_itself(text: str, says: str) -> None:
    for answer in (Signature(_task_of(Any)).validate, lambda text: _by_schema(_task_of(Any), text)):
        with pytest.raises(InputError, match=says):
            answer(text)
