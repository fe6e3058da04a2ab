"""Deletes finished runs that have outlived their time, with everything they recorded, and old events."""

from __future__ import annotations

from holdfast.contract.limits import EVENT_RETENTION_SECONDS
from holdfast_engine.database import EngineDatabase
from holdfast_engine.service_loop import PassReport

BATCH = 500


class Retention:
    """Deletes runs and events in batches.

    Args:
        database: where the runs are.
        retention_seconds: how long a finished run without a time to live of its own is kept; ``None``: for ever.
            Dead letters among them stay until they are discarded.
    """

    name = "retention"

    def __init__(self, database: EngineDatabase, retention_seconds: float | None) -> None:
        self._database = database
        self._retention_seconds = retention_seconds

    async def run_once(self) -> PassReport:
        """Delete one batch of runs, and one of events."""
        runs: int = await self._database.value("delete_finished_runs", self._retention_seconds, BATCH)
        events: int = await self._database.value("delete_old_events", EVENT_RETENTION_SECONDS, BATCH)
        return PassReport(changed=runs + events, again_seconds=0 if BATCH in (runs, events) else None)
