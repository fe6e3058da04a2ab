"""The attempt that closes a run: its end is decided, and what is left to do before it ends is done.

The task itself is not called. First its hook is told what has happened, then what its steps did is undone, then
``on_complete`` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast.protocol.messages import Closing, Opened
from holdfast.runtime.compensations import compensate_all
from holdfast.runtime.hook_calls import call_complete_hook, call_failure_hook, end_of
from holdfast.sdk.hooks import NO_HOOKS
from holdfast.sdk.task import Task

if TYPE_CHECKING:
    from holdfast.runtime.session import Session


async def close(session: Session, opened: Opened, closing: Closing, load: Callable[[], Task[..., Any]]) -> None:
    """Do what is left to do.

    Args:
        session: the journal of the attempt.
        opened: what the attempt has learned when it opened.
        closing: how the run will end.
        load: finds the task, which is needed for its hooks only.

    Raises:
        Exception: a compensation has failed, or the program is not there any more.
    """
    hooks = load().hooks if opened.hooks else NO_HOOKS
    end = end_of(closing, opened.input)
    await call_failure_hook(hooks, closing, end)
    if closing.compensates:
        await compensate_all(session, opened.history)
    await call_complete_hook(hooks, closing, end)
