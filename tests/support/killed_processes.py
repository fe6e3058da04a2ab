"""Runs whose attempts are real processes, each killed by SIGKILL where a test says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.contract.environment import AttemptEnvironment
from holdfast.sdk.task import Task
from holdfast.testing import CrashPoint, RunResult, TaskEnvironment
from holdfast.testing.process import KILL_AT

ROOT = Path(__file__).parents[2]

KillAt = Callable[[AttemptEnvironment], str | None]
"""Where an attempt dies, as `holdfast.testing.process` reads it; None: nowhere."""


class KilledProcesses:
    """Makes the attempts of runs, and of those that they trigger, one after the other.

    Attributes:
        kill_at: asked for each attempt.
        kills: how many attempts were killed.
    """

    def __init__(self, environment: TaskEnvironment, kill_at: KillAt = lambda _: None) -> None:
        self._environment = environment
        self.kill_at = kill_at
        self.kills = 0

    async def run(self, task: Task[..., Any], **input: Any) -> RunResult:
        """Trigger a run and drive it until it ends, or waits for somebody."""
        run_id = await self._environment.trigger(task, input)
        return await self._environment.drive_with(task, run_id, self._launch)

    async def go_on(self, run: RunResult, task: Task[..., Any]) -> RunResult:
        """Go on with a run that waited for somebody."""
        return await self._environment.drive_with(task, run.run_id, self._launch)

    async def _launch(self, attempt: AttemptEnvironment) -> str:
        variables = os.environ | attempt.to_mapping()
        variables.pop(KILL_AT, None)
        where = self.kill_at(attempt)
        if where is not None:
            variables[KILL_AT] = str(CrashPoint.parse(where))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast.testing.process"), env=variables, cwd=ROOT
        )
        code = await process.wait()
        self.kills += code == -signal.SIGKILL
        return f"the process ended with {code}"
