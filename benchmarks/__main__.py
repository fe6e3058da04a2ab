"""``python -m benchmarks``: measure, print a table, write ``benchmarks/latest.json``.

Exit code 0 when every budget is kept, 1 when one is missed (unless ``--no-fail``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import cold_start, imports, launch, many_runs, peers, record, resume, waiting, waits
from benchmarks.bench import Bench, set_up
from benchmarks.line import Line
from benchmarks.report import report
from benchmarks.table import render

_LATEST = Path(__file__).parent / "latest.json"

_BENCHMARKS: dict[str, Callable[[Bench], Awaitable[list[Line]]]] = {
    "record": record.measure,
    "resume": resume.measure,
    "many-runs": many_runs.measure,
    "launch": launch.measure,
    "waits": waits.measure,
    "waiting": waiting.measure,
    "cold-start": cold_start.measure,
    "imports": imports.measure,
    "peers": peers.measure,
}


def main() -> None:
    """Measure what the arguments ask for."""
    arguments = _parser().parse_args()
    lines = asyncio.run(_measure(arguments.only or list(_BENCHMARKS), is_quick=arguments.quick))
    _LATEST.write_text(json.dumps(report(lines, is_quick=arguments.quick), indent=2, ensure_ascii=False) + "\n")
    print(render(lines))
    missed = [line.what for line in lines if not line.is_ok]
    if missed and not arguments.no_fail:
        sys.exit(f"Over budget: {'; '.join(missed)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What Holdfast costs, beside its floor.")
    parser.add_argument("--only", action="append", choices=_BENCHMARKS, help="only this benchmark (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: a first look")
    parser.add_argument("--no-fail", action="store_true", help="exit with 0 when a budget is missed too")
    return parser


async def _measure(names: list[str], *, is_quick: bool) -> list[Line]:
    lines: list[Line] = []
    _say("Starting PostgreSQL")
    async with set_up(is_quick=is_quick) as bench:
        for number, name in enumerate(names, start=1):
            _say(f"[{number}/{len(names)}] {name}", end=" … ")
            began = time.monotonic()
            lines += await _BENCHMARKS[name](bench)
            _say(f"{time.monotonic() - began:.1f} s")
    return lines


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
