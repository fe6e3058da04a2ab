"""One attempt from opening to ending: the composition root of the process in the pod."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import secrets
import socket
import sys
from collections.abc import Callable
from typing import Any

from holdfast.contract.environment import AttemptEnvironment, Pooler
from holdfast.contract.exit_codes import RunnerExit
from holdfast.domain.errors import (
    AttemptDisrupted,
    AttemptFenced,
    DatabaseUnreachable,
    HistoryMismatch,
    RunCanceled,
    RunParked,
    TaskImportError,
    UnknownTaskError,
)
from holdfast.domain.scopes import CLOSING, Branch
from holdfast.protocol.client import AttemptClient
from holdfast.protocol.connection import Connection, Database
from holdfast.protocol.messages import AttemptOutcome, Closing, Ending, Flags, Identity, Opened, WaitKind
from holdfast.runtime.author_call import call_coroutine, call_task
from holdfast.runtime.branches import branching_threads
from holdfast.runtime.command import command_environment
from holdfast.runtime.ending import ending_of
from holdfast.runtime.faults import NO_FAULTS, FaultPoint, Faults
from holdfast.runtime.heartbeat import Heartbeat
from holdfast.runtime.lifeline import Lifeline
from holdfast.runtime.loading import load_task
from holdfast.runtime.output import Output
from holdfast.runtime.patience import Patience
from holdfast.runtime.session import DEFAULT_SETTINGS, Session, SessionSettings
from holdfast.runtime.shutdown import on_shutdown_signal
from holdfast.sdk.hooks import NO_HOOKS
from holdfast.sdk.journal import claim_process
from holdfast.sdk.task import Task

_log = logging.getLogger("holdfast")

PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

LoadTask = Callable[[str], Task[..., Any]]


class Attempt:
    """One attempt of one run in this process.

    Args:
        environment: what the launcher told.
        owns_process: True in the pod, where nothing else lives in the process: signals are handled, output is captured,
            threads get branches, and a thread of its own renews the lease while the task blocks the event loop.
        settings: behaviour.
        faults: moments for tests.
        load: finds the task of an entrypoint.
        database: connections shared with other attempts in the process; default: one of its own.
    """

    def __init__(
        self,
        environment: AttemptEnvironment,
        *,
        owns_process: bool = True,
        settings: SessionSettings = DEFAULT_SETTINGS,
        faults: Faults = NO_FAULTS,
        load: LoadTask = load_task,
        database: Database | None = None,
    ) -> None:
        self._environment = environment
        self._owns_process = owns_process
        self._settings = settings
        self._faults = faults
        self._load = load
        self._identity = Identity(environment.run_id, environment.attempt, secrets.token_bytes(32))
        pooled = environment.database_pooler is Pooler.TRANSACTION
        self._own_database = None if database else Connection(environment.database, transaction_pooler=pooled)
        database = database or self._own_database
        assert database is not None
        self._patience = Patience(database, environment.database_grace_seconds)
        self._client = AttemptClient(database, self._identity)
        self._lifeline = Lifeline(
            Connection(environment.database, transaction_pooler=pooled),
            self._identity,
            environment.database_grace_seconds,
        )
        self._output = Output()

    async def run(self) -> RunnerExit:
        """Run the attempt to its end and return what the process should exit with."""
        try:
            opened = await self._patience.persist(lambda: self._client.open(self._environment.token, _about_process()))
            return await self._run_opened(opened)
        except AttemptFenced as fenced:
            _log.warning("holdfast: %s", fenced)
            return RunnerExit.FENCED
        except AttemptDisrupted as disrupted:
            _log.warning("holdfast: %s", disrupted)
            return RunnerExit.DISRUPTED
        finally:
            self._lifeline.close()
            if self._own_database is not None:
                await self._own_database.close()

    async def _run_opened(self, opened: Opened) -> RunnerExit:
        session = self._session(opened)
        heartbeat = Heartbeat(
            self._client,
            opened.lease_seconds,
            self._environment.database_grace_seconds,
            self._output,
            session.note_flags,
            session.departure.stop,
        )
        try:
            async with heartbeat.running():
                error, result = await self._run_task(opened, session, heartbeat)
                if self._output.has_lines:
                    await heartbeat.deliver_lines()
            return await self._conclude(session, opened.closing is not None, error, result)
        finally:
            await session.close()

    def _session(self, opened: Opened) -> Session:
        return Session(
            self._client, self._patience, self._lifeline, self._identity, opened, self._settings, self._faults
        )

    async def _run_task(
        self, opened: Opened, session: Session, heartbeat: Heartbeat
    ) -> tuple[BaseException | None, str | None]:
        """Return how the task ended: an error, or the JSON text of its result."""
        if not self._owns_process:
            return await self._call_task(opened, session)
        self._lifeline.watch(lambda: session.last_contact, opened.lease_seconds / 2)
        release = claim_process(session)
        try:
            with (
                self._output.captured(),
                branching_threads(),
                on_shutdown_signal(session, heartbeat, self._environment.shutdown_grace_seconds),
            ):
                return await self._call_task(opened, session)
        finally:
            release()

    async def _call_task(self, opened: Opened, session: Session) -> tuple[BaseException | None, str | None]:
        try:
            if opened.closing is None:
                refuse_other_python(opened)
            session.note_flags(opened.flags & Flags.CANCEL)
            session.departure.check()
            if Flags.SUSPEND in opened.flags:
                session.wait_kind = WaitKind.SUSPEND
                raise RunParked("the run was suspended on request")
            if opened.closing is not None:
                text = await self._close(opened, opened.closing, session)
            elif self._environment.command:
                text = await self._run_command(opened, session)
            else:
                task = self._find_task(opened)
                grace_seconds = self._environment.shutdown_grace_seconds
                if task.hooks is NO_HOOKS:
                    text = await call_task(task, opened.input, session, grace_seconds)
                else:
                    from holdfast.runtime.hooked_call import call_with_hooks

                    text = await call_with_hooks(task, opened, session, grace_seconds, self._session)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_being_canceled():
                raise
            return session.departure.ending or error, None
        return session.departure.ending, text

    def _find_task(self, opened: Opened) -> Task[..., Any]:
        return self._load(opened.entrypoint or self._environment.entrypoint or "")

    async def _close(self, opened: Opened, closing: Closing, session: Session) -> str:
        """Do what is left to do before the run ends, and return the JSON text of the result, which is null."""
        from holdfast.runtime.closing import close

        grace_seconds = self._environment.shutdown_grace_seconds
        closed = close(session, opened, closing, lambda: self._find_task(opened))
        await call_coroutine(closed, session, opened.task, grace_seconds, root=CLOSING)
        return "null"

    async def _run_command(self, opened: Opened, session: Session) -> str:
        """Run the command and return the JSON text of its result, which is null."""
        from holdfast.runtime.script import run_script

        environment = self._environment
        variables = command_environment(str(environment.run_id), environment.attempt, opened.input)
        grace_seconds = environment.shutdown_grace_seconds
        command = run_script(session, Branch(), environment.command or (), variables, grace_seconds)
        await call_coroutine(command, session, opened.task, grace_seconds)
        return "null"

    async def _conclude(
        self, session: Session, is_closing: bool, error: BaseException | None, result: str | None
    ) -> RunnerExit:
        if isinstance(error, (AttemptFenced, DatabaseUnreachable)):
            raise error
        await session.recorder.settle()
        if isinstance(error, RunParked):
            return await self._park(session)
        if error is None and is_closing:
            ending = Ending(AttemptOutcome.CLOSED)
        elif error is None:
            ending = Ending(AttemptOutcome.SUCCEEDED, value=result)
        else:
            ending = ending_of(error, session.keys_to_reopen(error))
            _log_end(error)
        self._faults.reach(FaultPoint.BEFORE_FINISH, "")
        state = await self._patience.persist(lambda: self._client.finish(ending))
        self._faults.reach(FaultPoint.AFTER_FINISH, "")
        if state == "Canceled" or isinstance(error, RunCanceled):
            return RunnerExit.CANCELED
        if isinstance(error, AttemptDisrupted):
            return RunnerExit.DISRUPTED
        return RunnerExit.SUCCEEDED if error is None else RunnerExit.FAILED

    async def _park(self, session: Session) -> RunnerExit:
        departure, kind = session.departure, session.wait_kind
        wake_after_seconds: float | None = None
        if kind is WaitKind.TIMER and departure.groups:
            kind = session.outside.wait_kind
        if departure.wake_at is not None:
            wake_after_seconds = max(0.0, (departure.wake_at - session.database_now()).total_seconds())
        self._faults.reach(FaultPoint.BEFORE_PARK, "")
        state = await self._patience.persist(lambda: self._client.park(kind, wake_after_seconds, departure.groups))
        self._faults.reach(FaultPoint.AFTER_PARK, "")
        return RunnerExit.CANCELED if state == "Canceled" else RunnerExit.PARKED


def _is_being_canceled() -> bool:
    """Whether someone wants this attempt itself to end, not the author's code a part of the task."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


def refuse_other_python(opened: Opened) -> None:
    """Raise ``HistoryMismatch`` if the run has steps of another minor version of Python than this."""
    recorded_with = opened.python_version
    if opened.history and recorded_with is not None and recorded_with != PYTHON_VERSION:
        raise HistoryMismatch(
            f"the run's steps were recorded with Python {recorded_with}, this is Python {PYTHON_VERSION}: asyncio "
            "numbers its tasks differently, so results could reach the wrong branch. Resume it with an image of the "
            "same Python, or start a new run with the same input (holdfast runs replay)"
        )


def _log_end(error: BaseException) -> None:
    if isinstance(error, (RunCanceled, AttemptDisrupted)):
        _log.warning("holdfast: %s", error)
    elif isinstance(error, (TaskImportError, UnknownTaskError, HistoryMismatch)):
        _log.error("holdfast: %s", error, exc_info=error.__cause__)
    else:
        _log.error("holdfast: the task failed", exc_info=error)


def _about_process() -> str:
    return json.dumps(
        {
            "python": PYTHON_VERSION,
            "implementation": platform.python_implementation(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "closes": True,
        }
    )
