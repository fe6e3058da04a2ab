"""Which TaskRun is which run. Filled from what was seen and what was done; a restart fills it again."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple
from uuid import UUID

from holdfast_operator.kinds import TASK_RUNS, Key, Kind, Object
from holdfast_operator.objects import key_of, run_id_of, uid_of

REMEMBERED_DELETIONS = 10_000
"""How many deleted TaskRuns are remembered until somebody has looked at their runs."""


class Deleted(NamedTuple):
    """A TaskRun that was deleted, and its run."""

    uid: str
    run_id: str


class RunIndex:
    """TaskRuns by the id of the run that they are, or show, and the images of first attempts."""

    def __init__(self) -> None:
        self._keys: dict[str, set[Key]] = {}
        self._run_ids: dict[str, str] = {}
        """By the uid of the TaskRun."""
        self._images: dict[str, str] = {}
        self._deleted: OrderedDict[Key, Deleted] = OrderedDict()

    def note(self, run_id: UUID, key: Key, uid: str) -> None:
        """The TaskRun ``key`` with this uid is, or shows, the run."""
        self._run_ids[uid] = str(run_id)
        self._keys.setdefault(str(run_id), set()).add(key)

    def keys_of(self, run_id: str) -> frozenset[Key]:
        """The TaskRuns of a run: one, or several that share an idempotency key."""
        return frozenset(self._keys.get(run_id, ()))

    def is_run(self, task_run: Object, run_id: UUID) -> bool:
        """Whether it is known that this very TaskRun is, or shows, the run."""
        return self._run_ids.get(uid_of(task_run)) == str(run_id)

    def deleted(self, key: Key) -> Deleted | None:
        """The TaskRun of this name that was deleted last, if that was noticed."""
        return self._deleted.get(key)

    def note_image(self, run_id: UUID, image_id: str) -> None:
        """The image of an attempt became known; the first one counts."""
        if str(run_id) in self._keys:
            self._images.setdefault(str(run_id), image_id)

    def image_of(self, run_id: UUID) -> str | None:
        """The image of the run's first attempt, by its digest, if it was seen."""
        return self._images.get(str(run_id))

    def on_change(self, kind: Kind, object: Object, is_deleted: bool) -> None:
        """A listener of the store."""
        if kind != TASK_RUNS:
            return
        if is_deleted:
            self._forget(object)
            return
        run_id = (object.get("status") or {}).get("runID") or run_id_of(object)
        if run_id:
            self._run_ids[uid_of(object)] = run_id
            self._keys.setdefault(run_id, set()).add(key_of(kind, object))

    def _forget(self, task_run: Object) -> None:
        run_id = self._run_ids.pop(uid_of(task_run), None)
        if run_id is None:
            return
        keys = self._keys.get(run_id, set())
        keys.discard(key_of(TASK_RUNS, task_run))
        if not keys:
            self._keys.pop(run_id, None)
            self._images.pop(run_id, None)
        self._deleted[key_of(TASK_RUNS, task_run)] = Deleted(uid_of(task_run), run_id)
        while len(self._deleted) > REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)
