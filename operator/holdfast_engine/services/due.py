"""Time: gathers the runs that are due, decides what becomes of each, and applies it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, assert_never

from holdfast.domain.states import State
from holdfast.protocol.refusals import is_passing
from holdfast_engine.database import EngineDatabase
from holdfast_engine.decide.due import Action, Decision, DueRun, decide
from holdfast_engine.service_loop import PassReport
from holdfast_engine.services.ended_attempts import EndedAttempt, end_attempts
from holdfast_engine.services.tolerant_batch import TolerantBatch

if TYPE_CHECKING:
    import asyncpg

BATCH = 500
SHORTEST_SLEEP_SECONDS = 0.001
STUCK_SECONDS = 1.0
"""Until the next look when runs are due and nothing could be done about any of them."""


class DueRuns:
    """Does what the time demands: delays, backoffs, timers, leases, deadlines, expiry.

    Args:
        database: where the runs are.
    """

    name = "due runs"

    def __init__(self, database: EngineDatabase) -> None:
        self._database = database
        self._was_away = False
        self._batches = {action: TolerantBatch[Decision](lambda decision: decision.run_id) for action in Action}

    async def run_once(self) -> PassReport:
        """Handle up to 500 due runs, the longest waiting first.

        While the database is away no attempt can be heard of, and none is lost for that: what it has to record, it
        keeps. So the leases that ran out meanwhile begin anew.
        """
        try:
            if self._was_away:
                await self._database.value("renew_leases")
                self._was_away = False
            return await self._pass()
        except Exception as error:
            self._was_away = self._was_away or is_passing(error)
            raise

    async def _pass(self) -> PassReport:
        rows = await self._database.rows("due_runs", BATCH)
        decisions = [decision for row in rows if (decision := decide(_due_run(row), row["now"])) is not None]
        changed = 0
        for action, batch in self._batches.items():
            of_action = [decision for decision in decisions if decision.action is action]
            changed += await batch.apply(f"{action} run", of_action, partial(self._apply, action))
        if changed and len(rows) == BATCH:
            return PassReport(changed=changed, again_seconds=0)
        if rows and not changed:
            return PassReport(again_seconds=STUCK_SECONDS)
        return PassReport(changed=changed, again_seconds=await self._next_seconds())

    async def _next_seconds(self) -> float | None:
        seconds: float | None = await self._database.value("next_wake")
        return None if seconds is None else max(SHORTEST_SLEEP_SECONDS, seconds)

    async def _apply(self, action: Action, decisions: Sequence[Decision]) -> int:
        run_ids = [decision.run_id for decision in decisions]
        match action:
            case Action.QUEUE:
                return int(await self._database.value("queue_due_runs", run_ids))
            case Action.EXPIRE:
                return int(await self._database.value("expire_runs", run_ids))
            case Action.TIME_OUT:
                rows = await self._database.rows("time_out_runs", run_ids)
                return sum(row["state"] == State.TIMED_OUT for row in rows)
            case Action.END_ATTEMPT:
                return await end_attempts(self._database, [_ended(decision) for decision in decisions])
            case _:
                assert_never(action)


def _ended(decision: Decision) -> EndedAttempt:
    assert decision.failure is not None
    return EndedAttempt(decision.run_id, decision.attempt, decision.failure, decision.reason, decision.sentence)


def _due_run(row: asyncpg.Record) -> DueRun:
    return DueRun(
        run_id=row["run_id"],
        state=State(row["state"]),
        attempt=row["attempt"],
        due_at=row["due_at"],
        expire_at=row["expire_at"],
        lease_expires_at=row["lease_expires_at"],
        attempt_deadline_at=row["attempt_deadline_at"],
        pending_deadline_at=row["pending_deadline_at"],
        run_deadline_at=row["run_deadline_at"],
    )
