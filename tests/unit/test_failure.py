"""Exceptions become records; the first pass and a replay raise the same."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from holdfast.contract.limits import ERROR_LIMIT_BYTES
from holdfast.domain.errors import (
    EncodingError,
    MissingExtraError,
    NonRetryableError,
    RetryAfter,
    RunCanceled,
    StepFailedError,
    StepTimeoutError,
)
from holdfast.sdk.failure import (
    MESSAGE_LIMIT_BYTES,
    TRACEBACK_LIMIT_BYTES,
    Failure,
    describe,
    rebuild,
    recordable,
    restore,
)


class Plain(Exception):
    pass


class Declined(Exception):
    """Tells its class less than its arguments, as many exceptions do."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"declined: {text}")
        self.code = code


class Keyword(Exception):
    def __init__(self, *, reason: str) -> None:
        super().__init__(f"because {reason}")
        self.reason = reason


class Connected(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.connection = object()


class OnlyConnected(Exception):
    def __init__(self, *, connection: object) -> None:
        super().__init__("lost")
        self.connection = connection


class Pickled(Exception):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port}")
        self.host, self.port = host, port

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return (Pickled, (self.host, self.port))


class Once(Exception):
    made = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        Once.made += 1
        if Once.made > 1:
            raise RuntimeError("side effect")


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, *, code: int) -> None:
        super().__init__("slotted")
        self.code = code


class Counting(Exception):
    count = 0

    def __str__(self) -> str:
        Counting.count += 1
        return f"text {Counting.count}"


class Textless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Outer:
    class Inner(Exception):
        pass


class Model(BaseModel):
    id: int


def raised(function: Callable[[], Any]) -> Exception:
    """The exception that a call raises, with its traceback."""
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def throw(error: BaseException) -> Any:
    raise error


def noted() -> Exception:
    error = ValueError("x")
    error.add_note("a note")
    return error


REBUILDABLE: list[Exception] = [
    ValueError(),
    ValueError("x", 1, None, (2, [3]), {"a": b"\xff"}),
    ValueError("\ud800 \0"),
    KeyError("a"),
    KeyError(("a", 1)),
    Plain("x"),
    Outer.Inner("x"),
    Declined(3, "no money"),
    Keyword(reason="r"),
    Connected("x"),
    Pickled("localhost", 80),
    Frozen(1),
    Frozen(code=2),
    RetryAfter(3.5, "later"),
    RetryAfter(seconds=2),
    NonRetryableError("x"),
    StepTimeoutError("x"),
    StepFailedError("x"),
    MissingExtraError(what="w", package="p", extra="e"),
    ConnectionResetError(104, "reset"),
    noted(),
    raised(lambda: open("/nowhere")),  # noqa: SIM115  # it does not open
    raised(lambda: os.stat(Path("/nowhere"))),
    raised(lambda: os.rename("/nowhere", "/elsewhere")),
    raised(lambda: b"\xff".decode()),
    raised(lambda: "\ud800".encode()),
    raised(lambda: json.loads("{")),
    raised(lambda: __import__("nowhere_at_all")),
    raised(lambda: {}.nowhere),  # type: ignore[attr-defined]  # the point
    raised(lambda: compile("a b", "file", "exec")),
    raised(lambda: subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=True)),
    raised(lambda: 1 // 0),
]


def same_record(one: Exception, other: Exception) -> None:
    assert type(other) is type(one)
    assert (str(other), other.args) == (str(one), one.args)


@pytest.mark.parametrize("error", REBUILDABLE, ids=lambda error: type(error).__name__)
def test_an_exception_is_raised_as_itself_by_both_passes(error: Exception) -> None:
    record = Failure.from_json(describe(error).to_json())
    assert record == describe(error)
    rebuilt = rebuild(record)
    assert rebuilt is not None
    same_record(error, rebuilt)
    same_record(error, restore(record))
    assert recordable(error) is error


def test_attributes_survive() -> None:
    def again(error: Exception) -> Any:
        return restore(Failure.from_json(describe(error).to_json()))

    assert again(RetryAfter(3.5)).seconds == 3.5
    assert again(Declined(3, "x")).code == 3
    assert again(Keyword(reason="r")).reason == "r"
    assert again(noted()).__notes__ == ["a note"]
    assert again(raised(lambda: os.rename("/nowhere", "/elsewhere"))).filename2 == "/elsewhere"
    assert again(raised(lambda: __import__("nowhere_at_all"))).name == "nowhere_at_all"
    marked = Plain("x")
    marked.detail = {"when": (1, 2)}  # type: ignore[attr-defined]  # set by authors on the fly
    assert again(marked).detail == {"when": (1, 2)}


def test_an_attribute_that_cannot_be_recorded_is_made_by_the_class() -> None:
    rebuilt = restore(describe(Connected("x")))
    assert isinstance(rebuilt, Connected)
    assert type(rebuilt.connection) is object


def local_class() -> Exception:
    class Local(Exception):
        pass

    return Local("x")


