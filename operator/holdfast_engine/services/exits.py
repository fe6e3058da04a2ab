"""Processes that are gone: the database is asked whether their attempts had recorded how they ended."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast_engine.database import EngineDatabase, columns
from holdfast_engine.decide.exit import judge
from holdfast_engine.launcher import AttemptId, Exit, Launcher
from holdfast_engine.service_loop import PassReport
from holdfast_engine.services.ended_attempts import EndedAttempt, end_attempts
from holdfast_engine.services.tolerant_batch import TolerantBatch


class Exits:
    """Ends the attempts of processes that are gone, unless they have ended.

    The launcher remembers an exit until the database knows of it, so none is lost while the database is away, or cannot
    take note of it.

    Args:
        database: where attempts end.
        launcher: what tells of exits.
    """

    name = "exits"

    def __init__(self, database: EngineDatabase, launcher: Launcher) -> None:
        self._database = database
        self._launcher = launcher
        self._batch = TolerantBatch[Exit](lambda exit: exit.id)

    async def run_once(self) -> PassReport:
        """Take note of every process that is gone."""
        changed = await self._batch.apply("end attempt", self._launcher.exits(), self._end)
        return PassReport(changed=changed, again_seconds=self._batch.again_seconds)

    async def _end(self, exits: Sequence[Exit]) -> int:
        succeeded = [exit.id for exit in exits if exit.is_success]
        if succeeded:
            await self._database.rows("finish_commands", *columns(succeeded, len(AttemptId._fields)))
        await end_attempts(self._database, [_ended(exit) for exit in exits if not exit.is_success])
        for exit in exits:
            await self._launcher.release(exit.id)
        return len(exits)


def _ended(exit: Exit) -> EndedAttempt:
    verdict = judge(exit)
    return EndedAttempt(
        *exit.id, verdict.failure, verdict.reason, verdict.message, verdict.exit_code, verdict.only_unopened
    )
