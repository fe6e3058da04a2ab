"""``async def`` steps: the body runs in the calling asyncio task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from holdfast.domain.errors import StepFailedError, StepTimeoutError
from holdfast.domain.scopes import body_of
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.runtime.faults import FaultPoint
from holdfast.runtime.step_call import StepCall
from holdfast.sdk.journal import Strand, strand_variable
from holdfast.sdk.step import Step

if TYPE_CHECKING:
    from holdfast.runtime.session import Session

_strand = strand_variable()


class AwaitedSteps:
    """Runs ``async def`` steps for a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def run_step(
        self, step: Step[..., Any], strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Return the recorded result, or run the body and have it recorded."""
        session = self._session
        if strand.owner is None:  # a strand with an owner was found to be the task that runs now
            session.refuse_other_loop()
        if session.departure.reason is not None:
            # whoever swallows what is raised below and calls again must not keep the event loop from ending the attempt
            await asyncio.sleep(0)
        place, digest = session.place_of(step, strand, args, kwargs)
        if not session.live_branches:
            recorded = session.history.recall(place, step.kind, step.name, digest)
            if recorded is not None:
                return session.decoded(step.codec, recorded, recorded.value)
        recorded = session.claim(place, step.kind, step.name, digest, (args, kwargs))
        if recorded is not None:
            if session.history.was_canceled(recorded):
                await self._until_canceled(recorded, strand)
                recorded = session.history.record_of(place.key)
            if recorded is not None and recorded.outcome is not StepOutcome.RETRYING:
                if recorded.value is None or session.live_branches:
                    return await self._replay(step, recorded, strand)
                return session.recorded_result(step, recorded, recorded.value)
        call = StepCall(step, place, digest, tries=0 if recorded is None else recorded.tries)
        departure = session.departure
        try:
            if departure.is_draining:
                await self._hold(strand.branch.path)
            departure.step_began(place.key, place.branch)
            try:
                settled = await self._execute(call, strand, args, kwargs)
            finally:
                departure.step_ended(place.key)
        except asyncio.CancelledError:
            departure.check()
            raise
        session.step_recorded()
        return settled

    async def _replay(self, step: Step[..., Any], recorded: StepRecord, strand: Strand) -> Any:
        session = self._session
        in_turn = bool(session.live_branches)
        if in_turn:
            await self._session.order.turn(recorded.sequence, (strand.branch.path,))
        try:
            text = recorded.value
            if text is None:
                text = await session.dialogue.fetch(recorded.key)
            return session.recorded_result(step, recorded, text)
        finally:
            if in_turn:
                self._session.order.end_turn()

    async def _until_canceled(self, recorded: StepRecord, strand: Strand) -> None:
        session = self._session
        try:
            await session.until_canceled(recorded, strand)
        except asyncio.CancelledError:
            session.departure.check()
            raise

    async def _execute(self, call: StepCall, strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        session = self._session
        record: StepRecord | None = None
        try:
            if session.notes.are_unsettled:
                await session.notes.settle()
            record, settled = await self._try_until_done(call, strand, args, kwargs)
            if session.has_faults:
                session.reach(FaultPoint.AFTER_BODY, call.place.key)
            await self._record(record)
        except asyncio.CancelledError as canceled:
            # later attempts must take the same way: the caller was canceled here, whether or not there was a result
            if session.departure.reason is None:
                if record is not None:
                    session.history.add(record)
                sequence = session.next_sequence()
                mark = call.canceled(sequence) if record is None else call.cancel_mark(sequence)
                session.note_canceled(mark, canceled)
            raise
        session.history.add(record)
        if session.has_faults:
            session.reach(FaultPoint.AFTER_RECORD, call.place.key)
        return settled

    async def _record(self, record: StepRecord) -> None:
        """Return when the record is durable, and its result the next to come back."""
        session = self._session
        if session.live_branches:
            await session.recorder.record(record)
        else:
            await session.recorder.store(record)
        if session.live_branches:
            await session.order.turn(record.sequence)
            session.order.end_turn()

    async def _try_until_done(
        self, call: StepCall, strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[StepRecord, Any]:
        session = self._session
        while True:
            token = _strand.set(Strand(strand.journal, body_of(call.place), strand.owner))
            call.begin_try()
            if session.has_faults:
                session.reach(FaultPoint.BEFORE_BODY, call.place.key)
            try:
                body = call.step.body(*args, **kwargs)
                value = await (body if call.step.timeout_seconds is None else _within(call.step, body))
                return call.success(value, session.next_sequence())
            except (Exception, asyncio.CancelledError) as error:
                session.departure.check_body(call.place.key)
                records, wait_seconds, raised = session.failure_records(call, _failure_of(call.step, error))
            finally:
                _strand.reset(token)
            for record in records[:-1]:
                session.recorder.put(record)
            if wait_seconds is None:
                await self._record(records[-1])
                raise raised
            await session.recorder.record(records[-1])
            await asyncio.sleep(wait_seconds)
            if session.departure.is_draining:
                await self._hold(call.place.key)

    async def _hold(self, path: str) -> None:
        self._session.departure.hold(path)
        await self._session.forever()


def _failure_of(step: Step[..., Any], error: Exception | asyncio.CancelledError) -> Exception:
    """Return the failure of a body; pass on a cancellation that came from the caller."""
    if isinstance(error, Exception):
        return error
    caller = asyncio.current_task()
    if caller is None or caller.cancelling():
        raise error
    failure = StepFailedError(f"step {step.name} awaited something that was canceled")
    failure.__cause__ = error
    return failure


async def _within(step: Step[..., Any], body: Any) -> Any:
    try:
        async with asyncio.timeout(step.timeout_seconds) as limit:
            return await body
    except TimeoutError as error:
        if limit.expired():
            message = f"step {step.name} ran longer than its timeout of {step.timeout_seconds:g} s"
            raise StepTimeoutError(message) from error
        raise
