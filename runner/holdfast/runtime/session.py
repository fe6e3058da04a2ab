"""The journal of one attempt: finds what was recorded, executes what was not, and has it recorded."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.contract.limits import STEPS_PER_RUN_LIMIT
from holdfast.domain.errors import (
    AttemptFenced,
    BranchError,
    CommandFailedError,
    CommandNotFoundError,
    ControlFlow,
    EncodingError,
    HistoryMismatch,
    NonRetryableError,
    RecordRefused,
    RunCanceled,
    RunParked,
)
from holdfast.domain.scopes import Place, StepKey
from holdfast.protocol.client import AttemptClient
from holdfast.protocol.messages import Flags, Identity, Opened, StepOutcome, StepRecord, WaitKind
from holdfast.runtime.awaited import AwaitedSteps
from holdfast.runtime.blocking import BlockingSteps
from holdfast.runtime.departure import Departure
from holdfast.runtime.dialogue import Dialogue
from holdfast.runtime.failures import FailedSteps
from holdfast.runtime.faults import NO_FAULTS, FaultPoint, Faults
from holdfast.runtime.history import CANCEL_MARK, Arguments, History
from holdfast.runtime.lifeline import Lifeline
from holdfast.runtime.notes import Notes
from holdfast.runtime.patience import Patience
from holdfast.runtime.promises import Promises
from holdfast.runtime.quiet_waits import QuietWaits
from holdfast.runtime.recorder import Recorder
from holdfast.runtime.reopening import records_to_reopen
from holdfast.runtime.rest import Rest
from holdfast.runtime.result_order import ResultOrder
from holdfast.runtime.sleeping import Sleeps, Timers
from holdfast.runtime.step_call import StepCall
from holdfast.sdk.codec import Codec
from holdfast.sdk.digest import digest_arguments
from holdfast.sdk.failure import Failure, recordable, restore
from holdfast.sdk.journal import Strand
from holdfast.sdk.run_info import RunInfo
from holdfast.sdk.step import Step

if TYPE_CHECKING:
    from holdfast.runtime.outside import Outside
    from holdfast.runtime.patches import Patches

T = TypeVar("T")

_log = logging.getLogger("holdfast")

_DOOMED_LOOK_SECONDS = 0.5
"""How often a call that waits to be canceled looks whether anybody is left to do it."""

_HAND_OVER_SECONDS = 0.5
"""How long a handover after every step waits for steps that run."""

_SCRIPT_GRACE_SECONDS = 5.0
"""Of a script that a task runs, from the signal that the attempt leaves until it is killed."""

_LEFTOVER_GRACE_SECONDS = 1.0
"""For asyncio tasks that outlive the author's function: it did not wait for them either."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How an attempt behaves.

    Attributes:
        park_threshold_seconds: waits longer than this leave the process.
        always_replay: hand over after every recorded step, so that everything behind it is proved to replay.
    """

    park_threshold_seconds: float = 5.0
    always_replay: bool = False


DEFAULT_SETTINGS = SessionSettings()


class Session:
    """One attempt's journal; belongs to the event loop it is made on. See ``Journal`` for what authors' calls use."""

    def __init__(
        self,
        client: AttemptClient,
        patience: Patience,
        lifeline: Lifeline,
        identity: Identity,
        opened: Opened,
        settings: SessionSettings = DEFAULT_SETTINGS,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self.info = _info(identity, opened)
        self.is_closing = opened.closing is not None
        self.history = History(opened.history)
        self.failures = FailedSteps()
        self.lifeline = lifeline
        self.loop = asyncio.get_running_loop()
        self.loop_thread = threading.get_ident()
        self._timers = Timers(self.loop)
        self.departure = Departure(self._cancel_task, self._timers.are_none, Rest(self.loop).then_from_any_thread)
        self._faults = faults
        self.has_faults = faults is not NO_FAULTS
        self.last_contact = time.monotonic()
        self.wait_kind = WaitKind.TIMER
        self.dialogue = Dialogue(client, patience)
        self.stopping: asyncio.Future[None] = self.loop.create_future()
        self.quietly = QuietWaits(self.loop, self.stopping)
        self._settings = settings
        self._opened_at = time.monotonic()
        self._database_now = opened.database_now
        self._last_sequence = self.history.last_sequence
        self._sequences = count(self._last_sequence + 1)
        self._steps_left = STEPS_PER_RUN_LIMIT - len(self.history)
        self.live_branches: set[Strand] = set()
        """All but the root branch."""
        self.thread_branches: dict[int, str] = {}
        self.order = ResultOrder(self.loop, self.history, self.departure.all_wait)
        self._blocking = BlockingSteps(self)
        self.run_step = AwaitedSteps(self).run_step
        self.run_step_blocking = self._blocking.run_step
        self.notes = Notes(self, self._blocking)
        self._promises = Promises(self, self._blocking)
        self._sleeps = Sleeps(self, self._timers, settings.park_threshold_seconds)
        self.recorder = Recorder(self._send, self.note_flags, self.broken)
        self.task: asyncio.Future[Any] | None = None

    # --- what authors' calls use -------------------------------------------------------------------------------------

    @cached_property
    def outside(self) -> Outside:
        """See ``Journal.outside``. Loaded when first needed: most runs wait for nothing outside."""
        from holdfast.runtime.outside import Outside

        return Outside(self, self._timers, self._settings.park_threshold_seconds)

    def database_now(self) -> datetime:
        """The database's time of day: what it said at the opening, plus what has passed here since."""
        return self._database_now + timedelta(seconds=time.monotonic() - self._opened_at)

    def note(self, strand: Strand, kind: str, name: str, produce: Callable[[], Any], codec: Codec[Any]) -> Any:
        """See ``Journal.note``."""
        return self.notes.take(strand, kind, name, produce, codec)[0]

    def patched(self, strand: Strand, patch: str) -> bool:
        """See ``Journal.patched``."""
        return self._patches.patched(strand, patch)

    @cached_property
    def _patches(self) -> Patches:
        from holdfast.runtime.patches import Patches

        return Patches(self)

    async def sleep(self, strand: Strand, name: str, find_due: Callable[[], datetime]) -> None:
        """See ``Journal.sleep``."""
        self.refuse_other_loop()
        await self._sleeps.sleep(strand, name, find_due)

    async def run_script(self, strand: Strand, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """See ``Journal.run_script``."""
        from holdfast.runtime.command import command_environment
        from holdfast.runtime.script import run_script

        self.refuse_other_loop()
        known = command_environment(str(self.info.run_id), self.info.attempt, "{}")
        try:
            await run_script(self, strand.branch, command, {**known, **variables}, _SCRIPT_GRACE_SECONDS)
        except CommandNotFoundError as error:  # of a task that is itself a command it says that the task is not there
            raise CommandFailedError(str(error)) from None

    def sleep_blocking(self, strand: Strand, name: str, find_due: Callable[[], datetime]) -> None:
        """See ``Journal.sleep_blocking``."""
        self._sleeps.sleep_blocking(strand, name, find_due)

    def wake_in_turn(self, woke: StepRecord | None, make: Callable[[], StepRecord], strand: Strand) -> None:
        """In a thread: return when a sleep that is over is the next to come back; have that recorded if it was not."""
        self._blocking.wake_in_turn(woke, make, strand)

    # --- branches ----------------------------------------------------------------------------------------------------

    def branch_began(self, strand: Strand) -> None:
        """A new asyncio task or thread runs as a branch."""
        self.live_branches.add(strand)
        if strand.owner is None:
            self.thread_branches[threading.get_ident()] = strand.branch.path
        self.departure.began(strand.branch.path)

    def branch_ended(self, strand: Strand) -> None:
        """An asyncio task or a thread that was a branch has ended."""
        self.live_branches.discard(strand)
        owner = strand.owner
        # not by `exception()`: that would tell asyncio that someone has seen it
        error = getattr(owner, "_exception", None)
        if owner is not None and error is not None and _is_control_flow(error):
            owner.exception()  # no failure that someone forgot to look at
        elif error is not None:
            self.failures.remember_branch(error, self._last_sequence)
        self.order.thread_moved()
        self.departure.ended(strand.branch.path)
        if self.order.is_holding:
            self.loop.call_soon_threadsafe(self.order.look)

    def timer_set(self, timer: asyncio.TimerHandle) -> None:
        """The author's code set a timer: until it has run or was canceled, the attempt must not park."""
        self._timers.add(timer)

    # --- what the parts of the session share -------------------------------------------------------------------------

    def promise(self, strand: Strand, reference: str) -> None:
        """See ``Journal.promise``."""
        self._promises.promise(strand, reference)

    def place_of(
        self, step: Step[..., Any], strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Place, bytes]:
        """Find the place of a call, and the digest of its arguments; raises if the attempt leaves."""
        if self.departure.reason is not None:
            self.departure.check()
        key = step.explicit_key(args, kwargs) if step.has_key else None
        place = strand.branch.next_step(step.name) if key is None else strand.branch.explicit_step(key)
        return place, digest_arguments(args, kwargs)

    def claim(
        self, place: Place, kind: str, name: str, digest: bytes | None, arguments: Arguments | None = None
    ) -> StepRecord | None:
        """Return what was recorded at ``place``; a mismatch ends the attempt. See ``History.claim``."""
        try:
            recorded = self.history.claim(place, kind, name, digest, arguments)
        except HistoryMismatch as mismatch:
            self.departure.stop(mismatch)
            raise
        if self.live_branches:
            if self.order.is_holding:
                self.loop.call_soon_threadsafe(self.order.look)
            self.order.thread_moved()
        return recorded

    @property
    def last_sequence(self) -> int:
        """The number of the last record that was begun."""
        return self._last_sequence

    def next_sequence(self) -> int:
        """Return the number of the next record.

        Raises:
            NonRetryableError: the run has as many steps as a run may have.
        """
        if self._steps_left <= 0:
            raise NonRetryableError(
                f"the run has recorded {STEPS_PER_RUN_LIMIT} steps, the most that one run may have. "
                "Do more per step, or start several runs"
            )
        self._steps_left -= 1
        self._last_sequence = next(self._sequences)
        return self._last_sequence

    def renumbered(self, record: StepRecord) -> StepRecord:
        """Return the same record with the number that is next now."""
        self._last_sequence = next(self._sequences)
        return record._replace(sequence=self._last_sequence)

    def recorded_result(self, step: Step[..., Any], recorded: StepRecord, text: str | None) -> Any:
        """Return the recorded result of a step, or raise its recorded failure.

        Raises:
            HistoryMismatch: the value does not fit what the program annotates now.
        """
        if recorded.outcome is StepOutcome.FAILED:
            error = restore(Failure.from_json(text or "null"))
            self.failures.remember(error, recorded.key)
            raise error
        return self.decoded(step.codec, recorded, text)

    def failure_records(self, call: StepCall, error: Exception) -> tuple[list[StepRecord], float | None, Exception]:
        """Return what to record after a failed try, the wait before the next one (None: no more), and what to raise."""
        wait_seconds = call.wait_seconds(error)
        if wait_seconds is None:
            raised = recordable(error)
            self.failures.remember(raised, call.place.key)
            record = call.failure(raised, self.next_sequence())
            self.history.add(record)
            return [record], None, raised
        records = []
        reopened = records_to_reopen(self.history, self.failures, error, inside=call.place.key)
        self.history.reopen_body(call.place.key)
        for inner in reopened:
            records.append(_reopened(inner, self.next_sequence()))
            self.history.reopen(inner.key)
        return [*records, call.retrying(error, self.next_sequence())], wait_seconds, error

    def note_canceled(self, mark: StepRecord, canceled: asyncio.CancelledError) -> None:
        """Have it recorded, before the next step's body begins, that the caller of a step or sleep was canceled."""
        self.failures.remember(canceled, mark.key)
        self.history.add(mark)
        self.notes.put(mark)

    def keys_to_reopen(self, error: BaseException) -> tuple[StepKey, ...]:
        """Return what the next attempt executes again, because of how the task ended."""
        if isinstance(error, ControlFlow):
            return ()
        return tuple(record.key for record in records_to_reopen(self.history, self.failures, error))

    def reach(self, point: FaultPoint, key: StepKey) -> None:
        """Tell the faults where the attempt is. One that raises ends it: what runs later cannot act for it any more."""
        try:
            self._faults.reach(point, key)
        except ControlFlow as end:
            self.departure.stop(end)
            raise

    def step_recorded(self) -> None:
        """A step was executed and is durable."""
        if self._settings.always_replay:
            self.wait_kind = WaitKind.HANDOVER
            why = RunParked("hands over after every step")
            self.departure.drain(why)
            # a step that runs may wait for one that is held
            self.loop.call_soon_threadsafe(
                self.loop.call_later, _HAND_OVER_SECONDS, self.departure.stop, why, context=Context()
            )

    def note_flags(self, flags: Flags) -> None:
        """React to what is pending."""
        self.last_contact = time.monotonic()
        if flags is Flags.NONE:
            return
        if Flags.CANCEL in flags:
            self.departure.stop(RunCanceled("the run was canceled on request"))
        elif Flags.SUSPEND in flags:
            self.wait_kind = WaitKind.SUSPEND
            self.departure.drain(RunParked("the run was suspended on request"))

    async def close(self) -> None:
        """The attempt is over: what the task left running is canceled, and cannot record any more."""
        self.departure.stop(AttemptFenced("the attempt is over"))
        owners = [self.task, *(strand.owner for strand in list(self.live_branches))]
        leftover = [task for task in owners if task is not None and not task.done()]
        for task in leftover:
            task.cancel()
        if leftover:
            await asyncio.wait(leftover, timeout=_LEFTOVER_GRACE_SECONDS)
        if "outside" in vars(self):
            await self.outside.close()
        await self.recorder.close()

    # --- inside ------------------------------------------------------------------------------------------------------

    def refuse_other_loop(self) -> None:
        """Raise ``BranchError`` unless this is the run's own event loop."""
        if asyncio.get_running_loop() is not self.loop:
            raise BranchError(
                "a step was awaited in another event loop than the run's, where tasks have no numbers. Make the task "
                "`async def`, or the step `def`"
            )

    def decoded(self, codec: Codec[Any], record: StepRecord, text: str | None) -> Any:
        """Return a recorded value; one that does not fit what the program annotates now ends the attempt."""
        try:
            return codec.decode(text if text is not None else "null")
        except EncodingError as error:
            mismatch = HistoryMismatch(
                f"{error} It was recorded for {record.kind} {record.name!r} at {record.key}, and stays so: run the "
                "program as it was and resume this run (holdfast runs resume), or start a new run with the same input "
                "(holdfast runs replay)"
            )
            self.departure.stop(mismatch)
            raise mismatch from error

    async def forever(self) -> None:
        """Wait until canceled."""
        await self.loop.create_future()

    async def until_canceled(self, recorded: StepRecord, strand: Strand) -> None:
        """Wait as a caller that was canceled: it will be now, too.

        Return if nobody is left who could do that: what led to it was no step then, and went another way this time.
        """
        mark = self.history.record_of(StepKey(recorded.key + CANCEL_MARK)) or recorded
        chances = 2
        try:
            with self.departure.doomed(strand.branch.path):
                while chances:
                    await self.quietly.sleep(_DOOMED_LOOK_SECONDS)
                    chances = chances - 1 if self.departure.nobody_can_cancel() else 2
        except asyncio.CancelledError as canceled:
            self.failures.remember(canceled, mark.key)
            raise
        _log.warning("holdfast: %s was canceled in an earlier attempt, and nobody cancels it now", recorded.key)
        self.history.reopen(mark.key)

    def block(self, call: Coroutine[Any, Any, T]) -> T:
        """Have ``call`` made on this session's event loop, and block the calling thread meanwhile."""
        return self._blocking.wait_for(call)

    async def _send(self, records: Sequence[StepRecord]) -> Flags:
        return await self.dialogue.ask(lambda client: client.record(records))

    def broken(self, error: BaseException) -> None:
        """The database refused a call for good: the attempt cannot go on."""
        if not isinstance(error, ControlFlow):
            error = RecordRefused(f"the database refused a record for good: {error}")
        if isinstance(error, AttemptFenced):
            self.departure.reason = None  # the fence beats every other reason
        self.departure.stop(error)

    def _cancel_task(self) -> None:
        self.loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        if not self.stopping.done():
            self.stopping.set_result(None)
        if self.task is not None:
            self.task.cancel()


def _reopened(record: StepRecord, sequence: int) -> StepRecord:
    return StepRecord(
        record.key, sequence, record.position, record.kind, record.name, StepOutcome.RETRYING, 0, 0,
        record.input_digest, record.value,
    )  # fmt: skip


def _is_control_flow(error: BaseException) -> bool:
    """Whether it only says that the attempt ends; a group does if all in it do."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_control_flow(part) for part in error.exceptions)
    return isinstance(error, ControlFlow)


def _info(identity: Identity, opened: Opened) -> RunInfo:
    return RunInfo(
        run_id=identity.run_id,
        name=opened.name,
        namespace=opened.namespace,
        task=opened.task,
        queue=opened.queue,
        attempt=identity.attempt,
        failures=opened.failures,
        disruptions=opened.disruptions,
        max_attempts=opened.max_attempts,
        idempotency_key=opened.idempotency_key,
        tags=opened.tags,
        created_at=opened.created_at,
    )
