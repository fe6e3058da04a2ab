"""Calls a task that has hooks: those of its start, of its waits and of its success are steps around the call."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid5

from holdfast.domain.errors import RunParked
from holdfast.domain.scopes import CLOSING
from holdfast.domain.states import State
from holdfast.protocol.messages import Opened, WaitKind
from holdfast.runtime.author_call import call_coroutine, call_task
from holdfast.runtime.hook_calls import (
    OVER,
    RESUME,
    START,
    WAIT,
    call_resume_hooks,
    call_start_hook,
    call_success_hooks,
    call_wait_hook,
)
from holdfast.runtime.session import Session
from holdfast.sdk.run_end import RunEnd
from holdfast.sdk.task import Task

_WAIT_CHARACTERS = 12


async def call_with_hooks(
    task: Task[..., Any], opened: Opened, session: Session, grace_seconds: float, another: Callable[[Opened], Session]
) -> str:
    """Call ``task`` with its input and return the JSON text of its result; raises what ``call_task`` raises.

    Args:
        task: it has hooks.
        opened: what the attempt has learned when it opened.
        session: the journal of the attempt.
        grace_seconds: how long it may take to stop.
        another: makes a journal for what is done after that has stopped.
    """
    hooks = task.hooks
    session.history.pass_over(OVER)
    if set(hooks.of_ends) != set(opened.hooks):
        await session.dialogue.ask(lambda client: client.announce(hooks.of_ends))
    await call_coroutine(call_start_hook(hooks, session.info), session, task.name, grace_seconds, root=START)
    resuming = call_resume_hooks(hooks, session.info, opened.history)
    await call_coroutine(resuming, session, task.name, grace_seconds, root=RESUME)
    try:
        text = await call_task(task, opened.input, session, grace_seconds)
        end = RunEnd(State.SUCCEEDED, json.loads(opened.input), task.codec.decode(text))
        await call_coroutine(call_success_hooks(hooks, end), session, task.name, grace_seconds, root=CLOSING)
    except BaseException:
        if isinstance(session.departure.ending, RunParked) and session.wait_kind is WaitKind.TIMER:
            await _tell_of_wait(task, opened, session, grace_seconds, another)
        raise
    return text


async def _tell_of_wait(
    task: Task[..., Any], opened: Opened, stopped: Session, grace_seconds: float, another: Callable[[Opened], Session]
) -> None:
    await stopped.recorder.settle()
    history = tuple(stopped.history.records())
    session = another(opened._replace(history=history, database_now=stopped.database_now()))
    try:
        telling = call_wait_hook(task.hooks, session.info, _wait_of(stopped))
        await call_coroutine(telling, session, task.name, grace_seconds, root=WAIT)
    finally:
        await session.close()


def _wait_of(session: Session) -> str:
    """Return a name for what the run waits for, the same in every attempt."""
    departure = session.departure
    subjects = sorted(str(subject) for group in departure.groups for subject in group)
    return uuid5(session.info.run_id, ",".join(subjects) or str(departure.wake_at)).hex[:_WAIT_CHARACTERS]
