"""In which namespace each run is, for whoever finds its id on an object that anybody may have written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from uuid import UUID

from holdfast.domain.errors import ControlError
from holdfast_engine.backoff import Backoff
from holdfast_operator.rows import TaskRunRows

_logger = logging.getLogger("holdfast.operator")


class RunNamespaces:
    """Remembers where runs are, and asks the database for those that it does not know.

    Args:
        rows: the database.
        on_answer: called with each run that was asked for, when the answer is there.
    """

    def __init__(self, rows: TaskRunRows, on_answer: Callable[[UUID], None]) -> None:
        self._rows = rows
        self._on_answer = on_answer
        #: ``None``: there is no such run.
        self._known: dict[UUID, str | None] = {}
        self._unknown: set[UUID] = set()
        self._asking: asyncio.Task[None] | None = None

    def note(self, run_id: UUID, namespace: str) -> None:
        """It became known otherwise."""
        self._known[run_id] = namespace

    def is_in(self, run_id: UUID, namespace: str) -> bool | None:
        """Whether the run is there, or is nowhere any more; ``None``: it is asked for."""
        if run_id not in self._known:
            self._ask_soon(run_id)
            return None
        return self._known[run_id] in (namespace, None)

    def forget(self, run_id: UUID) -> None:
        """Nobody will ask for it soon."""
        self._known.pop(run_id, None)

    async def learn(self, run_ids: Collection[UUID]) -> None:
        """Ask for many at once.

        Raises:
            ControlError: the database cannot say.
        """
        asked = [run_id for run_id in run_ids if run_id not in self._known]
        found = {row["id"]: row["namespace"] for row in await self._rows.rows("run_namespaces", asked)}
        self._known.update({run_id: found.get(run_id) for run_id in asked})

    async def aclose(self) -> None:
        """Ask no more. May come twice."""
        task, self._asking = self._asking, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _ask_soon(self, run_id: UUID) -> None:
        self._unknown.add(run_id)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="holdfast run namespaces")

    async def _ask(self) -> None:
        backoff = Backoff()
        while self._unknown:
            asked = list(self._unknown)
            try:
                await self.learn(asked)
            except ControlError as error:
                _logger.debug("where %d runs are is asked again: %s", len(asked), error)
                await asyncio.sleep(backoff.next_seconds())
                continue
            self._unknown.difference_update(asked)
            for run_id in asked:
                self._on_answer(run_id)
        self._asking = None
