"""The calls of the protocol, one method each; every one is a single round trip."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import asyncpg
from asyncpg.pgproto import pgproto

from holdfast.domain.scopes import StepKey
from holdfast.domain.subjects import Child, ChildRequest, Subject, SubjectOutcome, Subscription
from holdfast.protocol.connection import Database
from holdfast.protocol.messages import (
    Closing,
    Ending,
    Flags,
    Identity,
    LogLine,
    Opened,
    Pulse,
    StepOutcome,
    StepRecord,
    WaitKind,
)

_OPEN = "select * from holdfast_v1.open($1, $2, $3, $4, $5)"
_ANNOUNCE = "select holdfast_v1.announce($1, $2, $3, $4)"
_RECORD = "select holdfast_v1.record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_RECORD_MANY = "select holdfast_v1.record_many($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_PARK = "select holdfast_v1.park($1, $2, $3, $4, $5, $6, $7)"
_FINISH = "select holdfast_v1.finish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_HEARTBEAT = "select * from holdfast_v1.heartbeat($1, $2, $3, $4, $5, $6, $7, $8)"
_FETCH = "select key, value from holdfast_v1.fetch($1, $2, $3, $4)"
_CREATE_TOKEN = "select holdfast_v1.create_token($1, $2, $3, $4, $5, $6, $7)"
_TRIGGER = "select key, run_id, run_name from holdfast_v1.trigger($1, $2, $3, $4, $5, $6, $7, $8)"
_SUBSCRIBE = "select holdfast_v1.subscribe($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_SEND_SIGNAL = "select holdfast_v1.send_signal($1, $2, $3, $4, $5, $6, $7)"
_PUBLISH_EVENT = "select holdfast_v1.publish_event($1, $2, $3, $4, $5, $6, $7)"
_LOOK = "select subject, outcome, value, message, remaining_seconds from holdfast_v1.look($1, $2, $3, $4)"

_SEQUENCE = StepRecord._fields.index("sequence")
_NOTHING_PENDING = Flags.NONE
_OUTCOMES = {outcome.value: outcome for outcome in StepOutcome}
_new = tuple.__new__  # in two thirds of the time of StepRecord(...), of which an opening makes thousands


class AttemptClient:
    """Speaks for one attempt. All methods raise ``AttemptFenced`` once a newer attempt owns the run."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity
        # the driver's own class: it writes one without asking Python for the bytes
        self._who = (pgproto.UUID(identity.run_id.hex), identity.attempt, identity.session)

    async def open(self, token: str, runner: str) -> Opened:
        """Begin the attempt: swap the single-use token for the session; ``runner`` is a JSON object about this
        process.
        """
        identity = self._identity
        rows = await self._database.rows(_OPEN, identity.run_id, identity.attempt, token, identity.session, runner)
        run = json.loads(rows[0][0])
        return Opened(
            flags=Flags(run["flags"]),
            namespace=run["namespace"],
            name=run["name"],
            task=run["task"],
            queue=run["queue"],
            entrypoint=run["entrypoint"],
            input=run["input"],
            tags=tuple(run["tags"]),
            idempotency_key=run["idempotency_key"],
            created_at=_time(run["created_at"]),
            failures=run["failures"],
            disruptions=run["disruptions"],
            max_attempts=run["max_attempts"],
            lease_seconds=run["lease_seconds"],
            attempt_remaining_seconds=run["attempt_remaining_seconds"],
            run_remaining_seconds=run["run_remaining_seconds"],
            database_now=_time(run["database_now"]),
            python_version=run["python_version"],
            history=_history(rows[1:]),
            hooks=tuple(run["hooks"] or ()),
            closing=run["closing"] and _closing(run["closing"]),
        )

    async def announce(self, hooks: Sequence[str]) -> None:
        """Say which hooks of its ends the task has."""
        await self._database.row(_ANNOUNCE, *self._who, list(hooks))

    async def record(self, steps: Sequence[StepRecord]) -> Flags:
        """Record finished steps, all or none, and return what is pending."""
        if len(steps) == 1:
            rows = await self._database.rows(_RECORD, *self._who, *steps[0])
        else:
            columns = map(list, zip(*steps, strict=True))
            rows = await self._database.rows(_RECORD_MANY, *self._who, *columns)
        flags = rows[0][0]
        return Flags(flags) if flags else _NOTHING_PENDING

    async def park(
        self, kind: WaitKind, wake_after_seconds: float | None = 0.0, groups: Sequence[Sequence[UUID]] = ()
    ) -> str:
        """Leave without an end and return the run's state.

        Args:
            kind: what the run waits for.
            wake_after_seconds: when it goes on in any case; None: not before a group is resolved.
            groups: subjects by id; the run goes on once all of one group are resolved.
        """
        numbered = [(subject, number) for number, group in enumerate(groups) for subject in group]
        subjects, numbers = [subject for subject, _ in numbered], [number for _, number in numbered]
        row = await self._database.row(_PARK, *self._who, kind, wake_after_seconds, subjects, numbers)
        return str(row[0])

    async def create_token(
        self, place: UUID, timeout_seconds: float | None, tags: Sequence[str], idempotency_key: str | None
    ) -> UUID:
        """Make a token, and return its id: the same for the same place of the run, or the same idempotency key."""
        row = await self._database.row(_CREATE_TOKEN, *self._who, place, timeout_seconds, list(tags), idempotency_key)
        return UUID(bytes=row[0].bytes)  # the driver's own class is none of the author's

    async def trigger(self, requests: Sequence[ChildRequest], follows: bool) -> dict[str, Child]:
        """Trigger runs, all or none, and return them by key; those triggered before are found again.

        Args:
            requests: what to trigger.
            follows: whether they are canceled when this run is canceled, or discarded as a dead letter.
        """
        rows = await self._database.rows(
            _TRIGGER,
            *self._who,
            [request.key for request in requests],
            [request.task for request in requests],
            [request.input for request in requests],
            [request.options for request in requests],
            follows,
        )
        return {row[0]: Child(UUID(bytes=row[1].bytes), row[2]) for row in rows}

    async def subscribe(self, place: UUID, step_key: str, sequence: int, wanted: Subscription) -> UUID:
        """Begin to wait for a signal or an event, and return the subject to look for, the same for the same place.

        Args:
            place: of the call in the program.
            step_key: the step that waits.
            sequence: the number of the run's last record.
            wanted: what it waits for.
        """
        row = await self._database.row(
            _SUBSCRIBE,
            *self._who,
            place,
            step_key,
            sequence,
            wanted.kind,
            wanted.name,
            wanted.match,
            wanted.timeout_seconds,
            wanted.look_back_seconds,
        )
        return UUID(bytes=row[0].bytes)

    async def send_signal(self, place: UUID, to: str, name: str, value: str) -> str:
        """Send a signal to a run, by id or name, once for each place. Returns ``Sent``, or why not: ``Unknown``, or
        the final state of the run.
        """
        row = await self._database.row(_SEND_SIGNAL, *self._who, place, to, name, value)
        return str(row[0])

    async def publish_event(self, place: UUID, name: str, value: str, key: str | None) -> UUID:
        """Publish an event, once for each place, and return its id."""
        row = await self._database.row(_PUBLISH_EVENT, *self._who, place, name, value, key)
        return UUID(bytes=row[0].bytes)

    async def listen(self, channels: Iterable[str], heard: Callable[[], None]) -> None:
        """Have ``heard`` called at each notification on one of these channels, where the connection allows it."""
        await self._database.listen(channels, heard)

    async def look(self, subjects: Sequence[UUID]) -> dict[UUID, Subject]:
        """Return how things stand, by id; what does not exist is left out."""
        rows = await self._database.rows(_LOOK, *self._who, list(subjects))
        return {row[0]: _subject(row) for row in rows}

    async def finish(self, ending: Ending) -> str:
        """End the attempt and return the run's state after it."""
        row = await self._database.row(
            _FINISH,
            *self._who,
            ending.outcome,
            ending.failure_class,
            ending.reason,
            ending.message,
            ending.value,
            ending.retry_after_seconds,
            list(ending.reopen_keys),
        )
        return str(row[0])

    async def heartbeat(self, lines: Sequence[LogLine] = ()) -> Pulse:
        """Renew the lease and deliver log lines."""
        row = await self._database.row(
            _HEARTBEAT,
            *self._who,
            [line.line_number for line in lines],
            [line.age_ms for line in lines],
            [line.stream for line in lines],
            [line.step_key for line in lines],
            [line.line for line in lines],
        )
        return Pulse(Flags(row[0]), row[1], row[2])

    async def fetch(self, keys: Sequence[StepKey]) -> dict[StepKey, str | None]:
        """Return values that ``open`` left out because they are large."""
        rows = await self._database.rows(_FETCH, *self._who, list(keys))
        return {StepKey(row["key"]): row["value"] for row in rows}


def _history(rows: Iterable[asyncpg.Record]) -> tuple[StepRecord, ...]:
    records = [
        _new(StepRecord, (key, sequence, position, kind, name, _OUTCOMES[outcome], tries, 0, input_digest, value))
        for _, key, sequence, position, kind, name, outcome, tries, input_digest, value in rows
    ]
    return tuple(sorted(records, key=itemgetter(_SEQUENCE)))


def _closing(given: dict[str, Any]) -> Closing:
    return Closing(**{name: given[name] for name in Closing._fields})


def _subject(row: asyncpg.Record) -> Subject:
    subject_id, outcome, value, message, remaining_seconds = row
    return Subject(subject_id, outcome and SubjectOutcome(outcome), value, message, remaining_seconds)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
