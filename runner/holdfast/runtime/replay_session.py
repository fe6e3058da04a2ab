"""The journal of a local replay: recorded results come back, no body is executed, nothing is recorded or asked."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any, NoReturn

from holdfast.domain.errors import RunParked
from holdfast.domain.scopes import StepKey
from holdfast.domain.states import FINAL, State
from holdfast.protocol.client import AttemptClient
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.protocol.no_database import NoDatabase
from holdfast.protocol.recorded_run import RecordedRun
from holdfast.runtime.awaited import AwaitedSteps
from holdfast.runtime.blocking import BlockingSteps
from holdfast.runtime.history import CANCEL_KIND, PATCH_KIND, WOKE_KIND
from holdfast.runtime.lifeline import Lifeline
from holdfast.runtime.notes import Notes
from holdfast.runtime.patience import Patience
from holdfast.runtime.session import Session, SessionSettings
from holdfast.runtime.step_call import StepCall
from holdfast.sdk.journal import Strand


class ReplaySession(Session):
    """Holds each branch where the history has no more for it; once nothing moves any more, the replay ends.

    Args:
        run: what is replayed.
        stuck_seconds: how long nothing may move, after the first branch was held, before the replay ends in any case:
            the others may wait for the one that is held, in a way that cannot be seen.

    Attributes:
        ends: what the program asked for that is not recorded.
    """

    def __init__(self, run: RecordedRun, stuck_seconds: float) -> None:
        nothing = NoDatabase()
        super().__init__(
            AttemptClient(nothing, run.identity),
            Patience(nothing, 0.0),
            Lifeline(nothing, run.identity, 0.0),
            run.identity,
            run.opened,
            SessionSettings(park_threshold_seconds=0.0),
        )
        self.run_step = _HeldAwaited(self).run_step
        self._blocking = _HeldBlocking(self)
        self.run_step_blocking = self._blocking.run_step
        self.notes = _HeldNotes(self, self._blocking)
        self._repeats_failures = run.state in FINAL - {State.SUCCEEDED}
        self._stuck_seconds = stuck_seconds
        self.ends: list[str] = []

    def timer_set(self, timer: asyncio.TimerHandle) -> None:
        """Forget it: where all branches are held, a timeout around them must not lead the program astray."""

    def last_failure(self, key: StepKey) -> StepRecord | None:
        """Return the failure with which a step ended a run that has ended; it would be executed again by the next."""
        record = self.history.record_of(key)
        if not self._repeats_failures or record is None or record.value is None:
            return None
        return record._replace(outcome=StepOutcome.FAILED)

    def reached_end(self, kind: str, name: str, key: StepKey) -> None:
        """The program asks for something that is not recorded."""
        self.ends.append(f"{kind} {name!r} at {key}")
        self.loop.call_soon_threadsafe(self._watch, context=Context())

    def leave(self) -> NoReturn:
        """End the replay here and now."""
        self.departure.stop(RunParked("the replay ends here"))
        self.departure.check()
        raise AssertionError("the departure has a reason")

    def _watch(self) -> None:
        looks_at = self.loop.time() + self._stuck_seconds
        self.loop.call_later(self._stuck_seconds, self._look, self.history.claims, looks_at, context=Context())

    def _look(self, claims: int, was_to_look_at: float) -> None:
        was_blocked = self.loop.time() - was_to_look_at > self._stuck_seconds  # by a debugger, for one
        if was_blocked:
            self._watch()
        elif claims == self.history.claims:
            self.departure.stop(RunParked("the replay ends here: nothing moves any more"))


class _HeldNotes(Notes):
    """Values of a replay that are not recorded: they are made, and kept for nobody."""

    def __init__(self, session: ReplaySession, blocking: BlockingSteps) -> None:
        super().__init__(session, blocking)
        self._replay_session = session

    def put(self, record: StepRecord) -> None:
        """Say that the history ends here."""
        if record.kind not in (CANCEL_KIND, PATCH_KIND, WOKE_KIND):
            self._replay_session.reached_end(record.kind, record.name, record.key)


class _HeldAwaited(AwaitedSteps):
    """``async def`` steps of a replay."""

    def __init__(self, session: ReplaySession) -> None:
        super().__init__(session)
        self._replay_session = session

    async def _execute(self, call: StepCall, strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        session = self._replay_session
        failure = session.last_failure(call.place.key)
        if failure is not None:
            return await self._replay(call.step, failure, strand)
        session.reached_end(call.step.kind, call.step.name, call.place.key)
        with session.departure.waiting(call.place.key, None):
            await session.forever()


class _HeldBlocking(BlockingSteps):
    """``def`` steps of a replay."""

    def __init__(self, session: ReplaySession) -> None:
        super().__init__(session)
        self._replay_session = session

    def _try_until_done(
        self, call: StepCall, strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> NoReturn:
        session = self._replay_session
        failure = session.last_failure(call.place.key)
        if failure is not None:
            self._replay(call.step, failure, strand)
        session.reached_end(call.step.kind, call.step.name, call.place.key)
        if not self._on_loop_thread():
            with session.departure.waiting(call.place.key, None):
                session.departure.stopped.wait()
        session.leave()
