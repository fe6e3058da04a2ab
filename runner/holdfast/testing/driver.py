"""Takes a run from state to state until it ends: what an engine does, in one place and without waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from holdfast.contract.environment import AttemptEnvironment
from holdfast.domain.states import FINAL, HOLDS_SLOT, State
from holdfast.protocol.messages import WaitKind
from holdfast.testing.clock import Clock
from holdfast.testing.store import Store

_ASKS = frozenset({WaitKind.TOKEN, WaitKind.SIGNAL, WaitKind.EVENT})
"""Kinds of waits that somebody outside ends."""

Launch = Callable[[AttemptEnvironment], Coroutine[Any, Any, str]]
"""Makes one attempt to its end, or to its death, and returns one sentence about that."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """Where a run stands. See the columns of `holdfast.runs`."""

    state: State
    attempt: int
    failures: int
    launcher: str | None
    result: str | None
    error: str | None
    reason: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """A run that has not ended, of those that one test has triggered."""

    id: UUID
    state: State
    attempt: int
    due_at: datetime | None
    wait_kind: str | None


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
        """Make attempts of the run and of those that it triggers, until it has ended, was suspended, or waits for
        somebody else.

        An attempt that died counts as lost. Where runs wait for a token, a signal or an event when this is called,
        they wait until its time is over, if it has one.
        """
        is_patient = True
        while True:
            run = await self.read(run_id)
            while await self._store.value("cancel_follower"):
                pass
            if run.state in FINAL or run.state is State.SUSPENDED:
                return run
            family = await self._family(run.launcher or "")
            if not await self._move(family, run.launcher or "", launch, is_patient):
                return run
            is_patient = False

    async def _family(self, launcher: str) -> list[Member]:
        rows = await self._store.rows("read_test_family", launcher)
        return [Member(**{**row, "state": State(row["state"])}) for row in rows]

    async def _move(self, family: Sequence[Member], launcher: str, launch: Launch, is_patient: bool) -> bool:
        """Do what comes next; False if there is nothing but waiting for somebody else."""
        if any(member.state is State.QUEUED for member in family):
            await self._attempt(launcher, launch)
            return True
        for member in family:
            if member.state in HOLDS_SLOT:
                await self._store.value("lose_attempt", member.id, member.attempt, "nobody knows its process")
                return True
        asks = any(member.wait_kind in _ASKS for member in family)
        timed = [(member.due_at, member.id) for member in family if member.due_at is not None]
        if asks and not is_patient:
            # but one that died comes back by itself
            timed = [(member.due_at, member.id) for member in family if member.due_at and member.state is State.BACKOFF]
        if not timed:
            return False
        due_at, first = min(timed)
        await self._clock.advance_to(due_at)
        await self._store.value("queue_due_runs", [first])
        return True

    async def _attempt(self, launcher: str, launch: Launch) -> None:
        admitted = await self._store.rows("admit_runs", [launcher], launcher, 1)
        if not admitted:
            await asyncio.sleep(0)  # someone else holds the row at this moment
            return
        (row,) = admitted
        why = await launch(
            AttemptEnvironment(
                database=self._runner_dsn,
                run_id=row["run_id"],
                attempt=row["attempt"],
                token=row["token"],
                entrypoint=row["entrypoint"],
                shutdown_grace_seconds=1,
            )
        )
        # does nothing to an attempt that has told its end
        await self._store.value("lose_attempt", row["run_id"], row["attempt"], why)
