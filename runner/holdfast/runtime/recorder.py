"""Puts step records into the database: in order, several at a time when several are there, never a lost one.

A sender task owns the calls, so canceling an author's code cannot interrupt one half way; it is there while something
waits. While a call is under way, further records gather; they leave together in the next call. Where nothing can
gather, because one strand alone works, its own asyncio task makes the call: two turns of the event loop less per step.
Canceled half way, it leaves the record to the sender, to be sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from itertools import count
from typing import NamedTuple

from holdfast.domain.errors import AttemptFenced
from holdfast.protocol.messages import Flags, StepRecord

_BATCH_RECORDS = 500
_BATCH_CHARACTERS = 4 * 1024 * 1024

Send = Callable[[Sequence[StepRecord]], Awaitable[Flags]]


class _Entry(NamedTuple):
    record: StepRecord
    durable: asyncio.Future[None] | None


class Recorder:
    """One per attempt; belongs to the event loop it is started on.

    Args:
        send: records steps and returns the pending flags.
        on_flags: is told the flags of every answer.
        on_broken: is told when a record could not be stored; nothing is sent after that.
    """

    def __init__(
        self, send: Send, on_flags: Callable[[Flags], None], on_broken: Callable[[BaseException], None]
    ) -> None:
        self._send = send
        self._on_flags = on_flags
        self._on_broken = on_broken
        self._waiting: list[_Entry] = []
        self._under_way: list[_Entry] = []
        self._broken: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._sender: asyncio.Task[None] | None = None

    def put(self, record: StepRecord) -> None:
        """Have ``record`` stored soon, before everything that is put later. Dropped once nothing can be stored."""
        if self._broken is not None:
            return
        self._waiting.append(_Entry(record, None))
        self._nudge()

    def record(self, record: StepRecord) -> asyncio.Future[None]:
        """Have ``record`` stored; the future is done when it is durable, and raises if it cannot be."""
        durable: asyncio.Future[None] = self._loop.create_future()
        if self._broken is not None:
            durable.set_exception(self._broken)
            return durable
        self._waiting.append(_Entry(record, durable))
        self._nudge()
        return durable

    async def store(self, record: StepRecord) -> None:
        """Store ``record`` and return when it is durable; raises if it cannot be. For a strand that works alone."""
        if self._waiting or self._under_way or self._broken is not None:
            await self.record(record)
            return
        self._under_way = [_Entry(record, None)]
        try:
            flags = await self._send([record])
        except asyncio.CancelledError:
            self._waiting = [*self._under_way, *self._waiting]
            self._under_way = []
            self._nudge()
            raise
        except BaseException as error:
            self._fail(error)
            raise
        self._stored(flags)
        if self._waiting:
            self._nudge()

    async def settle(self) -> None:
        """Wait until everything that was put is durable."""
        entries = self._waiting or self._under_way
        if not entries:
            return
        last = entries[-1]
        durable = last.durable
        if durable is None or durable.done():  # whoever waited for it was canceled, and it with them
            durable = self._loop.create_future()
            entries[-1] = _Entry(last.record, durable)
        await asyncio.shield(durable)

    def divert(self, send: Callable[[Sequence[StepRecord]], None]) -> None:
        """Have everything that may not be durable yet stored by ``send``, which blocks; then it counts as stored.

        For a loop that is blocked itself. What is under way is sent a second time: the database takes the same again.
        """
        entries, self._waiting = self._waiting, []
        send([entry.record for entry in (*self._under_way, *entries)])
        for entry in entries:
            if entry.durable is not None and not entry.durable.done():
                entry.durable.set_result(None)

    async def close(self) -> None:
        """Stop the sender; what is not durable by now is given up."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        self._give_up(self._broken or AttemptFenced("the attempt is over"))

    def _nudge(self) -> None:
        if self._waiting and not self._under_way and (self._sender is None or self._sender.done()):
            # in a context of its own: it is no branch of the code that happens to call
            self._sender = self._loop.create_task(self._run(), name="holdfast-recorder", context=Context())

    async def _run(self) -> None:
        while self._waiting:
            self._under_way = self._next_batch()
            try:
                flags = await self._send([entry.record for entry in self._under_way])
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                self._fail(error)
                return
            self._stored(flags)

    def _stored(self, flags: Flags) -> None:
        entries, self._under_way = self._under_way, []
        for entry in entries:
            if entry.durable is not None and not entry.durable.done():
                entry.durable.set_result(None)
        self._on_flags(flags)

    def _next_batch(self) -> list[_Entry]:
        characters = 0
        keys: set[str] = set()
        for size in count():
            if size == len(self._waiting) or size == _BATCH_RECORDS:
                break
            record = self._waiting[size].record
            characters += len(record.value or "")
            # one statement cannot write a row twice
            if size and (characters > _BATCH_CHARACTERS or record.key in keys):
                break
            keys.add(record.key)
        batch = self._waiting[:size]
        del self._waiting[:size]
        return batch

    def _fail(self, error: BaseException) -> None:
        self._give_up(error)
        self._on_broken(error)

    def _give_up(self, error: BaseException) -> None:
        self._broken = error
        entries = [*self._under_way, *self._waiting]
        self._under_way, self._waiting = [], []
        for entry in entries:
            if entry.durable is not None and not entry.durable.done():
                entry.durable.set_exception(error)
                entry.durable.exception()  # marks it as seen: its owner may have been canceled
