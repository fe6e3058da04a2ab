"""Takes a run from state to state until it ends: what an engine does, in one place and without waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from holdfast.contract.environment import AttemptEnvironment
from holdfast.domain.states import FINAL, HOLDS_SLOT, State
from holdfast.protocol.messages import WaitKind
from holdfast.testing.clock import Clock
from holdfast.testing.store import Store

Launch = Callable[[AttemptEnvironment], Coroutine[Any, Any, str]]
"""Makes one attempt to its end, or to its death, and returns one sentence about that."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """Where a run stands. See the columns of `holdfast.runs`."""

    state: State
    attempt: int
    failures: int
    launcher: str | None
    due_at: datetime | None
    wait_kind: str | None
    result: str | None
    error: str | None
    reason: str | None
    message: str | None


class Driver:
    """Makes the attempts of runs.

    Args:
        store: the database, as the owner of the schema.
        clock: moved forward whenever a run waits.
        runner_dsn: the database, as attempts see it.
    """

    def __init__(self, store: Store, clock: Clock, runner_dsn: str) -> None:
        self._store = store
        self._clock = clock
        self._runner_dsn = runner_dsn

    async def read(self, run_id: UUID) -> RunRow:
        """Where the run stands now."""
        (row,) = await self._store.rows("read_test_run", run_id)
        return RunRow(**{**row, "state": State(row["state"])})

    async def drive(self, run_id: UUID, launch: Launch) -> RunRow:
        """Make attempts until the run has ended, was suspended, or waits for somebody else.

        An attempt that died counts as lost. A run that waits for a token when this is called waits until its time is
        over, if it has one.
        """
        is_patient = True
        while True:
            run = await self.read(run_id)
            if run.state in FINAL or run.state is State.SUSPENDED:
                return run
            if run.state is State.WAITING and run.wait_kind == WaitKind.TOKEN and not (is_patient and run.due_at):
                return run
            is_patient = False
            if run.state is State.QUEUED:
                await self._attempt(run_id, run.launcher or "", launch)
            elif run.state in HOLDS_SLOT:
                await self._store.value("lose_attempt", run_id, run.attempt, "nobody knows its process")
            else:
                assert run.due_at is not None, f"{run.state} without a time"
                await self._clock.advance_to(run.due_at)
                await self._store.value("queue_due_runs", [run_id])

    async def _attempt(self, run_id: UUID, launcher: str, launch: Launch) -> None:
        admitted = await self._store.rows("admit_runs", [launcher], launcher, 1)
        if not admitted:
            await asyncio.sleep(0)  # someone else holds the row at this moment
            return
        (row,) = admitted
        why = await launch(
            AttemptEnvironment(
                database=self._runner_dsn,
                run_id=run_id,
                attempt=row["attempt"],
                token=row["token"],
                entrypoint=row["entrypoint"],
                shutdown_grace_seconds=1,
            )
        )
        # does nothing to an attempt that has told its end
        await self._store.value("lose_attempt", run_id, row["attempt"], why)
