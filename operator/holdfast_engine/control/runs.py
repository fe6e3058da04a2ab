"""The runs, as they are at a moment."""

from __future__ import annotations

from uuid import UUID

from holdfast.domain.errors import ConflictError, NotFoundError
from holdfast.domain.states import State
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.protocol.recorded_run import RecordedRun
from holdfast_engine.control.references import id_range
from holdfast_engine.control.statements import Statements
from holdfast_engine.control.views import AttemptView, RunDetail, RunView, StepView

PAGE = 500

HISTORY_PAGE = 50
"""Of records with all their values, each of which may have a megabyte."""


class Runs(Statements):
    """Finds runs, and shows them. ``run`` is a run's id, a beginning of it that is unambiguous, or its name."""

    async def find(self, run: str | UUID) -> UUID:
        """The id of a run.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: several ids begin like this.
        """
        if isinstance(run, UUID):
            return run
        by_name = await self._rows("find_run_by_name", self.namespace, run)
        ids = id_range(run)
        found = by_name or (
            await self._rows("find_runs_by_id_prefix", self.namespace, ids.first, ids.last) if ids else []
        )
        if not found:
            raise NotFoundError(f"No run {run!r} in namespace {self.namespace!r}. See: holdfast runs list")
        if len(found) > 1:
            raise ConflictError(f"Several runs have an id that begins with {run!r}: give more of it, or the name.")
        run_id: UUID = found[0]["id"]
        return run_id

    async def named(self, name: str) -> RunDetail | None:
        """The run of exactly this name; None if there is none."""
        rows = await self._rows("find_run_by_name", self.namespace, name)
        return await self.get(rows[0]["id"]) if rows else None

    async def get(self, run: str | UUID) -> RunDetail:
        """A run with its input, result and error."""
        run_id = await self.find(run)
        payload = await self._rows("read_run_payload", run_id)
        rows = await self._rows("read_runs", [run_id])
        if not rows or not payload:
            raise NotFoundError(f"No run {run_id}: it was removed, or never was.")
        return RunDetail.from_rows(rows[0], payload[0])

    async def runs(
        self,
        *,
        state: State | None = None,
        task: str | None = None,
        queue: str | None = None,
        limit: int = 50,
        before: str | UUID | None = None,
    ) -> list[RunView]:
        """Runs, newest first; ``before`` continues a list after that run."""
        start = None if before is None else await self.find(before)
        filters = (self.namespace, start, task, queue, limit)
        if state is None:
            rows = await self._rows("list_runs", *filters)
        else:
            rows = await self._rows("list_runs_in_state", *filters, str(state))
        return await self.views([row["id"] for row in rows])

    async def views(self, run_ids: list[UUID]) -> list[RunView]:
        """These runs, newest first; those that were removed are left out."""
        return [RunView.from_row(row) for row in await self._rows("read_runs", run_ids)]

    async def dead_letters(self, limit: int = 50) -> list[RunView]:
        """Runs whose retries are exhausted and about which nobody has decided, latest first."""
        ids = [row["id"] for row in await self._rows("list_dead_letters", self.namespace, limit)]
        views = {view.id: view for view in await self.views(ids)}
        return [views[run_id] for run_id in ids if run_id in views]

    async def attempts(self, run: str | UUID) -> list[AttemptView]:
        """The attempts of a run, first to last."""
        run_id = await self._existing(run)
        return [AttemptView.from_row(row) for row in await self._rows("list_attempts", run_id)]

    async def count_steps(self, run: str | UUID) -> int:
        """How many steps of a run have succeeded."""
        row = await self._row("count_steps", await self.find(run))
        return int(row[0])

    async def steps(self, run: str | UUID) -> list[StepView]:
        """The recorded operations of a run, in the order of their records."""
        run_id = await self._existing(run)
        steps: list[StepView] = []
        while True:
            last = steps[-1].sequence if steps else 0
            page = await self._rows("list_steps", run_id, last, PAGE)
            steps += [StepView.from_row(row) for row in page]
            if len(page) < PAGE:
                return steps

    async def recorded(self, run: str | UUID) -> RecordedRun:
        """A run with everything that it has recorded, to be replayed elsewhere. Changes nothing."""
        run_id = await self.find(run)
        rows = await self._rows("read_recorded_run", run_id)  # first: a history may be newer than the state, not older
        if not rows:
            raise NotFoundError(f"No run {run_id}: it was removed, or never was.")
        records: list[StepRecord] = []
        while True:
            last = records[-1].sequence if records else 0
            page = await self._rows("read_history", run_id, last, HISTORY_PAGE)
            records += [StepRecord(**{**row, "outcome": StepOutcome(row["outcome"])}) for row in page]
            if len(page) < HISTORY_PAGE:
                return RecordedRun(**{**rows[0], "run_id": UUID(int=run_id.int)}, history=tuple(records))

    async def _existing(self, run: str | UUID) -> UUID:
        run_id = await self.find(run)
        if isinstance(run, UUID) and not await self.views([run_id]):
            raise NotFoundError(f"No run {run_id}.")
        return run_id
