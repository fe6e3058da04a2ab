"""One case of the crash corpus: a program, where it dies, and what must hold when it has ended nevertheless."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from holdfast.contract.environment import AttemptEnvironment
from holdfast.runtime.faults import FaultPoint
from holdfast.sdk.task import Task
from holdfast.testing import CrashPlan, CrashPoint, RunResult, TaskEnvironment
from holdfast.testing.process import KILL_AT, PARK_AFTER_SECONDS
from tests.support.oracle import Oracle, effects, executed_after_record

WATCHDOG_SECONDS = 60.0
"""A run that has not ended by then will not."""

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Case:
    """A program and where its attempts die: one crash point per attempt, in order."""

    task: Task[..., Any]
    crashes: tuple[CrashPoint, ...] = ()
    input: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        crashes = " and ".join(map(str, self.crashes)) or "no point"
        return f"{self.task.name}({self.input or ''}) dying at {crashes}"


class Corpus:
    """Runs cases in one environment, and judges them."""

    def __init__(self, environment: TaskEnvironment, oracle: Oracle) -> None:
        self._environment = environment
        self._oracle = oracle

    async def uncrashed(
        self, task: Task[..., Any], input: dict[str, Any] | None = None, *, state: str = "Succeeded"
    ) -> tuple[RunResult, CrashPlan]:
        """The run that nobody disturbs, which ends in ``state``, and the moments that it reached."""
        plan = CrashPlan()
        run_id = await self._environment.trigger(task, input or {})
        async with asyncio.timeout(WATCHDOG_SECONDS):
            result = await _to_its_end(lambda: self._environment.drive(task, run_id, plan))
        assert result.state == state, f"{task.name} without a crash: {result.state}, {result.message}"
        return result, plan

    async def here(self, case: Case) -> RunResult:
        """Run the case in this process; a crash whose point is not reached does not happen."""
        run_id = await self._environment.trigger(case.task, case.input)
        left = list(case.crashes)

        async def launch(attempt: AttemptEnvironment) -> str:
            await self._tell_recorded(attempt.run_id)
            plan = _TellingPlan(left[:1], self._oracle, attempt.run_id)
            why = await self._environment.attempt(attempt, case.task, plan)
            if left and not plan.waiting:
                del left[0]
            return why

        async with asyncio.timeout(WATCHDOG_SECONDS):
            return await _to_its_end(lambda: self._environment.drive_with(case.task, run_id, launch))

    async def in_processes(self, case: Case) -> tuple[RunResult, int]:
        """Run each attempt in a process of its own; returns how many of them were killed, too."""
        run_id = await self._environment.trigger(case.task, case.input)
        left = list(case.crashes)
        killed = 0

        async def launch(attempt: AttemptEnvironment) -> str:
            nonlocal killed
            await self._tell_recorded(attempt.run_id)
            code = await _process(attempt, left[0] if left else None)
            if code == -9:
                del left[0]
                killed += 1
            return f"the process ended with {code}"

        async with asyncio.timeout(WATCHDOG_SECONDS):
            result = await _to_its_end(lambda: self._environment.drive_with(case.task, run_id, launch))
            return result, killed

    async def _tell_recorded(self, run_id: UUID) -> None:
        for key in await self._environment.succeeded_steps(run_id):
            self._oracle.recorded(run_id, key)

    def judge(self, case: Case, result: RunResult, expected: RunResult, *, same_history: bool = True) -> None:
        """Fail unless the run ended as the uncrashed one did, and no finished step was executed again."""
        assert result.state == expected.state, f"{case}: {result.state}, {result.message}"
        assert result.result == expected.result, f"{case}: another answer"
        events = self._oracle.events()
        for run_id, of_run in events.items():
            assert executed_after_record(of_run) == [], f"{case}: finished steps of run {run_id} were executed again"
        if same_history:
            assert _history(result) == _history(expected), f"{case}: another history"
        self._judge_effects(case, result, effects(events.get(str(result.run_id), [])))

    def _judge_effects(self, case: Case, result: RunResult, found: Counter[str]) -> None:
        # the end of an attempt, by a crash or by a failure in one branch, interrupts the bodies that other branches run
        interruptions = len(case.crashes) + result.failures
        for step in result.steps:
            if step.kind in ("step", "compensation", "hook") and step.outcome == "Succeeded":
                assert 1 <= found[step.key] <= 1 + interruptions, f"{case}: {step.key} had {found[step.key]} effects"


class _TellingPlan(CrashPlan):
    """Tells the oracle of each record as soon as it is known to be committed."""

    def __init__(self, points: Iterable[CrashPoint], oracle: Oracle, run_id: UUID) -> None:
        super().__init__(points)
        self._oracle = oracle
        self._run_id = run_id

    def reach(self, point: FaultPoint, key: str) -> None:
        if point is FaultPoint.AFTER_RECORD:
            self._oracle.recorded(self._run_id, key)
        super().reach(point, key)


def crash_points(plan: CrashPlan) -> list[CrashPoint]:
    """One crash point for each moment that an uncrashed run reached."""
    seen: Counter[tuple[FaultPoint, str]] = Counter()
    points = []
    for moment in plan.reached:
        seen[moment] += 1
        points.append(CrashPoint(*moment, seen[moment]))
    return points


def _history(result: RunResult) -> dict[str, tuple[object, ...]]:
    return {step.key: (step.kind, step.name, step.outcome, step.position) for step in result.steps}


async def _to_its_end(drive: Callable[[], Awaitable[RunResult]]) -> RunResult:
    """Where a run waits for somebody, ``drive`` returns; nobody comes here, so it waits until its time is over."""
    while (result := await drive()).state == "Waiting":
        pass
    return result


async def _process(attempt: AttemptEnvironment, crash: CrashPoint | None) -> int:
    variables = os.environ | attempt.to_mapping() | {PARK_AFTER_SECONDS: "0.5"}
    variables.pop(KILL_AT, None)
    if crash is not None:
        variables[KILL_AT] = str(crash)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holdfast.testing.process", env=variables, cwd=ROOT
    )
    return await process.wait()
