"""What really happened, told outside the database: one line per event, in a file that only grows."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from holdfast import run_info
from holdfast.sdk.journal import require_strand

#: Names the file, for the processes of attempts too.
VARIABLE = "CRASH_ORACLE"

BEGAN = "began"
EFFECT = "effect"
RECORDED = "recorded"


class Event(NamedTuple):
    """One line: which run, what, the key of the step, and what it was called with."""

    run: str
    what: str
    key: str
    label: str = ""


class Oracle:
    """The events of all runs that are told to ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def events(self) -> dict[str, list[Event]]:
        """What happened in each run, in order, by its id."""
        events: dict[str, list[Event]] = {}
        for line in self.path.read_text().splitlines():
            event = Event(*json.loads(line))
            events.setdefault(event.run, []).append(event)
        return events

    def recorded(self, run_id: UUID, key: str) -> None:
        """Note that the record of a step is known to be committed."""
        _append(self.path, Event(str(run_id), RECORDED, key))


def began(label: str) -> int:
    """Called first in the body of a step; returns how often it began, this time included."""
    return _tell(BEGAN, label)


def effect(label: str) -> None:
    """The side effect of a step: what must not happen again once the step is recorded."""
    _tell(EFFECT, label)


def executed_after_record(events: list[Event]) -> list[str]:
    """Keys of steps whose body began after their record was committed.

    After a failure that was tried again, another call may stand at the same place.
    """
    latest: dict[str, str] = {}
    recorded: set[tuple[str, str]] = set()
    again: list[str] = []
    for event in events:
        if event.what == RECORDED:
            recorded.add((event.key, latest.get(event.key, "")))
        elif event.what == BEGAN:
            latest[event.key] = event.label
            if (event.key, event.label) in recorded:
                again.append(event.key)
    return again


def effects(events: list[Event]) -> Counter[str]:
    """How many effects each step had, by what it was called with last."""
    latest = {event.key: event.label for event in events if event.what == BEGAN}
    return Counter(event.key for event in events if event.what == EFFECT and event.label == latest[event.key])


def _tell(what: str, label: str) -> int:
    path = Path(os.environ[VARIABLE])
    # within a body the branch is named by the step's key
    event = Event(str(run_info().run_id), what, require_strand("the oracle").branch.path, label)
    _append(path, event)
    line = json.dumps(event)
    return path.read_text().splitlines().count(line)


def _append(path: Path, event: Event) -> None:
    # one write to a file opened for appending: lines of several processes do not mix
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, (json.dumps(event) + "\n").encode())
    finally:
        os.close(file)
