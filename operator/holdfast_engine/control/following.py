"""The runs, as they go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from holdfast.domain.errors import NotFoundError, UnavailableError
from holdfast_engine.control.changes import LOOK_AGAIN_SECONDS, changes
from holdfast_engine.control.runs import PAGE, Runs
from holdfast_engine.control.views import LogLine, RunDetail, RunView

T = TypeVar("T")


class Following(Runs):
    """Waits for runs, and tells of them."""

    async def wait(self, run: str | UUID) -> RunDetail:
        """Wait until the run is final. An outage of the database is waited out."""
        async for _ in self.follow(run):
            pass
        return await patiently(lambda: self.get(run))

    async def follow(self, run: str | UUID) -> AsyncIterator[RunView]:
        """The run now, and after each change that is seen, until it is final. An outage is waited out."""
        run_id = await patiently(lambda: self.find(run))
        seen: RunView | None = None
        async with changes(self._pool, only=str(run_id)) as announced:
            while True:
                view = await patiently(lambda: self._look_at(run_id))
                if view != seen:
                    seen = view
                    yield view
                    if view.is_final:
                        return
                await announced.next()

    async def follow_all(self) -> AsyncIterator[RunView]:
        """Every run of the namespace when it changes; what happens during an outage is not told."""
        async with changes(self._pool) as announced:
            while True:
                changed = await announced.next()
                if not changed:
                    continue
                try:
                    views = await self.views([UUID(run_id) for run_id in changed])
                except UnavailableError:
                    continue
                for view in reversed(views):
                    if view.namespace == self.namespace:
                        yield view

    async def logs(self, run: str | UUID, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """What the attempts of a run printed; with ``follow``, goes on until the run is final."""
        run_id = await self._existing(run)
        last = (0, 0)
        async with changes(self._pool, only=str(run_id)) as announced:
            while True:
                # asked first: what comes with the end of the run is read after it
                is_last = not follow or (await patiently(lambda: self._look_at(run_id))).is_final
                while page := await self._log_lines(run_id, last):
                    for line in page:
                        yield line
                    last = (page[-1].attempt, page[-1].line_number)
                if is_last:
                    return
                await announced.next()

    async def _log_lines(self, run_id: UUID, after: tuple[int, int]) -> list[LogLine]:
        rows = await patiently(lambda: self._rows("list_log_lines", run_id, *after, PAGE))
        return [LogLine.from_row(row) for row in rows]

    async def _look_at(self, run_id: UUID) -> RunView:
        for view in await self.views([run_id]):
            return view
        raise NotFoundError(f"No run {run_id}: it was removed, or never was.")


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """What ``call`` returns, however long the database is away in between."""
    while True:
        try:
            return await call()
        except UnavailableError:
            await asyncio.sleep(LOOK_AGAIN_SECONDS / 4)
