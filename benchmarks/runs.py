"""Runs that are ready for an attempt: accepted, admitted, not opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from benchmarks.server import Server
from benchmarks.statements import statement
from holdfast.contract.environment import AttemptEnvironment
from holdfast.contract.exit_codes import RunnerExit
from holdfast.protocol.connection import Database
from holdfast.runtime.attempt import Attempt
from holdfast.sdk.task import Task

if TYPE_CHECKING:
    from benchmarks.server import Connection


class Runs:
    """Does what an engine does until an attempt is launched."""

    def __init__(self, server: Server, connection: Connection) -> None:
        self._server = server
        self._connection = connection

    async def begin(self, entrypoint: str) -> AttemptEnvironment:
        """The first attempt of a new run."""
        run_id: UUID = await self._connection.fetchval(statement("trigger_run"), entrypoint)
        return await self._admit(run_id, entrypoint)

    async def go_on(self, before: AttemptEnvironment) -> AttemptEnvironment:
        """The next attempt of a run that has parked."""
        await self._connection.execute(statement("queue_parked_run"), before.run_id)
        return await self._admit(before.run_id, before.entrypoint)

    async def _admit(self, run_id: UUID, entrypoint: str | None) -> AttemptEnvironment:
        row = await self._connection.fetchrow(statement("admit_run"), run_id)
        assert row is not None
        return AttemptEnvironment(
            database=self._server.runner_dsn,
            run_id=run_id,
            attempt=row["number"],
            token=row["token"],
            entrypoint=entrypoint,
        )


async def run_attempt(environment: AttemptEnvironment, task: Task[..., Any], database: Database) -> RunnerExit:
    """Run one attempt of ``task`` in this process."""
    attempt = Attempt(environment, owns_process=False, load=lambda _: task, database=database)
    return await attempt.run()
