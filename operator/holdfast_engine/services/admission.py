"""Admission: queued runs take the free slots of their queues, and the launcher makes their processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from holdfast.contract.reasons import FailureClass, Reason
from holdfast.domain.errors import LaunchError
from holdfast_engine.database import EngineDatabase, columns
from holdfast_engine.launcher import AttemptId, Launch, Launcher
from holdfast_engine.launches import Launches
from holdfast_engine.service_loop import PassReport
from holdfast_engine.services.ended_attempts import EndedAttempt, end_attempts

_logger = logging.getLogger("holdfast.engine")

BATCH = 50
"""Runs admitted in one transaction: the lock of admission is held for some milliseconds at most."""


class Admission:
    """Admits runs and launches them.

    Args:
        database: where runs wait.
        launcher: what makes their processes; its capacity is a limit, too.
        launches: how rows become launches.
        launchers: names of launchers whose runs are admitted; ``""`` stands for runs that name none.
    """

    name = "admission"

    def __init__(
        self, database: EngineDatabase, launcher: Launcher, launches: Launches, launchers: Sequence[str]
    ) -> None:
        self._database = database
        self._launcher = launcher
        self._launches = launches
        self._launchers = list(launchers)

    async def run_once(self) -> PassReport:
        """Admit as many runs as there are slots and capacity, up to one batch, and launch them."""
        limit = min(BATCH, self._launcher.capacity())
        if limit <= 0:
            return PassReport()
        rows = await self._database.rows("admit_runs", self._launchers, self._launcher.name, limit)
        if not rows:
            return PassReport(again_seconds=await self._database.value("next_start", self._launchers))
        await launch_all(self._database, self._launcher, [self._launches.of_row(row) for row in rows])
        return PassReport(changed=len(rows), again_seconds=0)


async def launch_all(database: EngineDatabase, launcher: Launcher, launches: Sequence[Launch]) -> None:
    """Launch attempts side by side and record which were; end those that could not be, so that they are tried later."""
    errors = await asyncio.gather(*(_launch(launcher, launch) for launch in launches))
    launched = [launch.id for launch, error in zip(launches, errors, strict=True) if error is None]
    failed = {launch.id: error for launch, error in zip(launches, errors, strict=True) if error is not None}
    if launched:
        await database.rows("mark_launched", *columns(launched, len(AttemptId._fields)))
    for id, error in failed.items():
        _logger.warning("attempt %s of run %s could not be launched: %s", id.attempt, id.run_id, error)
    # The answer may have been lost of a launch that happened: an attempt that was opened goes on.
    await end_attempts(
        database,
        [
            EndedAttempt(*id, FailureClass.START, Reason.LAUNCH_FAILED, str(error), only_unopened=True)
            for id, error in failed.items()
        ],
    )


async def _launch(launcher: Launcher, launch: Launch) -> LaunchError | None:
    try:
        await launcher.launch(launch)
    except LaunchError as error:
        return error
    except Exception as error:
        _logger.exception("the launcher failed at attempt %s of run %s", launch.id.attempt, launch.id.run_id)
        return LaunchError(f"the launcher failed: {type(error).__name__}: {error}")
    return None
