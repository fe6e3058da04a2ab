"""Runs as Postgres knows them: what the operator reads and asks of it. Errors are the control plane's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from holdfast.contract.reasons import FailureClass
from holdfast.domain.states import State
from holdfast_engine.control.plane import ControlPlane
from holdfast_engine.control.refusals import refusals
from holdfast_engine.postgres.connections import Connections
from holdfast_engine.postgres.queries import queries
from holdfast_operator.batches import Batches
from holdfast_operator.faults import reach
from holdfast_operator.run_row import AttemptRow, QueueRow, ResourceRef, RunRow

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

CONNECTIONS = 4
CONNECT_TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 30.0


class TaskRunRows:
    """The database, as the operator uses it.

    Args:
        dsn: as a role that owns the schema.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connections: Connections | None = None
        self._found = Batches(self._find_all)

    async def open(self) -> None:
        """Begin. Connections are made when they are needed."""
        self._connections = Connections(self._connect, CONNECTIONS)

    @property
    def is_open(self) -> bool:
        """Whether `open` was called."""
        return self._connections is not None

    async def aclose(self) -> None:
        """Close all connections. May come twice, or before `open`."""
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.terminate()

    def plane(self, namespace: str) -> ControlPlane:
        """The control plane of a namespace: triggers, tasks, queues, and what people ask of runs."""
        return ControlPlane(self._opened, namespace)

    async def find(self, ref: ResourceRef) -> list[RunRow]:
        """The runs that a TaskRun can mean: by its uid, by its name, by the id that it shows."""
        return await self._found.answer(ref)

    async def release_name(self, run_id: UUID) -> None:
        """Let a run end and give up its name."""
        await self._write("release_name", run_id)

    async def bind(self, run_id: UUID, resource_uid: str) -> str | None:
        """Note the TaskRun of a run from code; return the uid that the run has now, ``None`` if it is gone."""
        rows = await self._write("bind_resource", run_id, resource_uid)
        uid: str | None = rows[0][0]
        return uid

    async def open_command(self, run_id: UUID, attempt: int) -> None:
        """Note that the container of a command runs."""
        await self._write("open_commands", [run_id], [attempt])

    async def active(self, namespaces: Sequence[str] | None) -> list[ResourceRef]:
        """The unfinished runs that are a TaskRun in one of the namespaces (``None``: in any)."""
        rows = await self.rows("active_resource_runs", None if namespaces is None else list(namespaces))
        return [
            ResourceRef(uid=row["resource_uid"], namespace=row["namespace"], name=row["name"], run_id=row["id"])
            for row in rows
        ]

    async def order(self, run_id: UUID) -> dict[str, Any] | None:
        """What a run was asked for, with its template parsed; ``None`` if it is gone."""
        rows = await self.rows("read_run_order", run_id)
        return {**rows[0], "template": json.loads(rows[0]["template"])} if rows else None

    async def input_text(self, run_id: UUID) -> str | None:
        """The input of a run as JSON text; ``None`` if it is gone."""
        rows = await self.rows("read_run_input", run_id)
        return rows[0]["input"] if rows else None

    async def queue(self, namespace: str, name: str) -> QueueRow:
        """What is in a queue."""
        rows = await self.rows("read_queue", namespace, name)
        return QueueRow(**rows[0])

    async def delete_task(self, namespace: str, name: str) -> None:
        """Accept no more runs of a task."""
        await self._write("delete_task", namespace, name)

    async def _find_all(self, refs: Sequence[ResourceRef]) -> list[list[RunRow]]:
        columns = [[getattr(ref, name) for ref in refs] for name in ("uid", "namespace", "name", "run_id")]
        found: list[list[RunRow]] = [[] for _ in refs]
        for row in await self.rows("read_resource_runs", *columns):
            found[row["place"] - 1].append(_run_row(row))
        return found

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Run the query of that name and return its rows."""
        with refusals():
            return await self._opened.fetch(queries()[query].text, *arguments)

    async def _write(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        reach(f"before:{query}")
        rows = await self.rows(query, *arguments)
        reach(f"after:{query}")
        return rows

    async def _connect(self) -> Connection:
        return await asyncpg.connect(
            self._dsn, timeout=CONNECT_TIMEOUT_SECONDS, command_timeout=COMMAND_TIMEOUT_SECONDS
        )

    @property
    def _opened(self) -> Connections:
        assert self._connections is not None, "open() comes first"
        return self._connections


_RUN_COLUMNS = tuple(each.name for each in fields(RunRow))


def _run_row(row: asyncpg.Record) -> RunRow:
    values = {name: row[name] for name in _RUN_COLUMNS}
    attempts = tuple(_attempt_row(each) for each in json.loads(row["attempts"]))
    return RunRow(**{**values, "state": State(row["state"]), "attempts": attempts})


def _attempt_row(values: Mapping[str, Any]) -> AttemptRow:
    times = {name: _time(value) for name, value in values.items() if name.endswith("_at")}
    failure = values["failure"]
    return AttemptRow(**{**values, **times, "failure": None if failure is None else FailureClass(failure)})


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
