"""A store that a test can wait on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from holdfast_operator.kinds import Kind, Object
from holdfast_operator.store import Store


class WatchedStore(Store):
    """Tells when it changes."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()
        self.on_change(lambda kind, object, is_deleted: self._changed.set())

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait until ``is_so``, looking again after each change."""
        while not is_so():
            self._changed.clear()
            await self._changed.wait()

    def names(self, kind: Kind, namespace: str) -> set[str]:
        """Names of the objects of a namespace."""
        return {_name(object) for object in self.all(kind) if object["metadata"]["namespace"] == namespace}


def _name(object: Object) -> str:
    return str(object["metadata"]["name"])
