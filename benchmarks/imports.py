"""Import of the runner in a fresh interpreter: time and peak memory, beside that of asyncpg."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.fresh_process import FreshProcesses
from benchmarks.line import Line

_DRIVER = "import asyncpg"
_RUNNER = "import holdfast, holdfast.runtime.attempt"
_WITH_PYDANTIC = f"{_RUNNER}\nfrom pydantic import TypeAdapter"

_PROGRAM = """
import time
began = time.perf_counter()
{imports}
took_ms = (time.perf_counter() - began) * 1000
peak_kilobytes = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print([took_ms, peak_kilobytes / 1024])
"""


@dataclass(frozen=True)
class _Import:
    took_ms: float
    peak_megabytes: float


async def measure(bench: Bench) -> list[Line]:
    """Take turns; a process each time. The first of each kind warms the caches of files and of bytecode."""
    programs = (_DRIVER, _RUNNER, _WITH_PYDANTIC)
    taken: dict[str, list[_Import]] = {program: [] for program in programs}
    for _ in range(bench.repeat(15, quick=5) + 1):
        for program in programs:
            taken[program].append(await _import(bench.processes, program))
    floor, runner, everything = (_median(taken[program][1:]) for program in programs)
    return [
        Line("import of the runner", "ms", runner.took_ms, floor.took_ms, Budget.at_most(150, set_at_floor=97)),
        Line("  and of pydantic, which runs with plain types never load", "ms", everything.took_ms, floor.took_ms),
        Line("peak memory after both", "MB", everything.peak_megabytes, floor.peak_megabytes),
    ]


def _median(imports: list[_Import]) -> _Import:
    return _Import(
        statistics.median(each.took_ms for each in imports),
        statistics.median(each.peak_megabytes for each in imports),
    )


async def _import(processes: FreshProcesses, imports: str) -> _Import:
    process = await processes.start("-c", _PROGRAM.format(imports=imports))
    output, _ = await process.communicate()
    return _Import(*json.loads(output))
