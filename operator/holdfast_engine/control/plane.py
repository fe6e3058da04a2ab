"""The control plane as a library: one method per thing that people and programs ask.

Every method is a query or a function of the database, so any number of control planes may work at once, and
nothing that one of them holds in memory matters.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import asyncpg

from holdfast.domain.errors import ConflictError, InputError, NotFoundError, UnavailableError
from holdfast.domain.states import State
from holdfast_engine.control.changes import LOOK_AGAIN_SECONDS, changes
from holdfast_engine.control.inputs import Input, check_input, check_schema, input_text
from holdfast_engine.control.options import TriggerOptions
from holdfast_engine.control.references import id_range, near_names
from holdfast_engine.control.refusals import refusals
from holdfast_engine.control.views import (
    AttemptView,
    LogLine,
    QueueView,
    RunDetail,
    RunView,
    StepView,
    TaskView,
    Triggered,
)
from holdfast_engine.postgres.queries import queries

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

T = TypeVar("T")

PAGE = 500
DEFAULT_NAMESPACE = "default"
CANCEL_GRACE_SECONDS = 30.0


class ControlPlane:
    """Everything that can be asked of Holdfast.

    Args:
        pool: connections of a role that owns the schema, or has been granted it.
        namespace: where names are looked up and runs are made.

    Methods raise `ControlError` (by its subclasses) for what the database refuses, and `MigrationError` for
    a database that is not set up. ``run`` is a run's id, a beginning of it that is unambiguous, or its name.
    """

    def __init__(self, pool: Pool, namespace: str = DEFAULT_NAMESPACE) -> None:
        self.namespace = namespace
        self._pool = pool

    def in_namespace(self, namespace: str) -> ControlPlane:
        """The same control plane for another namespace."""
        return ControlPlane(self._pool, namespace)

    async def trigger(self, task: str, input: Input, options: TriggerOptions | None = None) -> Triggered:
        """Accept a run of ``task``.

        Args:
            task: name of a registered task, or any name if the options have an entrypoint.
            input: an object, or its JSON text.
            options: default: as the task says.

        Raises:
            NotFoundError: no such task; names those that could be meant.
            InputError: the input does not fit; lists what, with paths.
            LimitError: the input is too large.
            ConflictError: the name is taken, or the idempotency key was used with another input.
        """
        text = input_text(input)
        wanted = options or TriggerOptions()
        known = None if wanted.entrypoint else await self.find_task(task)
        if known is not None and known.input_schema is not None:
            check_input(text, known.input_schema, task)
        try:
            row = await self._row("trigger_run", self.namespace, task, text, wanted.to_json())
        except NotFoundError as error:
            if wanted.entrypoint is not None:
                raise
            raise NotFoundError(
                f"No task {task!r} in namespace {self.namespace!r}. {near_names(task, await self.task_names())} "
                "Register one with `holdfast dev MODULE`, or apply a Task."
            ) from error
        triggered = Triggered(row["run_id"], row["run_name"], row["created"])
        if not triggered.created:
            await self._check_same_input(triggered, text, wanted.idempotency_key)
        return triggered

    async def find(self, run: str | UUID) -> UUID:
        """The id of a run.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: several ids begin like this.
        """
        if isinstance(run, UUID):
            return run
        by_name = await self._rows("find_run_by_name", self.namespace, run)
        ids = id_range(run)
        found = by_name or (
            await self._rows("find_runs_by_id_prefix", self.namespace, ids.first, ids.last) if ids else []
        )
        if not found:
            raise NotFoundError(f"No run {run!r} in namespace {self.namespace!r}. See: holdfast runs list")
        if len(found) > 1:
            raise ConflictError(f"Several runs have an id that begins with {run!r}: give more of it, or the name.")
        run_id: UUID = found[0]["id"]
        return run_id

    async def named(self, name: str) -> RunDetail | None:
        """The run of exactly this name; None if there is none."""
        rows = await self._rows("find_run_by_name", self.namespace, name)
        return await self.get(rows[0]["id"]) if rows else None

    async def get(self, run: str | UUID) -> RunDetail:
        """A run with its input, result and error."""
        run_id = await self.find(run)
        payload = await self._rows("read_run_payload", run_id)
        rows = await self._rows("read_runs", [run_id])
        if not rows or not payload:
            raise NotFoundError(f"No run {run_id}: it was removed, or never was.")
        return RunDetail.from_rows(rows[0], payload[0])

    async def runs(
        self,
        *,
        state: State | None = None,
        task: str | None = None,
        queue: str | None = None,
        limit: int = 50,
        before: str | UUID | None = None,
    ) -> list[RunView]:
        """Runs, newest first; ``before`` continues a list after that run."""
        start = None if before is None else await self.find(before)
        filters = (self.namespace, start, task, queue, limit)
        if state is None:
            rows = await self._rows("list_runs", *filters)
        else:
            rows = await self._rows("list_runs_in_state", *filters, str(state))
        return await self.views([row["id"] for row in rows])

    async def views(self, run_ids: list[UUID]) -> list[RunView]:
        """These runs, newest first; those that were removed are left out."""
        return [RunView.from_row(row) for row in await self._rows("read_runs", run_ids)]

    async def dead_letters(self, limit: int = 50) -> list[RunView]:
        """Runs whose retries are exhausted and about which nobody has decided, latest first."""
        ids = [row["id"] for row in await self._rows("list_dead_letters", self.namespace, limit)]
        views = {view.id: view for view in await self.views(ids)}
        return [views[run_id] for run_id in ids if run_id in views]

    async def attempts(self, run: str | UUID) -> list[AttemptView]:
        """The attempts of a run, first to last."""
        run_id = await self._existing(run)
        return [AttemptView.from_row(row) for row in await self._rows("list_attempts", run_id)]

    async def count_steps(self, run: str | UUID) -> int:
        """How many steps of a run have succeeded."""
        row = await self._row("count_steps", await self.find(run))
        return int(row[0])

    async def steps(self, run: str | UUID) -> list[StepView]:
        """The recorded operations of a run, in the order of their records."""
        run_id = await self._existing(run)
        steps: list[StepView] = []
        while True:
            last = steps[-1].sequence if steps else 0
            page = await self._rows("list_steps", run_id, last, PAGE)
            steps += [StepView.from_row(row) for row in page]
            if len(page) < PAGE:
                return steps

    async def logs(self, run: str | UUID, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """What the attempts of a run printed; with ``follow``, goes on until the run is final."""
        run_id = await self._existing(run)
        last = (0, 0)
        async with changes(self._pool, only=str(run_id)) as announced:
            while True:
                # asked first: what comes with the end of the run is read after it
                is_last = not follow or (await patiently(lambda: self._look_at(run_id))).is_final
                while page := await self._log_lines(run_id, last):
                    for line in page:
                        yield line
                    last = (page[-1].attempt, page[-1].line_number)
                if is_last:
                    return
                await announced.next()

    async def cancel(self, run: str | UUID, grace_seconds: float = CANCEL_GRACE_SECONDS) -> State:
        """Ask a run to end; its process gets ``grace_seconds`` to clean up. A final run stays as it is."""
        return await self._request("cancel_run", run, grace_seconds)

    async def suspend(self, run: str | UUID) -> State:
        """Let a run rest; a running attempt stops after its current steps."""
        return await self._request("suspend_run", run)

    async def unsuspend(self, run: str | UUID) -> State:
        """Let a suspended run go on."""
        return await self._request("unsuspend_run", run)

    async def resume(self, run: str | UUID) -> State:
        """Let a dead letter go on from its failed step."""
        return await self._request("resume_run", run)

    async def discard(self, run: str | UUID) -> State:
        """Take a run out of the dead letters."""
        return await self._request("discard_run", run)

    async def replay(self, run: str | UUID) -> Triggered:
        """A new run with the program and input of this one."""
        row = await self._row("replay_run", await self.find(run))
        return Triggered(row["run_id"], row["run_name"], True)

    async def set_ttl(self, run: str | UUID, ttl_seconds: int | None) -> None:
        """Keep the run for so many seconds after it finished; None: for ever."""
        await self._rows("set_run_ttl", await self.find(run), ttl_seconds)

    async def remember_applied(self, run: str | UUID, spec: Mapping[str, Any]) -> None:
        """Keep the spec that was applied, to compare it with when the name is applied again."""
        await self._rows("remember_applied_spec", await self.find(run), json.dumps(spec))

    async def wait(self, run: str | UUID) -> RunDetail:
        """Wait until the run is final. An outage of the database is waited out."""
        async for _ in self.follow(run):
            pass
        return await patiently(lambda: self.get(run))

    async def follow(self, run: str | UUID) -> AsyncIterator[RunView]:
        """The run now, and after each change that is seen, until it is final. An outage is waited out."""
        run_id = await patiently(lambda: self.find(run))
        seen: RunView | None = None
        async with changes(self._pool, only=str(run_id)) as announced:
            while True:
                view = await patiently(lambda: self._look_at(run_id))
                if view != seen:
                    seen = view
                    yield view
                    if view.is_final:
                        return
                await announced.next()

    async def follow_all(self) -> AsyncIterator[RunView]:
        """Every run of the namespace when it changes; what happens during an outage is not told."""
        async with changes(self._pool) as announced:
            while True:
                changed = await announced.next()
                if not changed:
                    continue
                try:
                    views = await self.views([UUID(run_id) for run_id in changed])
                except UnavailableError:
                    continue
                for view in reversed(views):
                    if view.namespace == self.namespace:
                        yield view

    async def queues(self) -> list[QueueView]:
        """The queues, by name."""
        return [QueueView.from_row(row) for row in await self._rows("list_queues", self.namespace)]

    async def put_queue(
        self,
        name: str,
        *,
        concurrency: int | None = None,
        concurrency_per_key: int | None = None,
        starts_per_minute: int | None = None,
        paused: bool = False,
        spec: Mapping[str, Any] | None = None,
    ) -> str:
        """Define a queue or change it; None: no limit. Returns "created", "configured" or "unchanged"."""
        limits = (concurrency, concurrency_per_key, starts_per_minute, paused)
        rows = await self._rows("put_queue", self.namespace, name, *limits, json.dumps(spec or {}))
        return _put_outcome(rows)

    async def pause_queue(self, name: str) -> None:
        """Admit no more runs of a queue; those that run go on.

        Raises:
            NotFoundError: no such queue; names those that could be meant.
        """
        await self._set_paused(name, True)

    async def resume_queue(self, name: str) -> None:
        """Admit runs of a paused queue again; raises as `pause_queue`."""
        await self._set_paused(name, False)

    async def task_names(self) -> list[str]:
        """Names of the registered tasks."""
        return [row["name"] for row in await self._rows("list_task_names", self.namespace)]

    async def find_task(self, name: str) -> TaskView | None:
        """A registered task; None if there is none of that name."""
        rows = await self._rows("find_task", self.namespace, name)
        return TaskView.from_row(rows[0]) if rows else None

    async def put_task(
        self,
        name: str,
        *,
        entrypoint: str | None,
        queue: str = "default",
        input_schema: Mapping[str, Any] | None = None,
        defaults: TriggerOptions | None = None,
        template: Mapping[str, Any] | None = None,
    ) -> str:
        """Register a task or change it. Returns "created", "configured" or "unchanged".

        Args:
            name: how triggers refer to it.
            entrypoint: "module:function"; None for a command in the template.
            queue: where its runs wait.
            input_schema: JSON Schema that inputs are checked by; None: any object is accepted.
            defaults: options of its runs, unless a trigger says otherwise.
            template: what the launcher needs to know.

        Raises:
            InputError: the schema is none.
        """
        if input_schema is not None:
            check_schema(input_schema, name)
        spec: dict[str, Any] = {
            "defaults": (defaults or TriggerOptions()).given(),
            "template": template or {},
        }
        schema = None if input_schema is None else json.dumps(input_schema)
        rows = await self._rows("put_task", self.namespace, name, entrypoint, queue, schema, json.dumps(spec))
        return _put_outcome(rows)

    async def _check_same_input(self, earlier: Triggered, text: str, key: str | None) -> None:
        rows = await self._rows("read_run_input", earlier.run_id)
        if rows and json.loads(rows[0]["input"]) != json.loads(text):
            raise ConflictError(
                f"The idempotency key {key!r} belongs to run {earlier.name} ({earlier.run_id}), whose input differs "
                "from this one. Give another key, or the same input."
            )

    async def _log_lines(self, run_id: UUID, after: tuple[int, int]) -> list[LogLine]:
        rows = await patiently(lambda: self._rows("list_log_lines", run_id, *after, PAGE))
        return [LogLine.from_row(row) for row in rows]

    async def _existing(self, run: str | UUID) -> UUID:
        run_id = await self.find(run)
        if isinstance(run, UUID) and not await self.views([run_id]):
            raise NotFoundError(f"No run {run_id}.")
        return run_id

    async def _look_at(self, run_id: UUID) -> RunView:
        for view in await self.views([run_id]):
            return view
        raise NotFoundError(f"No run {run_id}: it was removed, or never was.")

    async def _request(self, name: str, run: str | UUID, *arguments: object) -> State:
        row = await self._row(name, await self.find(run), *arguments)
        return State(row[0])

    async def _set_paused(self, name: str, paused: bool) -> None:
        if not await self._rows("pause_queue", self.namespace, name, paused):
            known = [queue.name for queue in await self.queues()]
            raise NotFoundError(f"No queue {name!r} in namespace {self.namespace!r}. {near_names(name, known)}")

    async def _row(self, name: str, *arguments: object) -> asyncpg.Record:
        return (await self._rows(name, *arguments))[0]

    async def _rows(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            with refusals():
                return await self._pool.fetch(queries()[name].text, *arguments)
        except UnicodeEncodeError as error:
            raise InputError(f"Not valid Unicode: {error.reason} at character {error.start}.") from None


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """What ``call`` returns, however long the database is away in between."""
    while True:
        try:
            return await call()
        except UnavailableError:
            await asyncio.sleep(LOOK_AGAIN_SECONDS / 4)


def _put_outcome(rows: list[asyncpg.Record]) -> str:
    if not rows:
        return "unchanged"
    return "created" if rows[0]["created"] else "configured"
