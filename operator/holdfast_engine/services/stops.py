"""Processes that live and should not: their runs are canceled, or their attempts are over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.contract.reasons import FailureClass
from holdfast.domain.states import State
from holdfast_engine.database import EngineDatabase, columns
from holdfast_engine.decide.stop import LiveAttempt, decide_stop
from holdfast_engine.launcher import AttemptId, Launcher
from holdfast_engine.service_loop import PassReport
from holdfast_engine.services.tolerant_batch import TolerantBatch

if TYPE_CHECKING:
    import asyncpg

_logger = logging.getLogger("holdfast.engine")


class Stops:
    """Ends processes by what the database says of their attempts.

    Args:
        database: where the attempts are.
        launcher: what has the processes.
    """

    name = "stops"

    def __init__(self, database: EngineDatabase, launcher: Launcher) -> None:
        self._database = database
        self._launcher = launcher
        self._told: set[AttemptId] = set()
        self._batch = TolerantBatch[AttemptId](lambda id: id)

    async def run_once(self) -> PassReport:
        """Look at every process once."""
        live = list(self._launcher.live())
        self._told.intersection_update(live)
        changed = await self._batch.apply("look at attempt", live, self._look)
        return PassReport(changed=changed, again_seconds=self._batch.again_seconds)

    async def _look(self, live: Sequence[AttemptId]) -> int:
        rows = await self._database.rows("check_attempts", *columns(live, len(AttemptId._fields)))
        stops = [stop for row in rows if (stop := decide_stop(_live_attempt(row))) is not None]
        for stop in stops:
            if stop.id not in self._told:
                _logger.info("stopping attempt %s of run %s: %s", stop.id.attempt, stop.id.run_id, stop.sentence)
                self._told.add(stop.id)
            await self._launcher.stop(stop.id, stop.grace_seconds)
        return len(stops)


def _live_attempt(row: asyncpg.Record) -> LiveAttempt:
    return LiveAttempt(
        id=AttemptId(row["run_id"], row["attempt"]),
        state=None if row["state"] is None else State(row["state"]),
        current_attempt=row["current_attempt"],
        outcome=row["outcome"],
        failure=None if row["failure"] is None else FailureClass(row["failure"]),
        ended_for_seconds=row["ended_for_seconds"],
        remaining_seconds=row["remaining_seconds"],
    )
