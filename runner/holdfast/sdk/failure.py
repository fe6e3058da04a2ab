"""Exceptions as records, and back.

A step that failed raises again on replay, and the author's ``except`` must take the same branch as on the
first pass. So an exception is proved to be rebuildable when it is described; if it is not, both passes
raise ``StepFailedError``.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.domain.errors import EncodingError, StepFailedError
from holdfast.sdk import tagged
from holdfast.sdk.difference import difference
from holdfast.sdk.excerpt import excerpt

MESSAGE_LIMIT_BYTES = 4 * 1024
TRACEBACK_LIMIT_BYTES = 16 * 1024
"""Of JSON; a longer text keeps its head and its tail."""

STATE_LIMIT_BYTES = 28 * 1024
"""Arguments and attributes together. With the texts above, a record stays below ``ERROR_LIMIT_BYTES``."""

CAUSES_SHOWN = 5
CAUSE_LIMIT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as a record.

    Attributes:
        type: its class, ``module:QualName``.
        message: its text, at most ``MESSAGE_LIMIT_BYTES`` of JSON.
        traceback: where it was raised, at most ``TRACEBACK_LIMIT_BYTES`` of JSON.
        causes: the exceptions behind it, the nearest first, as ``module:QualName: text``.
        rebuilt_by: how ``rebuild`` gave back an equal exception of the same class when this was recorded:
            by a ``call`` of the class with ``arguments``, or by its ``state``, without ``__init__``. None:
            not at all.
        arguments: what its class takes; None if that cannot be recorded.
        attributes: what was set on it besides, as far as that can be recorded.
    """

    type: str
    message: str
    traceback: str = ""
    causes: tuple[str, ...] = ()
    rebuilt_by: str | None = None
    arguments: tuple[Any, ...] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The record as JSON text, below the limit of a recorded error."""
        return tagged.encode(
            {
                "type": self.type,
                "message": self.message,
                "traceback": self.traceback,
                "causes": list(self.causes),
                "rebuilt_by": self.rebuilt_by,
                "arguments": None if self.arguments is None else list(self.arguments),
                "attributes": self.attributes,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Failure:
        """Read what ``to_json`` wrote; all but type and message may be missing.

        Raises:
            EncodingError: The text is no record of an exception.
        """
        record = tagged.decode(text)
        try:
            return cls(
                type=record["type"],
                message=record["message"],
                traceback=record.get("traceback", ""),
                causes=tuple(record.get("causes", ())),
                rebuilt_by=record.get("rebuilt_by"),
                arguments=None if record.get("arguments") is None else tuple(record["arguments"]),
                attributes=record.get("attributes") or {},
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise EncodingError(f"no record of an exception ({error!r}): {excerpt(text)}") from None


def describe(exc: BaseException) -> Failure:
    """Make a record of an exception. Never raises."""
    arguments, attributes, is_complete = _recordable_state(exc)
    failure = Failure(
        type=_class_name(type(exc)),
        message=_message(exc),
        traceback=_traceback(exc),
        causes=_causes(exc),
        arguments=arguments,
        attributes=attributes,
    )
    for way in ("call", "state") if is_complete else ("call",):
        candidate = replace(failure, rebuilt_by=way)
        rebuilt = rebuild(candidate)
        if type(rebuilt) is type(exc) and difference(exc.args, rebuilt.args) is None:
            return candidate
    return failure


def rebuild(failure: Failure) -> Exception | None:
    """The recorded exception, of its own class and with its own text; None if it cannot be had.

    Imports the module of the class if need be.
    """
    kind = _find_class(failure.type)
    if kind is None or failure.arguments is None:
        return None
    try:
        if failure.rebuilt_by == "call":
            exc = kind(*failure.arguments)
        elif failure.rebuilt_by == "state" and _keeps_all_in_dict(kind):
            exc = Exception.__new__(kind)
            object.__setattr__(exc, "args", failure.arguments)
        else:
            return None
        for name, value in failure.attributes.items():
            object.__setattr__(exc, name, value)  # a frozen dataclass forbids it to others
    except Exception:  # an author's __init__ may do and raise anything
        return None
    return exc if type(exc) is kind and _message(exc) == failure.message else None


def restore(failure: Failure) -> Exception:
    """The exception to raise on replay: the recorded one, else the ``StepFailedError`` of the first pass."""
    return rebuild(failure) or _step_failed(failure)


def recordable(exc: Exception) -> Exception:
    """The exception to raise on the first pass: itself if a replay can raise it too.

    Else a ``StepFailedError`` that has the exception as its ``__cause__``.
    """
    failure = describe(exc)
    if failure.rebuilt_by is not None:
        return exc
    error = _step_failed(failure)
    error.__cause__ = exc
    return error


def _step_failed(failure: Failure) -> StepFailedError:
    error = StepFailedError(f"{failure.type}: {failure.message}")
    error.error_type = failure.type
    error.error_message = failure.message
    error.error_traceback = failure.traceback
    return error


def _class_name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _find_class(name: str) -> type[Exception] | None:
    module_name, _, path = name.partition(":")
    try:
        found: Any = sys.modules.get(module_name) or importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit):  # importing runs the author's code
        return None
    is_class = isinstance(found, type) and issubclass(found, Exception)
    return found if is_class and not issubclass(found, _MEANT_FOR_PYTHON) else None


_MEANT_FOR_PYTHON = (StopIteration, StopAsyncIteration)
"""Raised inside a coroutine these become a ``RuntimeError``."""


def _keeps_all_in_dict(kind: type[Exception]) -> bool:
    """Whether arguments and attributes are all there is: no slots, no fields of a class written in C."""
    has_slots = any("__slots__" in vars(base) for base in kind.__mro__)
    return not has_slots and kind.__basicsize__ <= _Plain.__basicsize__


class _Plain(Exception):
    """The size of an exception without fields of its own."""


def _recordable_state(exc: BaseException) -> tuple[tuple[Any, ...] | None, dict[str, Any], bool]:
    """Arguments (None if they cannot be recorded), the recordable attributes, and whether those are all."""
    arguments, attributes = _state(exc)
    text = _encode(list(arguments))
    if text is None or len(text) > STATE_LIMIT_BYTES:
        return None, {}, False
    bytes_left = STATE_LIMIT_BYTES - len(text)
    recorded: dict[str, Any] = {}
    for name, value in attributes.items():
        encoded = _encode({name: value})
        if encoded is not None and len(encoded) <= bytes_left:
            bytes_left -= len(encoded)
            recorded.update(tagged.decode(encoded.decode()))
    return tuple(tagged.decode(text.decode())), recorded, len(recorded) == len(attributes)


def _state(exc: BaseException) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What pickle would call the class with, and set on it: an ``OSError`` tells its file name only there."""
    try:
        reduced: Any = exc.__reduce_ex__(2)
        kind, arguments, *more = reduced
        if kind is type(exc) and isinstance(arguments, tuple):
            attributes = more[0] if more and isinstance(more[0], dict) else {}
            return arguments, attributes
    except Exception:  # an author's __reduce__ may do and raise anything
        pass
    return exc.args, vars(exc)


