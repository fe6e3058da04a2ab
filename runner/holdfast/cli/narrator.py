"""Tells people on standard error how a run is doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from holdfast.cli.run_page import attempt_sentence, count
from holdfast.domain.errors import ControlError

if TYPE_CHECKING:
    from uuid import UUID

    from holdfast_engine.control.plane import ControlPlane

_STEPS_SECONDS = 1.0
_LAST_WORDS_SECONDS = 5.0


class Narrator:
    """Tells each thing about ``run_id`` once."""

    def __init__(self, plane: ControlPlane, run_id: UUID, tell: Callable[[str], None]) -> None:
        self._plane = plane
        self._run_id = run_id
        self._tell = tell
        self._told: set[str] = set()
        self._steps = 0

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell of attempts, steps and printed lines while the context lasts."""
        counting = asyncio.create_task(self._tell_steps())
        ending = [asyncio.create_task(each()) for each in (self._tell_changes, self._tell_lines)]
        try:
            yield
            await asyncio.wait(ending, timeout=_LAST_WORDS_SECONDS)
        finally:
            for teller in (counting, *ending):
                teller.cancel()
            await asyncio.gather(counting, *ending, return_exceptions=True)

    async def _tell_changes(self) -> None:
        async for view in self._plane.follow(self._run_id):
            if view.attempt == 0:
                self._tell_once(f"{view.state} in queue {view.queue}")
            for attempt in await self._plane.attempts(self._run_id):
                self._tell_once(f"attempt {attempt.number} {attempt_sentence(attempt)}")
            if view.is_final:
                self._tell_once(f"{view.state} after {view.attempt} attempts" if view.attempt > 1 else view.state)

    async def _tell_steps(self) -> None:
        while True:
            await asyncio.sleep(_STEPS_SECONDS)
            try:
                steps = await self._plane.count_steps(self._run_id)
            except ControlError:
                continue
            if steps != self._steps:
                self._steps = steps
                self._tell(f"  {count(steps, 'step')} recorded")

    async def _tell_lines(self) -> None:
        async for line in self._plane.logs(self._run_id, follow=True):
            self._tell(f"  | {line.line}")

    def _tell_once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._tell(sentence)
