"""Tables for people. States are coloured on a terminal only; times are local, with their age."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from holdfast.domain.states import State

_COLOURS = {
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.TIMED_OUT: "red",
    State.RUNNING: "cyan",
    State.STARTING: "cyan",
    State.BACKOFF: "yellow",
    State.CANCELING: "yellow",
    State.SUSPENDED: "magenta",
    State.CANCELED: "bright_black",
    State.EXPIRED: "bright_black",
}

_WIDTH_WITHOUT_TERMINAL = 200
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows; a cell is shown as its text, None as nothing."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    #: What to say instead of an empty table.
    empty: str = "nothing"


def print_table(table: Table) -> None:
    """Write a table on standard output, or what it says when it is empty (on standard error)."""
    if not table.rows:
        sys.stderr.write(f"{table.empty}\n")
        return
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)
    drawn = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in table.columns:
        drawn.add_column(column, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(_cell(value) for value in row))
    console.print(drawn)


def excerpt(value: Any) -> str:
    """A JSON value on one line, cut where it gets long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def age(moment: datetime, now: datetime | None = None) -> str:
    """How long ago a moment was, or how far off it is: "5s ago", "in 3m"."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    size = duration(abs(seconds))
    return f"{size} ago" if seconds >= 0 else f"in {size}"


def duration(seconds: float) -> str:
    """A duration in its largest unit, rounded: "90s", "12m", "5h", "3d"."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "m"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{round(seconds / unit)}{name}"
    return f"{round(seconds / 86400)}d"


def _cell(value: object) -> Text:
    if isinstance(value, State):
        return Text(value, style=_COLOURS.get(value, ""))
    if isinstance(value, datetime):
        return Text(f"{value.astimezone():%Y-%m-%d %H:%M:%S} ({age(value)})")
    return Text("" if value is None else _harmless(str(value)))


def _harmless(text: str) -> str:
    """Text whose control characters are spelled out: a name or a message must not steer the terminal of its reader."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)
