"""The control plane as a library: one method per thing that people and programs ask.

Every method is a query or a function of the database, so any number of control planes may work at once, and
nothing that one of them holds in memory matters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from holdfast.domain.errors import ConflictError, NotFoundError
from holdfast.domain.states import State
from holdfast_engine.control.inputs import Input, check_input, input_text
from holdfast_engine.control.messages import Messages
from holdfast_engine.control.options import TriggerOptions
from holdfast_engine.control.queues import Queues
from holdfast_engine.control.references import near_names
from holdfast_engine.control.tasks import Tasks
from holdfast_engine.control.tokens import Tokens
from holdfast_engine.control.views import Forked, Triggered

if TYPE_CHECKING:
    from holdfast_engine.postgres.connections import Pool

DEFAULT_NAMESPACE = "default"
CANCEL_GRACE_SECONDS = 30.0

_KEYS_SHOWN = 10


class ControlPlane(Messages, Tasks, Queues, Tokens):
    """Everything that can be asked of Holdfast: what its parts show, and here what changes a run.

    Args:
        pool: connections of a role that owns the schema, or has been granted it.
        namespace: where names are looked up and runs are made.

    Methods raise `ControlError` (by its subclasses) for what the database refuses, and `MigrationError` for
    a database that is not set up. ``run`` is a run's id, a beginning of it that is unambiguous, or its name.
    """

    def __init__(self, pool: Pool, namespace: str = DEFAULT_NAMESPACE) -> None:
        super().__init__(pool, namespace)

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

    async def fork(self, run: str | UUID, step: str) -> Forked:
        """A new run that goes on as if this one had died before it recorded ``step``.

        It has the program and input of the run, and everything that was recorded before the step; the step itself and
        what was recorded after it are executed again. The older run stays as it is.

        Args:
            run: the older run, in any state.
            step: key of a recorded step, or a name that only one of them has.

        Raises:
            NotFoundError: there is no such run, or it has not recorded such a step.
            ConflictError: several recorded steps have that name.
        """
        run_id = await self.find(run)
        keys = [row["key"] for row in await self._rows("find_steps", run_id, step)]
        if not keys:
            known = [view.key for view in await self.steps(run_id)]
            raise NotFoundError(f"Run {run} has recorded no step {step!r}. {near_names(step, known)}")
        if keys[0] != step and len(keys) > 1:
            raise ConflictError(f"Run {run} has several steps {step!r}. Give a key: {', '.join(keys[:_KEYS_SHOWN])}")
        row = await self._row("fork_run", run_id, keys[0])
        return Forked(row["run_id"], row["run_name"], keys[0], row["kept_steps"])

    async def set_ttl(self, run: str | UUID, ttl_seconds: int | None) -> None:
        """Keep the run for so many seconds after it finished; None: for ever."""
        await self._rows("set_run_ttl", await self.find(run), ttl_seconds)

    async def remember_applied(self, run: str | UUID, spec: Mapping[str, Any]) -> None:
        """Keep the spec that was applied, to compare it with when the name is applied again."""
        await self._rows("remember_applied_spec", await self.find(run), json.dumps(spec))

    async def _request(self, name: str, run: str | UUID, *arguments: object) -> State:
        row = await self._row(name, await self.find(run), *arguments)
        return State(row[0])

    async def _check_same_input(self, earlier: Triggered, text: str, key: str | None) -> None:
        rows = await self._rows("read_run_input", earlier.run_id)
        if rows and json.loads(rows[0]["input"]) != json.loads(text):
            raise ConflictError(
                f"The idempotency key {key!r} belongs to run {earlier.name} ({earlier.run_id}), whose input differs "
                "from this one. Give another key, or the same input."
            )
