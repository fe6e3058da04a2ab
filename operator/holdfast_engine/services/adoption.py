"""What an engine left behind that died: attempts between admitted and launched, and processes that went unseen."""

from __future__ import annotations

from collections.abc import Set
from functools import partial

from holdfast.contract.reasons import FailureClass, Reason
from holdfast_engine.database import EngineDatabase
from holdfast_engine.launcher import AttemptId, Launcher
from holdfast_engine.launches import Launches
from holdfast_engine.service_loop import PassReport
from holdfast_engine.services.admission import launch_all
from holdfast_engine.services.ended_attempts import EndedAttempt, end_attempts
from holdfast_engine.services.tolerant_batch import TolerantBatch

ABANDONED_AFTER_SECONDS = 60.0
"""When an attempt that another launcher was given and has not launched counts as lost."""


class Adoption:
    """Goes on where an engine of the same launcher was killed.

    Args:
        database: where the attempts are.
        launcher: what has the processes, those of its earlier life too.
        launches: how rows become launches.
    """

    name = "adoption"

    def __init__(self, database: EngineDatabase, launcher: Launcher, launches: Launches) -> None:
        self._database = database
        self._launcher = launcher
        self._launches = launches
        self._batch = TolerantBatch[EndedAttempt](lambda ended: AttemptId(ended.run_id, ended.attempt))

    async def run_once(self) -> PassReport:
        """Launch what was admitted and not launched; end what was launched and has no process."""
        unlaunched = await self._database.rows("unlaunched_runs", self._launcher.name)
        if unlaunched:
            await launch_all(self._database, self._launcher, [self._launches.of_row(row) for row in unlaunched])
        lost = await self._lost() + await self._abandoned()
        ended = await self._batch.apply("end attempt", lost, partial(end_attempts, self._database))
        return PassReport(changed=len(unlaunched) + ended, again_seconds=self._batch.again_seconds)

    async def _lost(self) -> list[EndedAttempt]:
        rows = await self._database.rows("launched_attempts", self._launcher.name)
        launched = {AttemptId(row["run_id"], row["attempt"]) for row in rows}
        # Asked after the database: a process that was launched in between is known to the launcher.
        if self._missing(launched):
            await self._launcher.look()
        message = "its process is gone; no engine was there to see how it ended"
        return [
            EndedAttempt(*id, FailureClass.DISRUPTION, Reason.PROCESS_LOST, message) for id in self._missing(launched)
        ]

    def _missing(self, launched: Set[AttemptId]) -> Set[AttemptId]:
        return launched - {*self._launcher.live(), *(exit.id for exit in self._launcher.exits())}

    async def _abandoned(self) -> list[EndedAttempt]:
        rows = await self._database.rows("abandoned_attempts", self._launcher.name, ABANDONED_AFTER_SECONDS)
        message = "the engine that had to launch it is gone"
        return [
            EndedAttempt(row["run_id"], row["attempt"], FailureClass.DISRUPTION, Reason.PROCESS_LOST, message)
            for row in rows
        ]
