"""``def`` steps: the body runs in the calling thread, the records go through an event loop that is free to send them.

From a thread that is the attempt's own loop. From the loop's own thread (an ``async def`` task that calls a ``def``
step)
it is the lifeline's: the loop itself is blocked by the call.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.domain.errors import AttemptFenced, BranchError, StepTimeoutError
from holdfast.domain.scopes import StepKey, body_of
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.runtime.faults import FaultPoint
from holdfast.runtime.rest import waits_for_a_thread
from holdfast.runtime.step_call import StepCall
from holdfast.sdk.journal import Strand, strand_variable
from holdfast.sdk.step import Step

if TYPE_CHECKING:
    from holdfast.runtime.session import Session

T = TypeVar("T")

_strand = strand_variable()

_LOOK_SECONDS = 2.0
"""How often a thread that waits for the event loop looks whether the loop waits for a thread."""


class BlockingSteps:
    """Runs ``def`` steps for a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run_step(self, step: Step[..., Any], strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the recorded result, or run the body here and have it recorded."""
        session = self._session
        thread = threading.get_ident()
        is_beside_loop = not self._on_loop_thread()
        if is_beside_loop:
            session.order.thread_asks(thread)
        try:
            place, digest = session.place_of(step, strand, args, kwargs)
            recorded = session.claim(place, step.kind, step.name, digest, (args, kwargs))
            if recorded is not None and recorded.outcome in (StepOutcome.SUCCEEDED, StepOutcome.FAILED):
                return self._replay(step, recorded, strand)
        finally:
            if is_beside_loop:
                session.order.thread_asked(thread)
        call = StepCall(step, place, digest, tries=0 if recorded is None else recorded.tries)
        self._leave_if_draining(strand)
        session.departure.step_began(place.key, place.branch)
        try:
            record, settled = self._try_until_done(call, strand, args, kwargs)
            if session.has_faults:
                session.reach(FaultPoint.AFTER_BODY, place.key)
            session.history.add(self._record_result(record))
            if session.has_faults:
                session.reach(FaultPoint.AFTER_RECORD, place.key)
        finally:
            session.departure.step_ended(place.key)
        session.step_recorded()
        return settled

    def fetch(self, key: StepKey) -> str | None:
        """Return a value that did not come with the opening, blocking this thread."""
        session = self._session
        if not self._on_loop_thread():
            return self._on_loop(session.dialogue.fetch(key))
        lifeline = session.lifeline
        return lifeline.run(lambda: lifeline.patience.persist(lambda: lifeline.client.fetch([key]))).get(key)

    def wait_for(self, call: Coroutine[Any, Any, T]) -> T:
        """Have ``call`` made on the session's loop, blocking this thread.

        Raises:
            BranchError: this is the thread of the loop, which would wait for itself.
        """
        if self._on_loop_thread():
            call.close()
            raise BranchError("a blocking wait in an `async def` task would stop its event loop: await it instead")
        return self._on_loop(call)

    def on_home_loop(self, call: Callable[[], None]) -> None:
        """Make ``call`` on the session's loop: at once when this is its thread."""
        if self._on_loop_thread():
            call()
        else:
            self._session.loop.call_soon_threadsafe(call)

    def _try_until_done(
        self, call: StepCall, strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[StepRecord, Any]:
        session = self._session
        self._record([])  # what was noted before must be durable before the body begins
        while True:
            token = _strand.set(Strand(strand.journal, body_of(call.place), strand.owner))
            call.begin_try()
            if session.has_faults:
                session.reach(FaultPoint.BEFORE_BODY, call.place.key)
            try:
                value = call.step.body(*args, **kwargs)
                session.departure.check_body(call.place.key)
                _refuse_late(call)
                return call.success(value, session.next_sequence())
            except Exception as error:
                session.departure.check_body(call.place.key)
                records, wait_seconds, raised = session.failure_records(call, error)
            finally:
                _strand.reset(token)
            if wait_seconds is None:
                session.history.add(self._record_result(records[0]))
                raise raised
            self._record(records)
            session.departure.stopped.wait(wait_seconds)
            self._leave_if_draining(strand)

    def _replay(self, step: Step[..., Any], recorded: StepRecord, strand: Strand) -> Any:
        session = self._session
        text = recorded.value if recorded.value is not None else self.fetch(recorded.key)
        self._take_turn(recorded, strand)
        return session.recorded_result(step, recorded, text)

    def wake_in_turn(self, woke: StepRecord | None, make: Callable[[], StepRecord], strand: Strand) -> None:
        """Return when a sleep that is over is the next to come back; have that recorded if it was not."""
        if woke is None:
            self._record_result(make())
        else:
            self._take_turn(woke, strand)

    def _take_turn(self, record: StepRecord, strand: Strand) -> None:
        """In a thread beside others: return when the result is the next to come back."""
        session = self._session
        if session.live_branches and not self._on_loop_thread():
            thread = threading.get_ident()
            # asyncio.to_thread lets a thread work in the branch of a task
            branches = (strand.branch.path, session.thread_branches.get(thread, strand.branch.path))
            self._on_loop(session.order.turn_of_thread(record.sequence, thread, branches))
            session.order.thread_resumed(thread)

    def _record_result(self, record: StepRecord) -> StepRecord:
        """Return the record as it was stored, when it is durable and the next to come back."""
        if self._on_loop_thread():
            self._record([record])
            return record
        thread = threading.get_ident()
        record = self._on_loop(self._record_in_turn(record, thread))
        self._session.order.thread_resumed(thread)
        return record

    async def _record_in_turn(self, record: StepRecord, thread: int) -> StepRecord:
        session = self._session
        # numbered here, where no other result can come between the number and its place in the queue
        record = session.renumbered(record)
        await session.recorder.record(record)
        if session.live_branches:
            await session.order.turn_of_thread(record.sequence, thread)
        return record

    def _leave_if_draining(self, strand: Strand) -> None:
        departure = self._session.departure
        if departure.is_draining:
            raise departure.hold(strand.branch.path)
        departure.check()

    def _record(self, records: list[StepRecord]) -> None:
        session = self._session
        recorder = session.recorder
        if not self._on_loop_thread():
            self._on_loop(self._record_in_order(records))
            return
        recorder.divert(self._send_by_lifeline)
        self._send_by_lifeline(records)

    def _send_by_lifeline(self, records: Sequence[StepRecord]) -> None:
        lifeline = self._session.lifeline
        for record in records:
            flags = lifeline.run(partial(lifeline.patience.persist, partial(lifeline.client.record, [record])))
            self._session.note_flags(flags)

    async def _record_in_order(self, records: list[StepRecord]) -> None:
        recorder = self._session.recorder
        for record in records[:-1]:
            recorder.put(record)
        if records:
            await recorder.record(records[-1])
        else:
            await recorder.settle()

    def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            # in a context of its own: our tasks are no branches of the author's, and must not take their numbers
            future = Context().run(asyncio.run_coroutine_threadsafe, coroutine, self._session.loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise AttemptFenced("the attempt is over") from None
        was_stuck = False
        while True:
            try:
                return future.result(_LOOK_SECONDS)
            except TimeoutError:
                is_stuck = not future.done() and waits_for_a_thread(self._session.loop_thread)
            if is_stuck and was_stuck:
                raise BranchError(
                    "the event loop of the run waits for this thread (join, result or shutdown of a pool), and this "
                    "thread for the loop. In an `async def` task, await the thread: asyncio.to_thread or "
                    "loop.run_in_executor; or make the task `def`"
                )
            was_stuck = is_stuck

    def _on_loop_thread(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._session.loop
        except RuntimeError:  # no event loop in this thread
            return False


def _refuse_late(call: StepCall) -> None:
    limit = call.step.timeout_seconds
    elapsed = time.monotonic() - call.started
    if limit is not None and elapsed > limit:
        raise StepTimeoutError(f"step {call.step.name} took {elapsed:.1f} s, over its timeout of {limit:g} s")
