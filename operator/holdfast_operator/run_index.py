"""Which TaskRun is which run. Filled from what was seen and what was done; a restart fills it again."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from holdfast_operator.kinds import TASK_RUNS, Key, Kind, Object
from holdfast_operator.objects import key_of, run_id_of, uid_of

REMEMBERED_DELETIONS = 10_000
"""How many deleted TaskRuns are remembered until somebody has looked at their runs."""


class RunIndex:
    """TaskRuns by the id of the run that they are, or show, and the images of first attempts."""

    def __init__(self) -> None:
        self._keys: dict[str, set[Key]] = {}
        self._run_ids: dict[str, str] = {}
        """By the uid of the TaskRun."""
        self._accepted: dict[str, UUID] = {}
        """By the uid of a TaskRun, until its status says so."""
        self._images: dict[str, str] = {}
        self._deleted: OrderedDict[Key, str] = OrderedDict()
        """Uids of deleted TaskRuns."""

    def note(self, run_id: UUID, key: Key, uid: str) -> None:
        """The TaskRun ``key`` with this uid is, or shows, the run; nothing if it was deleted meanwhile."""
        if self._deleted.get(key) == uid:
            return
        self._run_ids[uid] = str(run_id)
        self._accepted[uid] = run_id
        self._keys.setdefault(str(run_id), set()).add(key)

    def keys_of(self, run_id: str) -> frozenset[Key]:
        """The TaskRuns of a run: one, or several that share an idempotency key."""
        return frozenset(self._keys.get(run_id, ()))

    def is_run(self, task_run: Object, run_id: UUID) -> bool:
        """Whether it is known that this very TaskRun is, or shows, the run."""
        return self._run_ids.get(uid_of(task_run)) == str(run_id)

    def accepted(self, uid: str) -> UUID | None:
        """The run that the TaskRun of this uid was accepted as, if its status does not say so yet."""
        return self._accepted.get(uid)

    def deleted(self, key: Key) -> str | None:
        """The uid of the TaskRun of this name that was deleted last, if that was noticed."""
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
        shown = (object.get("status") or {}).get("runID")
        if shown:
            self._accepted.pop(uid_of(object), None)
        run_id = shown or run_id_of(object)
        if run_id:
            self._run_ids[uid_of(object)] = run_id
            self._keys.setdefault(run_id, set()).add(key_of(kind, object))

    def _forget(self, task_run: Object) -> None:
        key, uid = key_of(TASK_RUNS, task_run), uid_of(task_run)
        self._deleted[key] = uid
        self._deleted.move_to_end(key)
        while len(self._deleted) > REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)
        self._accepted.pop(uid, None)
        run_id = self._run_ids.pop(uid, None)
        if run_id is None:
            return
        keys = self._keys.get(run_id, set())
        keys.discard(key)
        if not keys:
            self._keys.pop(run_id, None)
            self._images.pop(run_id, None)
