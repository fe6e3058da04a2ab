"""The queues: where runs wait for admission."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast.domain.errors import NotFoundError
from holdfast_engine.control.references import near_names
from holdfast_engine.control.statements import Statements, put_outcome
from holdfast_engine.control.views import QueueView


class Queues(Statements):
    """Queues of a namespace, and their limits."""

    async def queues(self) -> list[QueueView]:
        """The queues, by name."""
        return [QueueView.from_row(row) for row in await self._rows("list_queues", self.namespace)]

    async def put_queue(
        self,
        name: str,
        *,
        concurrency: int | None = None,
        concurrency_per_key: int | None = None,
        starts_per_minute: int | None = None,
        paused: bool = False,
        spec: Mapping[str, Any] | None = None,
    ) -> str:
        """Define a queue or change it; None: no limit. Returns "created", "configured" or "unchanged"."""
        limits = (concurrency, concurrency_per_key, starts_per_minute, paused)
        rows = await self._rows("put_queue", self.namespace, name, *limits, json.dumps(spec or {}))
        return put_outcome(rows)

    async def pause_queue(self, name: str) -> None:
        """Admit no more runs of a queue; those that run go on.

        Raises:
            NotFoundError: no such queue; names those that could be meant.
        """
        await self._set_paused(name, True)

    async def resume_queue(self, name: str) -> None:
        """Admit runs of a paused queue again; raises as `pause_queue`."""
        await self._set_paused(name, False)

    async def _set_paused(self, name: str, paused: bool) -> None:
        if not await self._rows("pause_queue", self.namespace, name, paused):
            known = [queue.name for queue in await self.queues()]
            raise NotFoundError(f"No queue {name!r} in namespace {self.namespace!r}. {near_names(name, known)}")
