"""Runs that follow a parent which was canceled, or discarded as a dead letter: they are canceled, too."""

from __future__ import annotations

from holdfast_engine.database import EngineDatabase
from holdfast_engine.service_loop import PassReport

BATCH = 100


class Followers:
    """Cancels children, one per transaction: a child that ends at that moment tells its parent, and must not wait.

    Args:
        database: where the runs are.
    """

    name = "followers"

    def __init__(self, database: EngineDatabase) -> None:
        self._database = database

    async def run_once(self) -> PassReport:
        """Cancel up to 100 children."""
        for canceled in range(BATCH):
            if await self._database.value("cancel_follower") is None:
                return PassReport(changed=canceled)
        return PassReport(changed=BATCH, again_seconds=0)
