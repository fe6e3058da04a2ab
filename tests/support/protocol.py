"""The protocol of the pods, spoken by hand: what `holdfast_v1` does is told by no code of ours in between."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

import asyncpg
import pytest

from holdfast_engine.postgres.queries import queries

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

FENCED, NOT_FOUND, BAD_SECRET, CONFLICT, BAD_STATE, LIMIT = (f"HF00{number}" for number in range(1, 7))


@dataclass(frozen=True)
class Pod:
    """One attempt of one run, as its process sees itself.

    Every method calls the function of its name; keyword arguments replace what is sent by default, by the names of the
    function's parameters without ``p_``.
    """

    connection: Connection
    run_id: UUID
    attempt: int
    token: str
    session: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def on(self, connection: Connection) -> Pod:
        """The same attempt on another connection."""
        return replace(self, connection=connection)

    async def open(self, **changed: Any) -> dict[str, Any]:
        """Open the attempt and return what is said of the run."""
        run: dict[str, Any] = json.loads((await self.opening(**changed))[0]["run"])
        return {**run, **{name: datetime.fromisoformat(run[name]) for name in ("created_at", "database_now")}}

    async def history(self, **changed: Any) -> list[asyncpg.Record]:
        """Open the attempt (again) and return the recorded steps, in the order of their records."""
        return sorted((await self.opening(**changed))[1:], key=lambda step: step["step_sequence"])

    async def opening(self, **changed: Any) -> list[asyncpg.Record]:
        """Open the attempt: one row for the run, then one for each step."""
        return await self._call("open", **{"token": self.token, "runner": '{"python": "3.11"}', **changed})

    async def record(self, key: str = "0/work#1", value: str | None = '"done"', **changed: Any) -> int:
        """Record one step and return the flags."""
        return await self._only("record", **{**_step(key, value), **changed})

    async def record_many(self, *steps: dict[str, Any], **changed: Any) -> int:
        """Record several steps; each is a dictionary of what differs from the usual one."""
        whole = [{**_step(step.get("key", "0/work#1"), '"done"'), **step} for step in steps]
        columns = {plural: [step[name] for step in whole] for name, plural in _PLURALS.items()}
        return await self._only("record_many", **{**columns, **changed})

    async def park(self, kind: str | None = "timer", wake_after_seconds: float | None = 60.0, **changed: Any) -> str:
        """Leave without an end and return the state."""
        return await self._only("park", kind=kind, wake_after_seconds=wake_after_seconds, **changed)

    async def finish(self, outcome: str | None = "Succeeded", **changed: Any) -> str:
        """End the attempt and return the state."""
        usual: dict[str, Any] = {
            "class": {"Failed": "App", "Canceled": "App"}.get(outcome or ""),
            "reason": None if outcome == "Succeeded" else "ExceptionRaised",
            "message": None if outcome == "Succeeded" else "it broke",
            "value": '"result"' if outcome == "Succeeded" else '{"type": "builtins:ValueError"}',
            "retry_after_seconds": None,
            "reopen_keys": [],
        }
        return await self._only("finish", outcome=outcome, **{**usual, **changed})

    async def heartbeat(self, *lines: str, first: int = 1, **changed: Any) -> asyncpg.Record:
        """Renew the lease and deliver lines, numbered from ``first``."""
        usual: dict[str, Any] = {
            "line_numbers": [first + place for place in range(len(lines))],
            "line_ages_ms": [0] * len(lines),
            "streams": ["stdout"] * len(lines),
            "step_keys": [None] * len(lines),
            "lines": list(lines),
        }
        return (await self._call("heartbeat", **{**usual, **changed}))[0]

    async def fetch(self, *keys: str, **changed: Any) -> dict[str, str | None]:
        """Return the values of recorded steps."""
        return {row["key"]: row["value"] for row in await self._call("fetch", keys=list(keys), **changed)}

    async def create_token(self, place: UUID, timeout_seconds: float | None = None, **changed: Any) -> UUID:
        """Make a token at a place of the program and return its id."""
        usual: dict[str, Any] = {"place": place, "tags": [], "idempotency_key": None}
        return await self._only("create_token", timeout_seconds=timeout_seconds, **{**usual, **changed})  # type: ignore[no-any-return]  # a column

    async def subscribe(self, kind: str, name: str, **changed: Any) -> UUID:
        """Begin to wait for a signal or an event, at a place of the program that is its name; return the subject."""
        key = changed.get("step_key", f"0/{name}#1")
        usual: dict[str, Any] = {
            "place": uuid5(self.run_id, key),
            "step_key": key,
            "sequence": 0,
            "match": None,
            "timeout_seconds": None,
            "look_back_seconds": 0.0,
        }
        return await self._only("subscribe", kind=kind, name=name, **{**usual, **changed})  # type: ignore[no-any-return]  # a column

    async def send_signal(self, to: str, name: str = "go", value: str = "1", **changed: Any) -> str:
        """Send a signal to a run and return what came of it."""
        return await self._only("send_signal", to=to, name=name, value=value, **{"place": uuid4(), **changed})  # type: ignore[no-any-return]  # a column

    async def publish_event(self, name: str = "paid", value: str = "1", **changed: Any) -> UUID:
        """Publish an event and return its id."""
        usual: dict[str, Any] = {"place": uuid4(), "key": None}
        return await self._only("publish_event", name=name, value=value, **{**usual, **changed})  # type: ignore[no-any-return]  # a column

    async def trigger(self, *keys: str, **changed: Any) -> dict[str, UUID]:
        """Trigger a run for each key and return their ids by key; each has a launcher and a queue of its own."""
        own = uuid4().hex
        usual: dict[str, Any] = {
            "keys": list(keys),
            "tasks": ["work"] * len(keys),
            "inputs": ["{}"] * len(keys),
            "options": [json.dumps({"defaults": {"entrypoint": "tasks:work", "queue": own}})] * len(keys),
            "follows": True,
        }
        return {row["key"]: row["run_id"] for row in await self._call("trigger", **{**usual, **changed})}

    async def announce(self, *hooks: str, **changed: Any) -> None:
        """Say which hooks the task has."""
        await self._call("announce", **{"hooks": list(hooks), **changed})

    async def look(self, *subjects: UUID, **changed: Any) -> dict[UUID, asyncpg.Record]:
        """Return how things stand, by id."""
        return {row["subject"]: row for row in await self._call("look", subjects=list(subjects), **changed)}

    async def _only(self, function: str, **arguments: Any) -> Any:
        return (await self._call(function, **arguments))[0][0]

    async def _call(self, function: str, **arguments: Any) -> list[asyncpg.Record]:
        who = {"run_id": self.run_id, "attempt": self.attempt, "session": self.session}
        given = {**who, **arguments}
        names = ", ".join(f"p_{name} => ${number}" for number, name in enumerate(given, 1))
        return await self.connection.fetch(f"select * from holdfast_v1.{function}({names})", *given.values())


CALLS = {
    "record": Pod.record,
    "record_many": lambda pod, **changed: pod.record_many({}, **changed),
    "park": Pod.park,
    "finish": Pod.finish,
    "heartbeat": Pod.heartbeat,
    "create_token": lambda pod, **changed: pod.create_token(uuid4(), **changed),
    "subscribe": lambda pod, **changed: pod.subscribe("signal", "go", **changed),
    "send_signal": lambda pod, **changed: pod.send_signal(str(pod.run_id), **changed),
    "publish_event": lambda pod, **changed: pod.publish_event(**changed),
    "trigger": lambda pod, **changed: pod.trigger("0/trigger#1:0", **changed),
    "announce": lambda pod, **changed: pod.announce("on_failure", **changed),
    "look": lambda pod, **changed: pod.look(uuid4(), **changed),
    "fetch": lambda pod, **changed: pod.fetch("0/work#1", **changed),
}
"""Every call that only an opened attempt may make."""


def _step(key: str, value: str | None) -> dict[str, Any]:
    return {
        "key": key,
        "sequence": 1,
        "position": 1,
        "kind": "step",
        "name": "work",
        "outcome": "Succeeded",
        "tries": 1,
        "elapsed_ms": 5,
        "input_digest": b"digest",
        "value": value,
    }


_PLURALS = {
    "key": "keys",
    "sequence": "sequences",
    "position": "positions",
    "kind": "kinds",
    "name": "names",
    "outcome": "outcomes",
    "tries": "tries",
    "elapsed_ms": "elapsed_ms",
    "input_digest": "input_digests",
    "value": "values",
}


@asynccontextmanager
async def refused(code: str, saying: str = "") -> AsyncIterator[None]:
    """Inside, the database has to refuse with this SQLSTATE and a message that contains ``saying``."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        yield
    assert caught.value.sqlstate == code, f"{caught.value.sqlstate}: {caught.value}"
    assert saying in str(caught.value)


