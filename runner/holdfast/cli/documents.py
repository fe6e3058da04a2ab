"""What programs read: the JSON documents of `-o json`."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from holdfast_engine.control.views import RunDetail, RunView


def print_document(document: Any) -> None:
    """Write one JSON document on standard output."""
    sys.stdout.write(json.dumps(document, default=_spelled, indent=2) + "\n")
    sys.stdout.flush()


def run_document(run: RunView | RunDetail) -> dict[str, Any]:
    """A run. ``attempts`` is how many were launched; ``error`` that of the latest failed one, unless it succeeded."""
    fields = dataclasses.asdict(run)
    document = {"run": fields.pop("id"), "state": fields.pop("state"), "attempts": fields.pop("attempt")}
    for name in ("template", "launcher"):
        fields.pop(name, None)
    return {**document, **fields}


def error_document(error: Exception) -> dict[str, Any]:
    """What a command prints that was refused: the fields of a run that there is none of, and why."""
    return {
        "run": None,
        "state": None,
        "attempts": 0,
        "result": None,
        "error": {"type": type(error).__name__, "message": str(error)},
    }


def _spelled(value: object) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON")
