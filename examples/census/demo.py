"""Kill a run part way, and watch it go on: what `make demo` does.

    python -m examples.census.demo      (in the root of the repository)

A control plane with an embedded PostgreSQL starts in a temporary directory and gets `taskrun.yaml`. When some packages
are recorded, the process of the attempt is killed with SIGKILL. The next attempt goes on from there. In the end the
answer is compared with the plain loop's. Every body of a step has written a line to a file, which says, without asking
Holdfast, whether a finished step was executed again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table

from examples.census import plain
from holdfast.contract.manifest import load_manifests
from holdfast.domain.states import State
from holdfast_engine.control.apply import apply
from holdfast_engine.control.plane import ControlPlane
from holdfast_engine.control.views import AttemptView, RunDetail, StepView
from holdfast_engine.local.control_plane import serving
from holdfast_engine.local.database import open_database
from holdfast_engine.local.launcher_name import name_of_place
from holdfast_engine.local.state_directory import StateDirectory

MANIFEST = Path(__file__).with_name("taskrun.yaml")
STEPS_BEFORE_THE_KILL = 40
PACKAGES_SHOWN = 8

console = Console(highlight=False, soft_wrap=True)
began_at = time.monotonic()


@dataclass(frozen=True)
class Story:
    """What happened, from the database and from the file that the step bodies wrote."""

    run: RunDetail
    attempts: list[AttemptView]
    steps: list[StepView]
    #: Process id and package, one per executed body.
    trace: list[tuple[int, str]]

    @property
    def finished_before_the_kill(self) -> set[str]:
        """Packages that the first attempt recorded."""
        return {step.value[0] for step in self.steps if step.attempt == 1 and step.name == "count"}

    @property
    def executed_before(self) -> set[str]:
        """Packages whose body came to its end in the first process."""
        return {package for pid, package in self.trace if pid == self.attempts[0].runner["pid"]}

    @property
    def executed_after(self) -> set[str]:
        """Packages whose body came to its end in a later one."""
        return {package for pid, package in self.trace if pid != self.attempts[0].runner["pid"]}


async def main() -> int:
    """Tell the story, and return 0 if everything is as promised."""
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
        trace = Path(folder) / "trace"
        os.environ["CENSUS_TRACE"] = str(trace)
        say("starting PostgreSQL and the control plane in a temporary directory")
        state = StateDirectory.at(Path(folder) / "state")
        async with (
            open_database(None, state) as database,
            serving(database, name_of_place(), state.launcher, also_unnamed=True) as plane,
        ):
            (applied,) = await apply(plane, load_manifests(MANIFEST.read_text(), str(MANIFEST)))
            assert applied.run_id is not None
            say(f"applied {MANIFEST.name}: {applied.address} {applied.outcome}")
            await kill_part_way(plane, applied.run_id)
            story = await finish(plane, applied.run_id, trace)
    say("checking: the plain loop counts the same packages, and the file tells which steps were executed twice")
    expected = await asyncio.to_thread(lambda: asdict(plain.census()))
    show(story)
    problems = check(story, expected)
    for problem in problems:
        console.print(f"[bold red]WRONG[/]  {problem}")
    if not problems:
        say("[bold green]everything as promised[/]; nothing is left running")
    return 1 if problems else 0


async def kill_part_way(plane: ControlPlane, run_id: UUID) -> None:
    """Wait until some steps are recorded, then kill the attempt's process."""
    while not (await plane.get(run_id)).is_final:
        recorded = await plane.count_steps(run_id)
        if recorded >= STEPS_BEFORE_THE_KILL:
            (attempt,) = await plane.attempts(run_id)
            pid = attempt.runner["pid"]
            os.kill(pid, signal.SIGKILL)
            say(f"attempt 1: {recorded} steps recorded; [bold]kill -9 {pid}[/]")
            return
        await asyncio.sleep(0.02)


async def finish(plane: ControlPlane, run_id: UUID, trace: Path) -> Story:
    """Follow the run to its end."""
    told: set[int] = {1}
    async for _ in plane.follow(run_id):
        for attempt in await plane.attempts(run_id):
            if attempt.replayed_steps is not None and attempt.number not in told:
                told.add(attempt.number)
                pid = attempt.runner["pid"]
                say(f"attempt {attempt.number}: process {pid} goes on; {attempt.replayed_steps} steps replayed")
    run = await plane.get(run_id)
    say(f"the run is {run.state} after {run.attempt} attempts")
    lines = [line.split(" ", 1) for line in trace.read_text().splitlines()]
    return Story(
        run=run,
        attempts=await plane.attempts(run_id),
        steps=await plane.steps(run_id),
        trace=[(int(pid), package) for pid, package in lines],
    )


def show(story: Story) -> None:
    """The answer, and how it came about."""
    if story.run.state is State.SUCCEEDED:
        console.print(census_table(story.run.result))
    in_flight = len(story.executed_before & story.executed_after)
    executed_again = len(story.finished_before_the_kill & story.executed_after)
    console.print(
        f"steps: {len(story.steps)} recorded; {story.run.replayed_steps} replayed from the record; "
        f"{len(story.trace)} bodies executed, {in_flight} of them again because the kill came before their record; "
        f"[bold]finished steps executed more than once: {executed_again}[/]"
    )


def census_table(census: dict[str, Any]) -> Table:
    """The largest packages and the totals."""
    columns = ("files", "lines", "functions", "classes")
    table = Table("package", *columns, show_footer=True)
    for column, name in zip(table.columns, ("total", *columns), strict=True):
        column.footer = "total" if name == "total" else f"{census['total'][name]:,}"
        column.justify = "left" if name == "total" else "right"
    largest = sorted(census["packages"].items(), key=lambda item: -item[1]["lines"])[:PACKAGES_SHOWN]
    for name, counts in largest:
        table.add_row(name, *(f"{counts[column]:,}" for column in columns))
    table.add_row(f"and {len(census['packages']) - len(largest)} more", "", "", "", "")
    return table


def check(story: Story, expected: dict[str, Any]) -> list[str]:
    """What is not as promised; nothing, if all is well."""
    problems = []
    if story.run.state is not State.SUCCEEDED:
        problems.append(f"the run is {story.run.state}: {story.run.message}")
    elif story.run.result != expected:
        problems.append("the answer is not the plain loop's")
    if story.run.attempt < 2 or not story.executed_after:
        problems.append("the kill came too late: no second attempt had anything to do")
    for package in sorted(story.finished_before_the_kill & story.executed_after):
        problems.append(f"the step of {package} was finished, and executed again")
    for package in sorted(story.finished_before_the_kill - story.executed_before):
        problems.append(f"the step of {package} is recorded, and was never executed")
    return problems


def say(sentence: str) -> None:
    """A line of progress, with the seconds since the beginning."""
    console.print(f"[dim]{time.monotonic() - began_at:5.1f} s[/]  {sentence}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
