"""The same steps with the peers whose packages are installed, on the same server."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from benchmarks.bench import Bench
from benchmarks.line import Line
from benchmarks.peer_report import STEPS, PeerSamples
from benchmarks.samples import Samples


class PeerFailed(Exception):
    """A peer does not work here."""


async def measure(bench: Bench) -> list[Line]:
    """One peer after the other, each in processes and a database of its own."""
    lines: list[Line] = []
    for name, packages, run in (("Absurd", ("absurd_sdk", "absurdctl"), _absurd), ("DBOS", ("dbos",), _dbos)):
        missing = [package for package in packages if find_spec(package) is None]
        try:
            if missing:
                raise PeerFailed(f"{' and '.join(missing)} not installed: scripts/venv.sh bench")
            lines += _lines(name, await run(bench))
        except PeerFailed as failure:
            print(f"without {name} ({failure})", end=" … ", file=sys.stderr, flush=True)
    return lines


def _lines(name: str, samples: PeerSamples) -> list[Line]:
    return [
        Line(f"{name}: record one 1 KiB step, p50", "ms", samples.steps.median, samples.inserts.median),
        Line(f"{name}: record one 1 KiB step, p99", "ms", samples.steps.p99, samples.inserts.p99),
        Line(f"{name}: resume {STEPS} recorded steps, p50", "ms", samples.resumes.median),
    ]


async def _absurd(bench: Bench) -> PeerSamples:
    async with bench.server.database("absurd") as dsn:
        return await _run(bench, "absurd_steps", dsn, bench.repeat(1000, quick=200), bench.repeat(20, quick=5))


async def _dbos(bench: Bench) -> PeerSamples:
    async with bench.server.database("dbos") as dsn:
        samples = await _run(bench, "dbos_steps", dsn, bench.repeat(1000, quick=200))
        resumes = [await _run(bench, "dbos_steps", dsn, 0) for _ in range(bench.repeat(5, quick=2))]
        samples.resumes = Samples(milliseconds for each in resumes for milliseconds in each.resumes)
        return samples


async def _run(bench: Bench, program: str, dsn: str, *counts: int) -> PeerSamples:
    arguments = (dsn, bench.server.runner_dsn, *map(str, counts))
    process = await bench.processes.start("-m", f"benchmarks.programs.{program}", *arguments)
    output, _ = await process.communicate()
    if process.returncode != 0 or not output:
        raise PeerFailed(f"{program} ended with exit code {process.returncode}")
    return PeerSamples.read(output.decode())
