"""A cold process, from its start to the first line of the task, beside a bare one that reads a row with asyncpg."""

from __future__ import annotations

import time
from collections.abc import Mapping

from benchmarks.bench import Bench
from benchmarks.line import Line
from benchmarks.samples import Samples
from holdfast.contract import environment

_ENTRYPOINT = "benchmarks.programs.say_hello:say_hello"


async def measure(bench: Bench) -> list[Line]:
    """Take turns; both processes print a line, and its arrival here ends the time."""
    runners, bares = Samples(), Samples()
    for number in range(bench.repeat(15, quick=5) + 1):
        if number == 1:
            runners.forget()
            bares.forget()
        attempt = await bench.runs.begin(_ENTRYPOINT)
        runners.add(await _seconds_to_first_line(bench, "holdfast.runtime", attempt.to_mapping()))
        variables = {environment.DATABASE: bench.server.runner_dsn}
        bares.add(await _seconds_to_first_line(bench, "benchmarks.programs.read_row", variables))
    return [Line("cold process to the first line of its task", "ms", runners.median, bares.median)]


async def _seconds_to_first_line(bench: Bench, module: str, variables: Mapping[str, str]) -> float:
    began = time.perf_counter()
    process = await bench.processes.start("-m", module, variables=variables)
    assert process.stdout is not None
    line = await process.stdout.readline()
    took = time.perf_counter() - began
    await process.communicate()
    if not line:
        raise RuntimeError(f"python -m {module} ended with exit code {process.returncode} before it printed a line")
    return took
