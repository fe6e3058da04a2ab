"""When an attempt leaves before its task has returned: which strands still work, which are held, who has to go.

Two ways to go. *Drain*: steps that run may finish and be recorded, new ones are held; when only held strands are
left, the
attempt stops. *Stop*: the task is canceled now, and every further call of the journal raises the reason.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from holdfast.domain.errors import ControlFlow, RunParked
from holdfast.domain.scopes import enclosing_paths, is_inside

_NAMED_SUBJECTS = 3


class _Wait(NamedTuple):
    branch: str
    due: datetime | None
    subjects: tuple[UUID, ...]


class Departure:
    """One per attempt.

    Args:
        cancel_task: interrupts the author's code.
        may_park: says that no timer of the author's code is running.
        at_rest: calls back once the author's code waits in all its asyncio tasks; callable from any thread.

    Attributes:
        reason: why the attempt stops; None while it goes on.
        is_draining: whether new steps have to be held.
        wake_at: for a park: when the earliest wait ends (database time); None if none ends by itself.
        groups: for a park: what is waited for outside of the run, by id; each group together.
    """

    def __init__(
        self,
        cancel_task: Callable[[], None],
        may_park: Callable[[], bool],
        at_rest: Callable[[Callable[[], None]], None],
    ) -> None:
        self._cancel_task = cancel_task
        self._may_park = may_park
        self._at_rest = at_rest
        self._draining: ControlFlow | None = None
        self.is_draining = False
        self._live: set[str] = set()
        self._active: dict[str, str] = {}
        self._held: list[str] = []
        self._waits: dict[int, _Wait] = {}
        self._above_waits: Counter[str] = Counter()
        self._doomed: list[str] = []
        self._wait_count = 0
        self.reason: ControlFlow | None = None
        self.wake_at: datetime | None = None
        self.groups: tuple[tuple[UUID, ...], ...] = ()
        self.stopped = threading.Event()

    def check(self) -> None:
        """Raise the reason if the attempt stops."""
        if self.reason is not None:
            raise self.reason

    def check_body(self, key: str) -> None:
        """Raise if the body of the step ``key`` ended because the attempt does: its result would be half of one.

        A thread that is stopped or held just ends, and whoever joins it goes on; so does code that eats cancellations.
        """
        self.check()
        if self._draining is not None and any(is_inside(path, key) for path in self._held):
            raise self._draining

    @property
    def ending(self) -> ControlFlow | None:
        """Why the attempt does not end as its task did: it stops, or a part of the task was held back."""
        return self.reason or (self._draining if self._held else None)

    def stop(self, reason: ControlFlow) -> None:
        """Stop now. The first reason stands, but for a fence, which beats all others."""
        if self.reason is None:
            self.reason = reason
            self.stopped.set()
            self._cancel_task()

    def drain(self, reason: ControlFlow) -> None:
        """Let the steps that run finish, then stop."""
        if self._draining is None:
            self._draining = reason
            self.is_draining = True
            self.reconsider()

    def began(self, path: str) -> None:
        """A branch began."""
        self._live.add(path)

    def ended(self, path: str) -> None:
        """A branch ended."""
        self._live.discard(path)
        self.reconsider()

    def step_began(self, key: str, branch: str) -> None:
        """The step ``key``, called in ``branch``, runs and is being recorded."""
        self._active[key] = branch

    def step_ended(self, key: str) -> None:
        """The step ``key`` is recorded, or was given up."""
        self._active.pop(key, None)
        if self.is_draining or self._waits:
            self.reconsider()

    def hold(self, branch: str) -> ControlFlow:
        """A strand wants to begin a step while draining: note that it is held, and return why."""
        assert self._draining is not None
        self._held.append(branch)
        self.reconsider()
        return self._draining

    @contextmanager
    def waiting(self, branch: str, due: datetime | None, subjects: tuple[UUID, ...] = ()) -> Iterator[None]:
        """A strand waits until ``due``, or for all of ``subjects`` outside; when all strands wait, the run parks."""
        self._wait_count += 1
        ticket = self._wait_count
        self._waits[ticket] = _Wait(branch, due, subjects)
        above = tuple(enclosing_paths(f"{branch}/"))  # the branch itself, and all around it
        self._above_waits.update(above)
        self.reconsider()
        try:
            yield
        finally:
            del self._waits[ticket]
            self._above_waits.subtract(above)

    @contextmanager
    def doomed(self, branch: str) -> Iterator[None]:
        """A strand waits to be canceled, as it was in an earlier attempt."""
        self._doomed.append(branch)
        try:
            yield
        finally:
            self._doomed.remove(branch)

    def nobody_can_cancel(self) -> bool:
        """Whether all strands wait, and no timer runs: then those that wait to be canceled will not be."""
        branches = [*self._doomed, *self._waiting_branches()]
        return self._may_park() and all(_is_above(path, branches) for path in (*self._live, *self._active))

    def all_wait(self, turns: Iterable[str]) -> bool:
        """Whether every branch waits for something of the run, so that none makes a call until one is answered.

        Args:
            turns: branches that wait for a recorded result.
        """
        waiting = [*turns, *self._active.values(), *self._held, *self._doomed, *self._waiting_branches()]
        above = {path for each in waiting for path in (each, *enclosing_paths(f"{each}/"))}
        return self._live <= above

    def reconsider(self) -> None:
        """See whether only held or waiting strands are left; if so, stop."""
        if self.reason is not None:
            return
        if self._draining is not None and self._only_rests():
            self.stop(self._draining)
        elif self._waits and self._all_wait():
            # a branch may be above one that waits and between two steps of its own
            self._at_rest(self._park_if_all_wait)

    def _park_if_all_wait(self) -> None:
        if self.reason is None and self._waits and self._all_wait() and self._may_park():
            waits = tuple(self._waits.values())
            self.wake_at = min((wait.due for wait in waits if wait.due is not None), default=None)
            self.groups = tuple(wait.subjects for wait in waits if wait.subjects)
            self.stop(RunParked(_sentence(self.wake_at, [subject for group in self.groups for subject in group])))

    def _only_rests(self) -> bool:
        """Whether every step that runs waits, or for one that is held."""
        resting = [*self._held, *self._waiting_branches()]
        return all(_is_above(key, resting) for key in tuple(self._active))

    def _all_wait(self) -> bool:
        above = self._above_waits
        return all(above[path] for path in tuple(self._live)) and all(above[key] for key in tuple(self._active))

    def _waiting_branches(self) -> list[str]:
        # threads begin and end waits at any moment: a copy, made in one go
        return [wait.branch for wait in tuple(self._waits.values())]


def _sentence(wake_at: datetime | None, subjects: Sequence[UUID]) -> str:
    waits_for = [] if not subjects else [f"for {', '.join(map(str, subjects[:_NAMED_SUBJECTS]))}"]
    if len(subjects) > _NAMED_SUBJECTS:
        waits_for.append(f"and {len(subjects) - _NAMED_SUBJECTS} more")
    if wake_at is not None:
        waits_for.append(f"until {wake_at.isoformat()}")
    return f"waits {' '.join(waits_for)}"


def _is_above(path: str, branches: Iterable[str]) -> bool:
    return any(branch == path or branch.startswith((f"{path}.", f"{path}/")) for branch in branches)