def _encode(value: object) -> bytes | None:
    try:
        return tagged.encode(value).encode()
    except EncodingError:
        return None


def _message(exc: BaseException) -> str:
    try:
        text = str(exc)
    except Exception:  # an author's __str__ may raise anything
        text = f"<{_class_name(type(exc))} whose text fails>"
    return _bounded(text, MESSAGE_LIMIT_BYTES)


def _traceback(exc: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(exc))
    except Exception:  # it asks the exception for its text, notes and causes
        text = _message(exc)
    return _bounded(text, TRACEBACK_LIMIT_BYTES)


def _causes(exc: BaseException) -> tuple[str, ...]:
    causes: list[str] = []
    behind = _behind(exc)
    while behind is not None and len(causes) < CAUSES_SHOWN:
        causes.append(f"{_class_name(type(behind))}: {_bounded(_message(behind), CAUSE_LIMIT_BYTES)}")
        behind = _behind(behind)
    return tuple(causes)


def _behind(exc: BaseException) -> BaseException | None:
    return exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)


def _bounded(text: str, limit_bytes: int) -> str:
    """Text whose JSON is within a limit: well-formed, and with its middle cut out if need be."""
    text = text.encode("utf-8", "backslashreplace").decode()
    kept = text
    length = len(text)
    while len(tagged.encode(kept).encode()) > limit_bytes:
        length = min(length * 3 // 4, limit_bytes)
        head, tail = length // 2, length - length // 2
        kept = f"{text[:head]}\n… {len(text) - length} characters cut …\n{text[len(text) - tail :]}"
    return kept
