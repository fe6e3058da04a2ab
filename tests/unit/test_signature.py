"""The input of a task is matched to its parameters, by name and with their types."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from holdfast.domain.errors import DefinitionError, InputError
from holdfast.sdk.signature import Signature, input_text


@dataclasses.dataclass
class Item:
    name: str
    price: Decimal


class Customer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: uuid.UUID
    full_name: str = Field(alias="fullName")


def order(
    order_id: str,
    items: list[Item],
    due: dt.datetime | None = None,
    *,
    count: Annotated[int, Field(ge=1)] = 1,
    blob: bytes = b"",
) -> None: ...


def bare(a, b=2, *, c=None): ...  # type: ignore[no-untyped-def]  # the point
def nothing() -> None: ...
def positional(a: int, b: int = 5, /, c: int = 6) -> None: ...
def extras(a: int, **more: dt.date) -> None: ...
def any_extras(a: int, **more: Any) -> None: ...
def strange(schema: int, model_config: int, _x: int, copy: int = 1) -> None: ...
def with_model(customer: Customer) -> None: ...
def star(*numbers: int) -> None: ...


def problems(function: Callable[..., Any], given: Any) -> str:
    with pytest.raises(InputError) as caught:
        Signature(function).validate(given)
    return str(caught.value)


def test_input_becomes_arguments_of_the_annotated_types() -> None:
    given = {
        "order_id": "42",
        "items": [{"name": "a", "price": "1.10"}],
        "due": "2026-01-01T00:00:00Z",
        "blob": "_w==",
    }
    for form in (given, json.dumps(given), json.dumps(given).encode()):
        args, kwargs = Signature(order).validate(form)
        assert args == ()
        assert kwargs == {
            "order_id": "42",
            "items": [Item("a", Decimal("1.10"))],
            "due": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            "blob": b"\xff",
        }


@pytest.mark.parametrize(
    ("function", "given", "args", "kwargs"),
    [
        (nothing, {}, (), {}),
        (bare, {"a": [1, {"x": None}]}, (), {"a": [1, {"x": None}]}),
        (positional, {"a": 1}, (1, 5), {}),
        (positional, {"a": 1, "b": 2, "c": 3}, (1, 2), {"c": 3}),
        (extras, {"a": 1, "when": "2026-01-01"}, (), {"a": 1, "when": dt.date(2026, 1, 1)}),
        (any_extras, {"a": 1, "x": [1]}, (), {"a": 1, "x": [1]}),
        (strange, {"schema": 1, "model_config": 2, "_x": 3}, (), {"schema": 1, "model_config": 2, "_x": 3}),
    ],
)
def test_every_kind_of_parameter(
    function: Callable[..., Any], given: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    bound = Signature(function).validate(given)
    assert bound == (args, kwargs)
    function(*bound.args, **bound.kwargs)


def test_a_model_is_read_by_its_alias() -> None:
    given = {"customer": {"id": str(uuid.UUID(int=1)), "fullName": "A"}}
    _, kwargs = Signature(with_model).validate(given)
    assert kwargs["customer"].full_name == "A"
    assert problems(with_model, {"customer": {**given["customer"], "age": 1}}).endswith(
        "customer.age: Extra inputs are not permitted, not 1 (type int)"
    )


def test_all_problems_are_listed_with_their_paths() -> None:
    given = {
        "items": [{"name": "a", "price": 1}, {"name": 2, "price": "x"}, {}],
        "ordr_id": "42",
        "zzz": 1,
        "due": "yesterday",
        "count": 0,
    }
    text = problems(order, given)
    for line in (
        "the input of order does not fit its parameters:",
        "  order_id: missing",
        "  items[1].name: Input should be a valid string, not 2 (type int)",
        "  items[1].price: Input should be a valid decimal, not 'x' (type str)",
        "  items[2].name: Field required",
        "  count: Input should be greater than or equal to 1, not 0 (type int)",
        "  ordr_id: no such parameter; did you mean 'order_id'?",
        "  zzz: no such parameter; there are: order_id, items, due, count, blob",
    ):
        assert line in text.split("\n")
    assert "  due: Input should be a valid datetime" in text


def test_a_parameter_without_default_may_not_be_missing_nor_null() -> None:
    assert problems(extras, {}).endswith("a: missing")
    assert "a: Input should be a valid integer, not None" in problems(extras, {"a": None})
    assert problems(nothing, {"a": 1}).endswith("a: no such parameter; there are none")


def test_very_many_problems_are_cut() -> None:
    text = problems(order, {"order_id": "x" * 100_000, "items": [1] * 1000, "count": "z" * 100_000})
    assert text.count("\n") == 21
    assert "and 981 more" in text
    assert len(text) < 10_000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('{"a": 1', r"is not JSON: .*line 1 column 8"),
        ('{"a": 1}\n}', r"is not JSON: Extra data: line 2 column 1"),
        ("", r"is not JSON: Expecting value: line 1 column 1"),
        (b"\xff\xfe{", r"is not JSON"),
        ('{"a": NaN}', r"is not JSON: NaN is no JSON number"),
        ('{"a": 1, "x": "\\ud800"}', r"is not JSON: .* hex escape at line 1 column"),
        ('{"a": 1, "x": [{"b": 1, "c": 2, "b": 1}]}', r"is not JSON: the key 'b' comes twice in one object"),
        ("[" * 100_000, r"nested too deep"),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", r"nested too deep"),
        ('{"a": ' + "1" * 5000 + "}", r"Exceeds the limit"),
        ("[1, 2]", r"must be a JSON object with the fields a, more, not a list: \[1, 2\]"),
        ("3", r"must be a JSON object .* not a number: 3"),
        ('"a"', r"not a string: 'a'"),
        ("null", r"not null: None"),
        ("true", r"not a boolean: True"),
    ],
)
def test_input_that_is_no_object_says_what_it_is(given: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Signature(any_extras).validate(given)


def test_an_object_may_hold_python_values() -> None:
    given = {"a": 1, "when": dt.date(2026, 1, 1)}
    assert Signature(extras).validate(given).kwargs["when"] == dt.date(2026, 1, 1)
    assert json.loads(input_text({"raw": b"\xff", "item": Item("a", Decimal(1)), "x": float("inf")})) == {
        "raw": "_w==",
        "item": {"name": "a", "price": "1"},
        "x": "Infinity",
    }
    for odd in ({"a": object()}, {"a": "\ud800"}, {"a": lambda: 1}):
        with pytest.raises(InputError, match="value without JSON"):
            input_text(odd)


def test_the_json_schema_tells_types_defaults_and_what_is_required() -> None:
    schema = Signature(order).json_schema()
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["order_id", "items"]
    assert schema["properties"]["count"] == {"default": 1, "minimum": 1, "title": "Count", "type": "integer"}
    assert schema["properties"]["due"]["default"] is None
    assert Signature(extras).json_schema()["additionalProperties"] == {"format": "date", "type": "string"}
    assert Signature(any_extras).json_schema()["additionalProperties"] is True
    assert Signature(nothing).json_schema()["properties"] == {}


def test_a_default_that_is_no_json_stays_out_of_the_schema() -> None:
    def task(client: Any = object()) -> None: ...  # noqa: B008  # the point

    assert "default" not in Signature(task).json_schema()["properties"]["client"]


def test_star_args_are_refused_when_defined() -> None:
    with pytest.raises(DefinitionError, match=r"task star has the parameter \*numbers.*`numbers: list\[\.\.\.\]`"):
        Signature(star, "task star")


class Response:
    pass


def takes_response(good: int, response: Response) -> None: ...
def takes_undefined(thing: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # the point
def takes_later(thing: Later) -> None: ...


@dataclasses.dataclass
class Later:
    id: int


def test_an_annotation_without_json_names_function_and_parameter() -> None:
    for look in (Signature(takes_response).check, Signature(takes_response).json_schema):
        with pytest.raises(DefinitionError, match=r"'response' of takes_response .*Response"):
            look()


def test_annotations_may_be_defined_later() -> None:
    assert Signature(takes_later).check() is True
    assert Signature(takes_later).validate({"thing": {"id": 1}}).kwargs == {"thing": Later(1)}
    assert Signature(takes_undefined).check() is False
    with pytest.raises(DefinitionError, match=r"takes_undefined .*'Nowhere' is not defined"):
        Signature(takes_undefined).validate({"thing": 1})