def shadowed_class() -> Exception:
    return type("Plain", (Exception,), {"__module__": __name__})("x")  # type: ignore[no-any-return]  # an exception


NOT_REBUILDABLE: list[Exception] = [
    local_class(),
    shadowed_class(),
    OnlyConnected(connection=object()),
    Slotted(code=1),
    Counting(),
    Exception(object()),
    Exception("x" * 100_000),
    ExceptionGroup("group", [ValueError("x")]),
    StopIteration(1),
    StopAsyncIteration(),
    raised(lambda: Model(id="x")),  # type: ignore[arg-type]  # the point
    UnicodeDecodeError("utf-8", b"x" * 100_000, 0, 1, "reason"),
]


@pytest.mark.parametrize("error", NOT_REBUILDABLE, ids=lambda error: type(error).__name__)
def test_what_cannot_be_rebuilt_is_a_step_failed_error_in_both_passes(error: Exception) -> None:
    first = recordable(error)
    assert isinstance(first, StepFailedError)
    assert first.__cause__ is error
    assert first.error_type == f"{type(error).__module__}:{type(error).__qualname__}"
    assert str(first).startswith(f"{first.error_type}: ")
    if not isinstance(error, Counting):  # whose text changes each time it is asked for
        replayed = restore(Failure.from_json(describe(error).to_json()))
        same_record(first, replayed)
        assert vars(replayed) == vars(first)


def test_a_step_failed_error_can_be_recorded_itself() -> None:
    first = recordable(raised(lambda: throw(OnlyConnected(connection=object()))))
    replayed = restore(Failure.from_json(describe(first).to_json()))
    same_record(first, replayed)
    assert vars(replayed) == vars(first)
    assert "in throw" in vars(replayed)["error_traceback"]
    assert recordable(first) is first


def test_an_init_with_side_effects_is_not_called_twice_in_vain() -> None:
    error = Once("x")
    rebuilt = rebuild(describe(error))
    assert rebuilt is not None
    same_record(error, rebuilt)


def test_what_ends_an_attempt_is_described_but_never_rebuilt() -> None:
    for error in (RunCanceled("x"), SystemExit(3), KeyboardInterrupt()):
        record = describe(error)
        assert record.type.endswith(f":{type(error).__name__}")
        assert rebuild(record) is None
        assert rebuild(dataclasses.replace(record, rebuilt_by="call")) is None


def test_a_class_that_is_gone_gives_a_step_failed_error() -> None:
    record = describe(ValueError("x"))
    for name in ("builtins:Nothing", "nowhere_at_all:Error", "os:path", "builtins:int", "builtins", "", "a:b:c"):
        gone = dataclasses.replace(record, type=name)
        assert rebuild(gone) is None
        assert str(restore(gone)) == f"{name}: x"


def test_the_record_tells_where_and_why() -> None:
    def fail() -> None:
        try:
            throw(KeyError("inner"))
        except KeyError as error:
            raise ValueError("outer") from error

    record = describe(raised(fail))
    assert record.type == "builtins:ValueError"
    assert record.message == "outer"
    assert record.causes == ("builtins:KeyError: 'inner'",)
    assert "in throw" in record.traceback
    assert record.traceback.rstrip().endswith("ValueError: outer")
    assert describe(KeyError("a")).message == "'a'"


def test_an_exception_without_text_is_described() -> None:
    record = describe(Textless("x"))
    assert "Textless whose text fails" in record.message
    assert Failure.from_json(record.to_json()) == record


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\0" * 1_000_000, "é\U0001f600" * 500_000, "\ud800" * 100_000])
def test_a_record_stays_below_its_limit(text: str) -> None:
    def deep(frames: int) -> None:
        if frames == 0:
            throw(Keyword(reason=text))
        deep(frames - 1)

    error = raised(lambda: deep(50))
    for each in (error, recordable(error)):
        record = describe(each)
        assert len(record.to_json().encode()) <= ERROR_LIMIT_BYTES
        assert len(json.dumps(record.message, ensure_ascii=False).encode()) <= MESSAGE_LIMIT_BYTES
        assert len(json.dumps(record.traceback, ensure_ascii=False).encode()) <= TRACEBACK_LIMIT_BYTES
        assert record.traceback.startswith("Traceback")
        assert "characters cut" in record.message
        assert Failure.from_json(record.to_json()) == record


def test_attributes_over_the_limit_are_left_out() -> None:
    error = Plain("x")
    vars(error).update(one="1" * 20_000, two="2" * 20_000, three="3" * 20_000)
    record = describe(error)
    assert len(record.to_json().encode()) <= ERROR_LIMIT_BYTES
    assert list(record.attributes) == ["one"]
    assert type(rebuild(record)) is Plain


def test_a_record_is_read_leniently_and_refused_clearly() -> None:
    assert Failure.from_json('{"type": "sh:Exit", "message": "code 3"}') == Failure("sh:Exit", "code 3")
    for text in ("[]", "3", "{}", '{"type": "x"}', "{"):
        with pytest.raises(EncodingError):
            Failure.from_json(text)
