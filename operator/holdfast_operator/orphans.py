"""Runs whose TaskRun was deleted while nobody watched: they are canceled."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from holdfast.domain.errors import NotFoundError
from holdfast_operator.apply.task_run import CANCEL_GRACE_SECONDS
from holdfast_operator.build.names import task_run_name
from holdfast_operator.kinds import TASK_RUNS
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import NotFound
from holdfast_operator.objects import uid_of
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.run_row import ResourceRef
from holdfast_operator.store import Store

_logger = logging.getLogger("holdfast.operator")


class Orphans:
    """Compares the active runs with the TaskRuns.

    Args:
        kube: confirms that a TaskRun is gone.
        store: has the TaskRuns, fresh from a sweep.
        rows: the database.
        namespaces: where to look; none: everywhere.
    """

    def __init__(self, kube: Kube, store: Store, rows: TaskRunRows, namespaces: Sequence[str]) -> None:
        self._kube = kube
        self._store = store
        self._rows = rows
        self._namespaces = list(namespaces) or None

    async def cancel(self) -> None:
        """Cancel the active runs that have no TaskRun any more."""
        if not self._rows.is_open:
            return
        there = {uid_of(task_run) for task_run in self._store.all(TASK_RUNS)}
        for ref in await self._rows.active(self._namespaces):
            if ref.uid not in there and await self._is_gone(ref) and ref.run_id is not None:
                _logger.info("run %s: its TaskRun %s/%s is deleted", ref.run_id, ref.namespace, ref.name)
                with suppress(NotFoundError):
                    await self._rows.plane(ref.namespace).cancel(ref.run_id, CANCEL_GRACE_SECONDS)

    async def _is_gone(self, ref: ResourceRef) -> bool:
        try:
            found = await self._kube.get(TASK_RUNS, ref.namespace, task_run_name(ref.name))
        except NotFound:
            return True
        return uid_of(found) != ref.uid
