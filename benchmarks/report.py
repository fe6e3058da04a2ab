"""The lines as programs read them."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from benchmarks.line import Line


def report(lines: Sequence[Line], *, is_quick: bool) -> dict[str, object]:
    """What is written beside the table."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "quick": is_quick,
        "lines": [line.to_json() for line in lines],
    }
