"""A launcher that makes no processes: it notes that it was asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from holdfast_engine.launcher import AttemptId, Exit, Launch


class NotingLauncher:
    """Tells of each launch through ``launched``."""

    name = "benchmark"

    def __init__(self) -> None:
        self.launched: asyncio.Queue[AttemptId] = asyncio.Queue()

    async def launch(self, launch: Launch) -> None:
        """See ``Launcher``."""
        self.launched.put_nowait(launch.id)

    async def start(self, on_exit: Callable[[], None]) -> None:
        """There is nothing to adopt."""

    async def stop(self, id: AttemptId, grace_seconds: float) -> None:
        """There is no process."""

    def capacity(self) -> int:
        """Any number."""
        return 1000

    def live(self) -> Collection[AttemptId]:
        """There is no process."""
        return ()

    async def look(self) -> None:
        """There is no process."""

    def exits(self) -> Sequence[Exit]:
        """There is no process."""
        return ()

    async def release(self, id: AttemptId) -> None:
        """There is no process."""

    async def drain(self, grace_seconds: float) -> None:
        """There is no process."""

    async def aclose(self) -> None:
        """There is nothing to let go of."""
