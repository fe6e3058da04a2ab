"""How a run is triggered from a run: what the caller asks for, and what the task asks for itself."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypedDict

from holdfast.contract.patterns import MEANINGS, NAME
from holdfast.domain.errors import InputError
from holdfast.sdk.storable import is_storable
from holdfast.sdk.task import Task


class TriggerOptions(TypedDict, total=False):
    """Options of ``trigger`` and its kind; what is not given comes from the task."""

    name: str
    """The run's name, unique in the namespace."""
    queue: str
    """Where it waits for admission."""
    priority: int
    """Higher goes first within its queue."""
    concurrency_key: str
    """Runs with the same key share the queue's limit per key."""
    idempotency_key: str
    """Unique for the task: a second trigger with it finds the first one's run."""
    tags: Sequence[str]
    """For people who look through runs."""
    delay: float | timedelta
    """Seconds, or a duration, before it may start."""
    ttl: float | timedelta
    """Seconds, or a duration: not started by then, it expires."""
    max_attempts: int
    """How often its code may fail."""


_SPELLED = {"delay": "delay_seconds", "ttl": "expire_after_seconds"}
_KNOWN = frozenset(TriggerOptions.__annotations__)
_LONGEST_CHARACTERS = {"name": 63, "queue": 63, "concurrency_key": 200, "idempotency_key": 500}
_NAMES = frozenset({"name", "queue"})
_LARGEST_INTEGER = 2**31 - 1
_LEAST_INTEGERS = {"priority": -_LARGEST_INTEGER, "max_attempts": 1}
_LISTS = (list, tuple, set, frozenset)


def options_text(task: Task[..., Any] | str, options: TriggerOptions) -> str:
    """The JSON of the options of one trigger.

    Raises:
        InputError: there is no such option, or its value cannot be one.
    """
    unknown = set(options) - _KNOWN
    if unknown:
        raise InputError(f"trigger has no option {', '.join(sorted(unknown))}; it has: {', '.join(sorted(_KNOWN))}")
    for name, value in options.items():
        _check(name, value)
    given = {_SPELLED.get(name, name): _plain(value) for name, value in options.items()}
    if isinstance(task, Task):
        given["defaults"] = task_defaults(task)
    try:
        return json.dumps(given, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"an option of the trigger cannot be sent: {error}") from None


def task_defaults(task: Task[..., Any]) -> dict[str, Any]:
    """What a task asks for itself, as options of the control plane."""
    defaults: dict[str, Any] = {
        "entrypoint": task.entrypoint,
        "queue": task.queue,
        "active_deadline_seconds": _whole(task.timeout_seconds),
        "attempt_deadline_seconds": _whole(task.attempt_timeout_seconds),
        "hooks": list(task.hooks.of_ends) or None,
    }
    if task.retry is not None:
        defaults |= {
            "max_attempts": task.retry.max_attempts,
            "backoff_seconds": task.retry.backoff,
            "max_backoff_seconds": task.retry.max_backoff,
            "multiplier_percent": round(task.retry.multiplier * 100),
        }
    return {name: value for name, value in defaults.items() if value is not None}


def _check(name: str, value: object) -> None:
    """Refuse what the database would, in the words of the caller."""
    if name in _LONGEST_CHARACTERS:
        longest = _LONGEST_CHARACTERS[name]
        if not (is_storable(value) and 1 <= len(value) <= longest):
            raise InputError(f"trigger({name}={value!r}) needs a text of 1 to {longest} characters")
        if name in _NAMES and not re.fullmatch(NAME.rstrip("$"), value):
            raise InputError(f"trigger({name}={value!r}) {MEANINGS[NAME]}")
    elif name in _LEAST_INTEGERS:
        least = _LEAST_INTEGERS[name]
        if type(value) is not int or not least <= value <= _LARGEST_INTEGER:
            raise InputError(f"trigger({name}={value!r}) needs a whole number from {least} to {_LARGEST_INTEGER}")
    elif name == "tags" and not (isinstance(value, _LISTS) and all(map(is_storable, value))):
        raise InputError(f"trigger(tags={value!r}) needs a list of texts")


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return list(value) if isinstance(value, _LISTS) else value


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds))
