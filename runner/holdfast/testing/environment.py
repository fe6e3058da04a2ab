"""``TaskEnvironment``: runs tasks on a real database, without an engine, a cluster, or waiting."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID, uuid4

from holdfast.contract.environment import AttemptEnvironment
from holdfast.domain.errors import CrashNotReachedError
from holdfast.domain.states import State
from holdfast.protocol.shared import SharedConnections
from holdfast.runtime.attempt import Attempt
from holdfast.runtime.branches import branching_threads
from holdfast.runtime.faults import FaultPoint
from holdfast.runtime.loading import load_task
from holdfast.runtime.session import SessionSettings
from holdfast.sdk.failure import Failure, restore
from holdfast.sdk.signature import input_text
from holdfast.sdk.task import Task, registered_tasks
from holdfast.sdk.tokens import Token
from holdfast.testing.clock import Clock, settable_clock
from holdfast.testing.crashes import CrashPlan, CrashPoint, ProcessDied
from holdfast.testing.databases import as_runner, migrated_database
from holdfast.testing.driver import Driver, Launch
from holdfast.testing.mortal import MortalDatabase
from holdfast.testing.options import trigger_options
from holdfast.testing.results import RecordedStep, RunResult
from holdfast.testing.store import opened_store

NAMESPACE = "testing"
_CONNECTIONS = 4


class TaskEnvironment:
    """Runs tasks as they run in production, but in this event loop: the same SQL, the same runtime, one attempt after
    the other. Backoff and waits take no time: the clock of the database moves.

    Use it as an async context manager::

        async with TaskEnvironment() as env:
            env.crash_at(FaultPoint.AFTER_BODY, step="charge")
            result = await env.run(process_order, order_id="42")
            assert result.state == "Succeeded" and result.attempts == 2

    Args:
        dsn: a database that only tests use, as a role that may create schemas; its clock is replaced while the
            environment is open. Default: an embedded PostgreSQL (extra ``dev``), which starts in about a second.
        always_replay: hand over to another attempt after every recorded step, so that whatever the task does between
            steps is proved to give the same again. Default: False.

    Raises:
        MissingExtraError: no ``dsn``, and the extra ``dev`` is not installed.
    """

    clock: Clock

    def __init__(self, dsn: str | None = None, *, always_replay: bool = False) -> None:
        self._dsn = dsn
        # every wait leaves the process: what sleeps in production for longer than some seconds is what needs a test
        self._settings = SessionSettings(park_threshold_seconds=0.0, always_replay=always_replay)
        self._planned: list[CrashPoint] = []
        self._last_run: UUID | None = None
        self._driven: set[UUID] = set()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            dsn = await stack.enter_async_context(migrated_database(self._dsn))
            self._store = await stack.enter_async_context(opened_store(dsn))
            self.clock = await stack.enter_async_context(settable_clock(self._store))
            self._connections = SharedConnections(as_runner(dsn), _CONNECTIONS)
            stack.push_async_callback(self._connections.close)
            stack.enter_context(branching_threads())
            self._driver = Driver(self._store, self.clock, as_runner(dsn))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    def crash_at(self, point: FaultPoint, *, step: str = "", occurrence: int = 1) -> None:
        """Let an attempt of the next run die, as if its process were killed. May be called several times.

        Args:
            point: the moment.
            step: name or key of the step; default: any.
            occurrence: the n-th time that the run reaches it, counted over all its attempts.
        """
        self._planned.append(CrashPoint(point, step, occurrence))

    async def run(self, task: Task[..., Any], /, **input: Any) -> RunResult:
        """Run ``task`` with ``input``, through as many attempts as it takes.

        Raises:
            CrashNotReachedError: the run ended without reaching a planned crash.
        """
        return await self.drive(task, await self.trigger(task, input), self._take_plan())

    async def resume(self, run: RunResult, task: Task[..., Any]) -> RunResult:
        """Let a dead letter go on with ``task``, which may be a corrected program.

        Raises:
            CrashNotReachedError: the run ended without reaching a planned crash.
        """
        await self._store.value("resume_test_run", run.run_id)
        return await self.drive(task, run.run_id, self._take_plan())

    async def cancel(self, run: RunResult, task: Task[..., Any]) -> RunResult:
        """Cancel a run that waits, and let it do what is left to do before it ends.

        Raises:
            CrashNotReachedError: the run ended without reaching a planned crash.
        """
        await self._store.value("cancel_test_run", run.run_id)
        return await self.drive(task, run.run_id, self._take_plan())

    async def open_tokens(self, run: RunResult) -> tuple[Token, ...]:
        """The tokens that a run has made and nobody has completed."""
        return tuple(Token(row["id"]) for row in await self._store.rows("open_test_tokens", run.run_id))

    async def complete_token(self, token: Token, value: object = None) -> None:
        """Complete a token as somebody outside does; ``value`` is JSON."""
        await self._store.value("complete_test_token", token.id, json.dumps(value))

    async def send(self, run: RunResult, name: str, value: object = None) -> None:
        """Send a signal to a run as somebody outside does; ``value`` is JSON."""
        await self._store.value("send_test_signal", run.run_id, name, json.dumps(value))

    async def publish_event(self, name: str, value: object = None, *, key: str | None = None) -> None:
        """Publish an event to all runs as somebody outside does; ``value`` is JSON."""
        await self._store.value("publish_test_event", NAMESPACE, name, json.dumps(value), key)

    async def go_on(self, run: RunResult, task: Task[..., Any]) -> RunResult:
        """Go on with a run that waits for a token, a signal or an event: if nobody has answered, until the next of its
        times is over.
        """
        return await self.drive(task, run.run_id, self._take_plan())

    async def steps(self, run: RunResult | None = None) -> tuple[RecordedStep, ...]:
        """What a run has recorded; default: the run that began last."""
        run_id = run.run_id if run is not None else self._last_run
        return tuple(RecordedStep(**row) for row in await self._store.rows("read_test_steps", run_id))

    async def succeeded_steps(self, run_id: UUID) -> tuple[str, ...]:
        """Keys of the steps that a run has finished."""
        rows = await self._store.rows("read_test_steps", run_id)
        return tuple(row["key"] for row in rows if row["outcome"] == "Succeeded")

    async def trigger(self, task: Task[..., Any], input: dict[str, Any]) -> UUID:
        """Accept a run, without running it yet."""
        await self._store.value("widen_queue", NAMESPACE, task.queue)
        launcher = f"holdfast.testing:{uuid4()}"  # no engine that looks at this database may take it
        options = trigger_options(task, launcher)
        run_id: UUID = await self._store.value("trigger_run", NAMESPACE, task.name, input_text(input), options)
        self._last_run = run_id
        return run_id

    async def drive(self, task: Task[..., Any], run_id: UUID, plan: CrashPlan) -> RunResult:
        """Make the attempts of a run in this event loop until it ends, and say how.

        Raises:
            CrashNotReachedError: the run ended without reaching a point of ``plan``.
        """
        result = await self.drive_with(task, run_id, lambda environment: self.attempt(environment, task, plan))
        if plan.waiting:
            raise CrashNotReachedError(
                f"the run ended as {result.state} without reaching: {', '.join(map(str, plan.waiting))}. "
                f"It reached: {', '.join(f'{point}|{key}' for point, key in plan.reached)}"
            )
        return result

    async def drive_with(self, task: Task[..., Any], run_id: UUID, launch: Launch) -> RunResult:
        """Make the attempts of a run by ``launch`` until it ends, and say how."""
        self._driven.add(run_id)
        run = await self._driver.drive(run_id, launch)
        return RunResult(
            state=run.state,
            result=task.codec.decode(run.result) if run.state is State.SUCCEEDED and run.result is not None else None,
            error=None if run.error is None else restore(Failure.from_json(run.error)),
            attempts=run.attempt,
            failures=run.failures,
            steps=tuple(RecordedStep(**row) for row in await self._store.rows("read_test_steps", run_id)),
            reason=run.reason,
            message=run.message,
            run_id=run_id,
        )

    async def attempt(self, environment: AttemptEnvironment, task: Task[..., Any], plan: CrashPlan) -> str:
        """Make one attempt in this event loop, to its end or its death, and say in one sentence what came of it.

        A run that is driven has ``task`` for its program, which may be a corrected one; those that it triggers have
        their own.
        """
        database = MortalDatabase(self._connections)
        attempt = Attempt(
            environment,
            owns_process=False,
            settings=self._settings,
            faults=_MortalFaults(plan, database),
            load=lambda entrypoint: task if environment.run_id in self._driven else _find_task(entrypoint),
            database=database,
        )
        try:
            code = await attempt.run()
        except ProcessDied as died:
            return str(died)
        return f"the process ended with {code!r} and told nothing"

    def _take_plan(self) -> CrashPlan:
        planned, self._planned = self._planned, []
        return CrashPlan(planned)


def _find_task(entrypoint: str) -> Task[..., Any]:
    """The task of an entrypoint, also one that was defined inside of a test."""
    defined = {task.entrypoint: task for task in registered_tasks().values()}
    return defined[entrypoint] if entrypoint in defined else load_task(entrypoint)


@dataclass(slots=True)
class _MortalFaults:
    """The faults of one attempt: once it has died, every moment is one of death."""

    plan: CrashPlan
    database: MortalDatabase

    def reach(self, point: FaultPoint, key: str) -> None:
        if self.database.has_died:
            raise ProcessDied("the process of this attempt is gone")
        try:
            self.plan.reach(point, key)
        except ProcessDied:
            self.database.has_died = True
            raise
