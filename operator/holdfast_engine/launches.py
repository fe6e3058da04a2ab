"""Rows of admitted runs as launches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast_engine.launcher import AttemptId, Launch

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, kw_only=True)
class Launches:
    """What all launches of an engine have in common."""

    #: Connection string for attempts.
    database: str = field(repr=False)
    database_grace_seconds: int
    shutdown_grace_seconds: int

    def of_row(self, row: asyncpg.Record) -> Launch:
        """The launch of a run that was admitted."""
        return Launch(
            id=AttemptId(row["run_id"], row["attempt"]),
            namespace=row["namespace"],
            name=row["name"],
            task=row["task"],
            queue=row["queue"],
            entrypoint=row["entrypoint"],
            template=row["template"],
            token=row["token"],
            database=self.database,
            database_grace_seconds=self.database_grace_seconds,
            shutdown_grace_seconds=self.shutdown_grace_seconds,
        )
