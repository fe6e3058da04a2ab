"""A launcher that knows what a test tells it, and makes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from holdfast_engine.launcher import AttemptId, Exit, Launch
from tests.support.runs import LAUNCHER


class KnownLauncher:
    """See `Launcher`.

    Args:
        live: attempts whose processes live.
        exits: processes that are gone.
        unstoppable: attempts whose processes cannot be stopped.
    """

    name = LAUNCHER

    def __init__(
        self, live: Iterable[AttemptId] = (), exits: Iterable[Exit] = (), unstoppable: Collection[AttemptId] = ()
    ) -> None:
        self.stopped: set[AttemptId] = set()
        self._live = list(live)
        self._exits = {exit.id: exit for exit in exits}
        self._unstoppable = unstoppable

    async def start(self, on_exit: Callable[[], None]) -> None:
        pass

    async def launch(self, launch: Launch) -> None:
        raise AssertionError(f"nobody launches {launch.id} here")

    async def stop(self, id: AttemptId, grace_seconds: float) -> None:
        if id in self._unstoppable:
            raise ValueError(f"{id} cannot be stopped")
        self.stopped.add(id)

    def capacity(self) -> int:
        return 0

    def live(self) -> Collection[AttemptId]:
        return self._live

    async def look(self) -> None:
        pass

    def exits(self) -> Sequence[Exit]:
        return tuple(self._exits.values())

    async def release(self, id: AttemptId) -> None:
        del self._exits[id]

    async def drain(self, grace_seconds: float) -> None:
        pass

    async def aclose(self) -> None:
        pass
