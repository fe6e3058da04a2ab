"""Results come back to the author's code one at a time, in the order of their records, on every attempt.

Code that looks at who finished first (``as_completed``, ``wait(FIRST_COMPLETED)``, a task group that cancels the rest)
then takes the same way again. So two things are done here, when results are made and when they are replayed:

- *One at a time.* The next result comes when the code behind the previous one has come to rest: when nothing is ready
  in the event loop any more.
- *In order.* A result waits for operations that were recorded before it and that the program has not asked for again
  yet, because its code between two steps takes time. It does not wait for ever: what an earlier attempt asked for may
  not be asked for again. What the program need not ask for (it is void, or has an explicit key) is waited for only
  while a branch is there that could, and no more once it did not come.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from typing import NamedTuple

from holdfast.runtime.history import History
from holdfast.runtime.rest import Rest, waits_for_a_thread

_HOLD_SECONDS = 1.0
"""How long a result waits for what was recorded before it and is not asked for."""

_THREAD_LOOK_SECONDS = 0.005
"""How often to look whether a thread that goes on with its result has come to rest."""

_THREAD_LOOKS = 20
"""A thread that still has not (it computes, or waits for something that cannot be seen) does not keep the others."""


class _Waiting(NamedTuple):
    sequence: int
    number: int
    turn: asyncio.Future[None]
    branches: Sequence[str]


class ResultOrder:
    """The queue of results of one attempt; belongs to its event loop.

    Args:
        all_wait: says whether all branches wait, given those that wait for their turn.

    Attributes:
        is_holding: whether a result waits for an operation that the program has not asked for yet.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, history: History, all_wait: Callable[[Iterable[str]], bool]
    ) -> None:
        self._loop = loop
        self._history = history
        self._all_wait = all_wait
        self._waiting: list[_Waiting] = []
        self._count = 0
        self._is_looking = False
        self._rest = Rest(loop)
        self._patience: asyncio.TimerHandle | None = None
        self._asking: set[int] = set()
        self._thread: int | None = None
        self._thread_patience: asyncio.TimerHandle | None = None
        self.is_holding = False

    async def turn(self, sequence: int, branches: Sequence[str] = (), thread: int | None = None) -> None:
        """Wait until the result recorded as number ``sequence`` is next. Call ``end_turn`` when it is handed over.

        Args:
            sequence: number of the record.
            branches: those that can do nothing meanwhile; default: of a step that is known to run.
            thread: the number of the caller's thread, if it is not the event loop's.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        self._count += 1
        heapq.heappush(self._waiting, _Waiting(sequence, self._count, future, branches))
        if thread is not None:
            self._asking.discard(thread)
        self.look()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.end_turn()
            raise

    def end_turn(self) -> None:
        """The result is with its caller, or nobody wants it any more."""
        self._is_looking = False
        self.look()

    def thread_asks(self, thread: int) -> None:
        """A thread looks up its call, and may ask for a turn at once: none is given until that is known."""
        self._asking.add(thread)

    def thread_asked(self, thread: int) -> None:
        """It is known: the thread is in the queue, or does not want to be. Callable from any thread."""
        if thread in self._asking:
            self._asking.discard(thread)
            self._loop.call_soon_threadsafe(self.look, context=Context())

    async def turn_of_thread(self, sequence: int, thread: int, branches: Sequence[str] = ()) -> None:
        """The same for a call in the thread of that number, which says ``thread_resumed`` when it has its result."""
        await self.turn(sequence, branches, thread)
        self._thread = thread

    def thread_resumed(self, thread: int) -> None:
        """The thread goes on; its turn ends when it moves on, or soon. Callable from any thread."""
        if self._thread == thread:
            self._loop.call_soon_threadsafe(self._end_turn_at_rest, thread, _THREAD_LOOKS, context=Context())

    def _end_turn_at_rest(self, thread: int, looks: int) -> None:
        if self._thread != thread:
            return
        # not at once: it may be on its way out of the wait for its result
        if looks == 0 or (looks < _THREAD_LOOKS and waits_for_a_thread(thread)):
            self._end_turn_of_thread(thread)
        else:
            self._thread_patience = self._loop.call_later(
                _THREAD_LOOK_SECONDS, self._end_turn_at_rest, thread, looks - 1, context=Context()
            )

    def thread_moved(self) -> None:
        """The calling thread has made its next call, or ends. Callable from any thread."""
        if self._thread is not None and self._thread == (thread := threading.get_ident()):
            self._loop.call_soon_threadsafe(self._end_turn_of_thread, thread, context=Context())

    def _end_turn_of_thread(self, thread: int) -> None:
        if self._thread == thread:
            if self._thread_patience is not None:
                self._thread_patience.cancel()
            self._thread = None
            self.end_turn()

    def look(self) -> None:
        """See whose turn it is, soon."""
        if not self._is_looking and self._waiting:
            self._is_looking = True
            self._stop_holding()
            self._rest.then(self._give_turn)

    def _give_turn(self) -> None:
        if self._asking:
            self._is_looking = False
            return
        while self._waiting and self._waiting[0].turn.done():  # its caller was canceled
            heapq.heappop(self._waiting)
        if self._waiting and not self._awaits_before(self._waiting[0].sequence):
            heapq.heappop(self._waiting).turn.set_result(None)
            return
        self._is_looking = False
        if self._waiting:
            self._hold(self._waiting[0].sequence)

    def _awaits_before(self, sequence: int) -> bool:
        if self._history.awaits_before(sequence):
            return True
        return self._history.may_come_before(sequence) and not self._all_wait(
            branch for waiting in self._waiting for branch in waiting.branches
        )

    def _hold(self, sequence: int) -> None:
        self.is_holding = True
        self._patience = self._loop.call_later(_HOLD_SECONDS, self._give_up, sequence, context=Context())

    def _stop_holding(self) -> None:
        self.is_holding = False
        if self._patience is not None:
            self._patience.cancel()

    def _give_up(self, sequence: int) -> None:
        self._history.await_none_before(sequence)
        self.look()
