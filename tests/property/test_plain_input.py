"""Input that is read without pydantic is read as pydantic reads it, and what pydantic refuses is not read."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from types import NoneType
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.errors import InputError
from holdfast.sdk.plain_input import PlainInput
from holdfast.sdk.signature import Signature

ANNOTATIONS: list[Any] = [
    str,
    int,
    bool,
    NoneType,
    Any,
    list,
    dict,
    list[int],
    dict[str, bool],
    dict[str, list[str]],
    int | None,
    Optional[str],  # noqa: UP045  # people write it, and it is another kind of object
    int | str | None,
    list[int] | list[str | None],
    list[Any],
]
NOT_PLAIN: list[Any] = [float, bytes, list[float], dict[int, str], set[int], tuple[int, str], int | float]

TRICKY = [
    *("null", "true", "7", "-0", "7.0", "1e2", "1E400", "NaN", "-Infinity", str(2**63), str(-(2**63)), str(2**70)),
    *('""', '"a"', '"7"', '"\\u0000"', '"\\u00e9"', '"\\ud800"', '"\\uDC00"', '"\\uD83D\\uDE00"', '"\ud800"', '"é"'),
    *("[" * 250 + "]" * 250, '{"a":' * 250 + "1" + "}" * 250, '{"a": 1, "a": 2}', "[]", "{}", "\t7 ", "\ufeff7", "07"),
]

texts = st.text(st.characters(exclude_categories=()))  # surrogates and NUL too
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**66), 2**66) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
written = st.builds(json.dumps, values, ensure_ascii=st.booleans())


def function_of(annotation: Any) -> Callable[..., None]:
    def function(first: Any, second: Any = None) -> None: ...

    function.__annotations__ = {"first": annotation, "second": int}
    return function


def plain_input(annotation: Any) -> PlainInput:
    function = function_of(annotation)
    return PlainInput(inspect.signature(function).parameters.values(), function.__annotations__)


def read_by_pydantic(annotation: Any, text: str) -> Any:
    signature = Signature(function_of(annotation))
    assert signature.check()  # from now on it asks pydantic
    try:
        return signature.validate(text).kwargs
    except InputError:
        return None


@given(
    annotation=st.sampled_from([*ANNOTATIONS, *NOT_PLAIN]),
    first=written,
    rest=st.sampled_from(["", ', "second": 7', ', "second": null']),
)
def test_what_is_read_is_what_pydantic_reads(annotation: Any, first: str, rest: str) -> None:
    check_agreement(annotation, f'{{"first": {first}{rest}}}')


def check_agreement(annotation: Any, text: str) -> None:
    plain = plain_input(annotation).read(text)
    if plain is not None:
        assert repr(plain) == repr(read_by_pydantic(annotation, text)), text


@pytest.mark.parametrize("annotation", [*ANNOTATIONS, *NOT_PLAIN])
def test_tricky_input_is_read_as_pydantic_reads_it(annotation: Any) -> None:
    for first in TRICKY:
        for form in ("{}", "[{}]", '{{"a": {}}}', '{{"1": {}}}'):
            check_agreement(annotation, f'{{"first": {form.format(first)}}}')


@pytest.mark.parametrize(
    ("annotation", "first"),
    [
        (str, '"é\\n"'),
        (int, "-7"),
        (bool, "true"),
        (NoneType, "null"),
        (Any, '[1, {"a": [null, "b"]}]'),
        (list, '["a"]'),
        (dict, '{"a": 1}'),
        (list[int], "[1, 2]"),
        (dict[str, list[str]], '{"a": ["b"]}'),
        (int | None, "null"),
        (list[int] | list[str | None], '["a", null]'),
    ],
)
def test_plain_input_is_read(annotation: Any, first: str) -> None:
    assert plain_input(annotation).read(f'{{"first": {first}}}') == {"first": json.loads(first)}


@pytest.mark.parametrize("annotation", NOT_PLAIN)
def test_other_annotations_are_left_to_pydantic(annotation: Any) -> None:
    assert plain_input(annotation).read('{"first": 1}') is None


@pytest.mark.parametrize("text", ["{}", "[]", "null", "{", '{"first": 1, "third": 1}', '{"first": 1, "first": 2}'])
def test_what_does_not_fit_is_left_to_pydantic(text: str) -> None:
    assert plain_input(int).read(text) is None


def test_a_function_that_takes_any_name_is_left_to_pydantic() -> None:
    def function(**more: int) -> None: ...

    plain = PlainInput(inspect.signature(function).parameters.values(), {"more": int})
    assert plain.read('{"more": 1}') is None


def test_a_plain_task_takes_its_input_and_writes_its_result_without_pydantic() -> None:
    program = (
        "import sys\n"
        "from holdfast import task\n"
        "@task\n"
        "def greet(name: str, times: int = 1, *, tags: list[str] | None = None) -> str:\n"
        "    return name * times\n"
        'arguments = greet.signature.validate(\'{"name": "a", "times": 2}\')\n'
        "text = greet.codec.encode(greet.function(*arguments.args, **arguments.kwargs))\n"
        "print(text, sorted(name for name in sys.modules if name.startswith('pydantic')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == '"aa" []\n'
