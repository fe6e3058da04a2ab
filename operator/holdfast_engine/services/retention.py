"""Deletes finished runs that have outlived their time, with everything they recorded."""

from __future__ import annotations

from holdfast_engine.database import EngineDatabase
from holdfast_engine.service_loop import PassReport

BATCH = 500


class Retention:
    """Deletes runs in batches.

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
        """Delete one batch of runs."""
        deleted: int = await self._database.value("delete_finished_runs", self._retention_seconds, BATCH)
        return PassReport(changed=deleted, again_seconds=0 if deleted == BATCH else None)