class ControlPlane:
    """The control functions of schema `holdfast` over one connection.

    Every run gets a queue and a launcher of its own, so that tests may share a database.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def trigger(self, task: str = "work", input_text: str = "{}", **options: Any) -> UUID:
        """Accept a run and return its id."""
        own = uuid4().hex
        wanted = {"entrypoint": "tasks:work", "queue": own, "launcher": own, **options}
        run_id: UUID = await self.connection.fetchval(
            "select run_id from holdfast.trigger_run('tests', $1, $2, $3)", task, input_text, json.dumps(wanted)
        )
        return run_id

    async def admit(self, run_id: UUID) -> Pod:
        """Admit a queued run and return its next attempt, which is not open yet."""
        run = await self.run(run_id)
        (row,) = await self.connection.fetch(queries()["admit_runs"].text, [run["launcher"] or ""], "tests", 1)
        assert row["run_id"] == run_id, "another run of this launcher was admitted"
        return Pod(self.connection, run_id, row["attempt"], row["token"])

    async def started(self, **options: Any) -> Pod:
        """A new run, admitted."""
        return await self.admit(await self.trigger(**options))

    async def opened(self, **options: Any) -> Pod:
        """A new run, whose first attempt is open."""
        pod = await self.started(**options)
        await pod.open()
        return pod

    async def next_attempt(self, pod: Pod) -> Pod:
        """The process of ``pod`` is thought to be lost: the next attempt is admitted, and not open yet."""
        assert await self.end(pod, "Disruption") == "Backoff"
        await self.requeue(pod.run_id)
        return await self.admit(pod.run_id)

    async def requeue(self, run_id: UUID) -> None:
        """Let the time come for a delayed, waiting or failed run."""
        await self.connection.execute(
            "update holdfast.runs set due_at = holdfast.now() - interval '1 s' where id = $1", run_id
        )
        assert await self.call("queue_due_runs", [run_id]) == 1

    async def end(self, pod: Pod, failure_class: str, reason: str = "ProcessLost", **options: Any) -> str:
        """End an attempt as the engine does."""
        names = "".join(f", p_{name} => ${number}" for number, name in enumerate(options, 6))
        state: str = await self.connection.fetchval(
            f"select holdfast.end_attempt($1, $2, $3, $4, $5{names})",
            pod.run_id,
            pod.attempt,
            failure_class,
            reason,
            "it is gone",
            *options.values(),
        )
        return state

    async def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the schema that returns one value."""
        places = ", ".join(f"${number}" for number in range(1, len(arguments) + 1))
        return await self.connection.fetchval(f"select holdfast.{function}({places})", *arguments)

    async def run(self, run_id: UUID) -> asyncpg.Record:
        """The row of a run."""
        row = await self.connection.fetchrow("select * from holdfast.runs where id = $1", run_id)
        assert row is not None
        return row

    async def attempt(self, pod: Pod) -> asyncpg.Record:
        """The row of an attempt."""
        row = await self.connection.fetchrow(
            "select * from holdfast.attempts where run_id = $1 and number = $2", pod.run_id, pod.attempt
        )
        assert row is not None
        return row

    async def steps(self, run_id: UUID) -> list[asyncpg.Record]:
        """The recorded steps of a run, in the order of their records."""
        return await self.connection.fetch("select * from holdfast.steps where run_id = $1 order by sequence", run_id)

    async def everything(self, run_id: UUID) -> list[list[tuple[Any, ...]]]:
        """All rows about a run, to compare."""
        tables = {"runs": "id", "attempts": "run_id", "steps": "run_id", "logs": "run_id"}
        return [
            sorted(
                map(tuple, await self.connection.fetch(f"select * from holdfast.{table} where {column} = $1", run_id)),
                key=repr,
            )
            for table, column in tables.items()
        ]
