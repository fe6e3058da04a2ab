"""Waits for what happens outside of the run: in the process for a while, then without it.

However many strands wait, one task looks for all of them, once a second at most. A notification of the database makes
it look at once; behind a transaction pooler there are none, and the second is how late it may be.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid5

from holdfast.domain.errors import NotFoundError, WrongStateError
from holdfast.domain.subjects import Child, ChildRequest, Subject, Subscription
from holdfast.protocol.messages import WaitKind
from holdfast.sdk.journal import Strand

if TYPE_CHECKING:
    from holdfast.runtime.session import Session
    from holdfast.runtime.sleeping import Timers

T = TypeVar("T")

_LOOK_SECONDS = 1.0
_SHORTEST_LOOK_SECONDS = 0.01


@dataclass(slots=True, eq=False)
class _Watched:
    """One subject, as it was seen last, and how many strands wait for it."""

    changed: asyncio.Future[None]
    strands: int = 0
    is_seen: bool = False
    subject: Subject | None = None
    due: datetime | None = None

    def is_open(self, kind: str, subject_id: UUID) -> bool:
        """Whether it is not resolved, as far as is known; raises if it does not exist."""
        if self.is_seen and self.subject is None:
            raise NotFoundError(f"this run knows no {kind} {subject_id}")
        return self.subject is None or self.subject.outcome is None

    def resolved(self) -> Subject:
        """The subject, which is resolved."""
        assert self.subject is not None
        return self.subject


class Outside:
    """What a session knows of the outside; see ``holdfast.sdk.journal.Outside`` for what authors' calls use.

    Attributes:
        wait_kind: what the last strand that began to wait without patience waits for.
    """

    def __init__(self, session: Session, timers: Timers, park_threshold_seconds: float) -> None:
        self._session = session
        self._timers = timers
        self._park_threshold_seconds = park_threshold_seconds
        self._watched: dict[UUID, _Watched] = {}
        self._look_now: asyncio.Future[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self.wait_kind = WaitKind.TOKEN

    async def create_token(
        self, strand: Strand, timeout_seconds: float | None, tags: Sequence[str], idempotency_key: str | None
    ) -> UUID:
        """Make a token, one for each place of a call, so that making it twice makes one."""
        place = self._place(strand)
        return await self._session.dialogue.ask(
            lambda client: client.create_token(place, timeout_seconds, tags, idempotency_key)
        )

    async def trigger(self, strand: Strand, requests: Sequence[ChildRequest], follows: bool) -> list[Child]:
        """Trigger runs in one transaction, or find those that this place has triggered before."""
        place = strand.branch.path
        placed = [replace(request, key=f"{place}:{request.key}") for request in requests]
        children = await self._session.dialogue.ask(lambda client: client.trigger(placed, follows))
        return [children[request.key] for request in placed]

    async def message(self, strand: Strand, wanted: Subscription) -> Subject:
        """Wait for the signal or event that this place gets; asking again gives the same."""
        session, place, key = self._session, self._place(strand), strand.branch.path
        # a record of this step with a greater number says that this wait is over
        sequence = session.last_sequence
        subject_id = await session.dialogue.ask(lambda client: client.subscribe(place, key, sequence, wanted))
        (subject,) = await self.resolutions(strand, wanted.kind, [subject_id])
        return subject

    async def send_signal(self, strand: Strand, to: str, name: str, value: str) -> None:
        """Send a signal, once for each place of a call.

        Raises:
            NotFoundError: there is no such run in the namespace.
            WrongStateError: the run has ended.
        """
        place = self._place(strand)
        answer = await self._session.dialogue.ask(lambda client: client.send_signal(place, to, name, value))
        if answer == "Unknown":
            raise NotFoundError(f"signal {name!r} was not sent: there is no run {to!r} in this namespace")
        if answer != "Sent":
            raise WrongStateError(f"signal {name!r} was not sent: run {to} has ended as {answer}, and takes no signals")

    async def publish_event(self, strand: Strand, name: str, value: str, key: str | None) -> UUID:
        """Publish an event, once for each place of a call, and return its id."""
        place = self._place(strand)
        return await self._session.dialogue.ask(lambda client: client.publish_event(place, name, value, key))

    async def resolutions(self, strand: Strand, kind: str, subject_ids: Sequence[UUID]) -> list[Subject]:
        """Wait until all of the subjects are resolved; the process may end meanwhile.

        Raises:
            NotFoundError: one of them does not exist, or not for this run.
        """
        session = self._session
        watched = {subject_id: self._watch(subject_id) for subject_id in subject_ids}
        try:
            parks_at = session.loop.time() + self._park_threshold_seconds
            while open_ids := [subject_id for subject_id, each in watched.items() if each.is_open(kind, subject_id)]:
                unseen_ids = [subject_id for subject_id in open_ids if watched[subject_id].subject is None]
                changed = watched[(unseen_ids or open_ids)[0]].changed
                patience_seconds = math.inf if unseen_ids else parks_at - session.loop.time()
                if patience_seconds > 0:
                    await session.quietly.until(changed, patience_seconds)
                else:
                    self.wait_kind = WaitKind(kind)
                    due = min((each.due for each in watched.values() if each.due is not None), default=None)
                    with session.departure.waiting(strand.branch.path, due, tuple(open_ids)):
                        # a timer of the author's code that goes off was perhaps the last that kept it from parking
                        await session.quietly.until(changed, self._timers.next_in_seconds())
                session.departure.check()
            return [each.resolved() for each in map(watched.__getitem__, subject_ids)]
        finally:
            for subject_id, each in watched.items():
                self._leave(subject_id, each)

    def block(self, call: Coroutine[Any, Any, T]) -> T:
        """Have ``call`` made on the session's event loop, and block this thread meanwhile."""
        return self._session.block(call)

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _place(self, strand: Strand) -> UUID:
        return uuid5(self._session.info.run_id, strand.branch.path)

    def _watch(self, subject_id: UUID) -> _Watched:
        watched = self._watched.get(subject_id)
        if watched is None:
            watched = self._watched[subject_id] = _Watched(self._session.loop.create_future())
            self._look()
        watched.strands += 1
        return watched

    def _leave(self, subject_id: UUID, watched: _Watched) -> None:
        watched.strands -= 1
        if not watched.strands:
            del self._watched[subject_id]

    def _look(self) -> None:
        if self._looking is None or self._looking.done():
            # in a context of its own: it is no branch of the code that happens to call
            self._looking = self._session.loop.create_task(self._keep_looking(), context=Context())
        elif self._look_now is not None and not self._look_now.done():
            self._look_now.set_result(None)

    async def _keep_looking(self) -> None:
        session = self._session
        try:
            while self._watched and session.departure.reason is None:
                self._look_now = session.loop.create_future()
                await self._listen()
                await self._look_once()
                await session.quietly.until(self._look_now, self._next_look_seconds())
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            session.broken(error)

    async def _listen(self) -> None:
        # not the dictionary: strands begin and end to wait while the connection is busy
        channels = [_channel(subject_id) for subject_id in self._watched]
        await self._session.dialogue.ask(lambda client: client.listen(channels, self._look))

    async def _look_once(self) -> None:
        session = self._session
        wanted = list(self._watched)
        subjects = await session.dialogue.ask(lambda client: client.look(wanted))
        now = session.database_now()
        for subject_id in wanted:
            watched = self._watched.get(subject_id)
            if watched is not None:
                self._see(watched, subjects.get(subject_id), now)

    def _see(self, watched: _Watched, subject: Subject | None, now: datetime) -> None:
        is_news = not watched.is_seen or (subject is not None and subject.outcome is not None)
        watched.is_seen = True
        watched.subject = subject
        if subject is not None and subject.remaining_seconds is not None:
            watched.due = now + timedelta(seconds=subject.remaining_seconds)
        if is_news:
            changed, watched.changed = watched.changed, self._session.loop.create_future()
            changed.set_result(None)

    def _next_look_seconds(self) -> float:
        now = self._session.database_now()
        dues = [watched.due for watched in self._watched.values() if watched.due is not None]
        first_seconds = (min(dues) - now).total_seconds() if dues else _LOOK_SECONDS
        return min(_LOOK_SECONDS, max(first_seconds, _SHORTEST_LOOK_SECONDS))


def _channel(subject_id: UUID) -> str:
    return f"holdfast_{subject_id}"
