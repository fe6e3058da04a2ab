"""What was last seen of the objects that the operator watches.

Filled by watches, by lists and by the answers of writes, which come in any order: for each object the newest version
wins, and what was removed does not come back. Nothing in it is truth: whoever must know asks the API server.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from holdfast_operator.kinds import PODS, WATCHED, Key, Kind, Object
from holdfast_operator.listing import Listing
from holdfast_operator.objects import key_of, run_id_of, uid_of, version_of
from holdfast_operator.trim import trimmed

Listener: TypeAlias = Callable[[Kind, Object, bool], None]
"""Called with the object, and whether it is deleted."""

REMEMBERED_REMOVALS = 10_000
"""How many removed objects are recognized when a late message tells of them."""


class Store:
    """Trimmed objects by kind, namespace and name."""

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[tuple[str, str], Object]] = {kind: {} for kind in WATCHED}
        self._pods_of: dict[str, dict[tuple[str, str], Object]] = {}
        self._removed: OrderedDict[str, None] = OrderedDict()
        self._listeners: list[Listener] = []

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """What was last seen of this object; ``None`` if nothing was, or it is deleted."""
        return self._objects[kind].get((namespace, name))

    def all(self, kind: Kind) -> Collection[Object]:
        """All objects of a kind; a view that changes with the store."""
        return self._objects[kind].values()

    def pods_of(self, run_id: str) -> list[Object]:
        """The pods whose annotation names this run."""
        return list(self._pods_of.get(run_id, {}).values())

    def on_change(self, listener: Listener) -> None:
        """Call ``listener`` after each change from now on."""
        self._listeners.append(listener)

    def put(self, kind: Kind, object: Object) -> bool:
        """Remember an object that was seen. Returns whether it is news."""
        return self._put(kind, trimmed(kind, object))

    def remove(self, kind: Kind, namespace: str, name: str) -> bool:
        """Forget an object that is deleted. Returns whether it is news."""
        gone = self._objects[kind].pop((namespace, name), None)
        if gone is None:
            return False
        self._forget_pod(kind, gone)
        self._note_removal(uid_of(gone))
        self._tell(kind, gone, True)
        return True

    def note_deleted(self, kind: Kind, object: Object) -> bool:
        """Forget exactly this object, not one of the same name that came after it. Returns whether it is news."""
        key = key_of(kind, object)
        seen = self.get(kind, key.namespace, key.name)
        if seen is not None and uid_of(seen) == uid_of(object):
            return self.remove(kind, key.namespace, key.name)
        self._note_removal(uid_of(object))
        return False

    def restore(self, kind: Kind, object: Object) -> bool:
        """Remember an object that was removed, and is there: the API server says so. Returns whether it is news."""
        self._removed.pop(uid_of(object), None)
        return self.put(kind, object)

    def replace_all(self, kind: Kind, listing: Listing, namespace: str | None = None) -> set[Key]:
        """Remember what a list shows, and forget what it does not show although it should.

        Args:
            listing: all objects of the kind, each as `trim.trimmed` leaves it.
            namespace: where it was listed; ``None``: everywhere.

        Returns:
            What changed by it: what no watch had told.
        """
        shown = {key_of(kind, item): item for item in listing.items}
        changed = {key for key, item in shown.items() if self._put(kind, item)}
        for key in self._missing(kind, shown, listing.version, namespace):
            self.remove(kind, key.namespace, key.name)
            changed.add(key)
        return changed

    def _missing(self, kind: Kind, shown: Collection[Key], version: int, namespace: str | None) -> Iterable[Key]:
        # Newer than the list: it came after the moment that the list shows.
        return [
            key
            for item in self.all(kind)
            if version_of(item) <= version
            and (key := key_of(kind, item)) not in shown
            and namespace in (None, key.namespace)
        ]

    def _put(self, kind: Kind, object: Object) -> bool:
        key = key_of(kind, object)
        place = (key.namespace, key.name)
        seen = self._objects[kind].get(place)
        if uid_of(object) in self._removed or (seen is not None and version_of(object) <= version_of(seen)):
            return False
        if seen is not None and uid_of(seen) != uid_of(object):
            self.remove(kind, *place)
        elif seen is not None and kind == PODS and run_id_of(seen) != run_id_of(object):
            self._forget_pod(kind, seen)
        self._objects[kind][place] = object
        if kind == PODS and (run_id := run_id_of(object)):
            self._pods_of.setdefault(run_id, {})[place] = object
        self._tell(kind, object, False)
        return True

    def _forget_pod(self, kind: Kind, pod: Object) -> None:
        run_id = run_id_of(pod)
        if kind != PODS or run_id is None:
            return
        pods = self._pods_of[run_id]
        del pods[key_of(kind, pod)[1:]]
        if not pods:
            del self._pods_of[run_id]

    def _note_removal(self, uid: str) -> None:
        self._removed[uid] = None
        while len(self._removed) > REMEMBERED_REMOVALS:
            self._removed.popitem(last=False)

    def _tell(self, kind: Kind, object: Object, is_deleted: bool) -> None:
        for listener in self._listeners:
            listener(kind, object, is_deleted)
