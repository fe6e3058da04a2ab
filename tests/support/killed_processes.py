"""Runs whose attempts are real processes, each killed by SIGKILL where a test says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from holdfast.contract.environment import AttemptEnvironment
from holdfast.sdk.task import Task
from holdfast.testing import CrashPoint, RunResult, TaskEnvironment
from holdfast.testing.process import KILL_AT, PARK_AFTER_SECONDS

ROOT = Path(__file__).parents[2]


class KilledProcesses:
    """Makes the attempts of runs, and of those that they trigger, one after the other.

    Attributes:
        deaths: by entrypoint, the moments at which each run of that task is killed, one after the other, as
            `holdfast.testing.process` reads them. A death that an attempt does not reach is left for the next one.
    """

    def __init__(self, environment: TaskEnvironment) -> None:
        self._environment = environment
        self._died: Counter[UUID] = Counter()
        self.deaths: dict[str, list[str]] = {}

    @property
    def kills(self) -> int:
        """How many attempts were killed."""
        return self._died.total()

    async def run(self, task: Task[..., Any], **input: Any) -> RunResult:
        """Trigger a run and drive it until it ends, or waits for somebody."""
        run_id = await self._environment.trigger(task, input)
        return await self._environment.drive_with(task, run_id, self._launch)

    async def go_on(self, run: RunResult, task: Task[..., Any]) -> RunResult:
        """Go on with a run that waited for somebody."""
        return await self._environment.drive_with(task, run.run_id, self._launch)

    async def _launch(self, attempt: AttemptEnvironment) -> str:
        variables = os.environ | attempt.to_mapping() | {PARK_AFTER_SECONDS: "0.5"}
        variables.pop(KILL_AT, None)
        left = self.deaths.get(attempt.entrypoint or "", [])[self._died[attempt.run_id] :]
        if left:
            variables[KILL_AT] = str(CrashPoint.parse(left[0]))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast.testing.process"), env=variables, cwd=ROOT
        )
        code = await process.wait()
        self._died[attempt.run_id] += code == -signal.SIGKILL
        return f"the process ended with {code}"
