"""The lines as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.line import Line

_HEADINGS = ("", "value", "floor", "ratio", "budget", "")


def render(lines: Sequence[Line]) -> str:
    """A table with one row per line."""
    rows = [_HEADINGS, *(_cells(line) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_row(cells, widths) for cells in rows)


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.what,
        f"{_figure(line.value)} {line.unit}",
        "" if line.floor is None else _figure(line.floor),
        "" if line.ratio is None else f"{line.ratio:.2f}x",
        "" if line.budget is None else str(line.budget),
        "" if line.budget is None else "ok" if line.is_ok else "MISSED",
    )


def _figure(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *figures, verdict = cells
    columns = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(figures, widths[1:-1], strict=True))]
    return "  ".join([*columns, verdict]).rstrip()
