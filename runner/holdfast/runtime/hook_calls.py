"""Calls of a task's hooks. One that fails is recorded and logged, and changes nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from holdfast.domain.retry import Retry
from holdfast.domain.scopes import CLOSING, branch_of
from holdfast.domain.states import State
from holdfast.protocol.messages import Closing, StepRecord
from holdfast.runtime.side_step import take_side_step
from holdfast.sdk.failure import Failure
from holdfast.sdk.hooks import Hooks
from holdfast.sdk.run_end import RunEnd
from holdfast.sdk.run_info import RunInfo

START = "start"
WAIT = "wait"
RESUME = "resume"
HOOK_KIND = "hook"

_EARLIER_END = f"{CLOSING}/after-"

OVER = (f"{WAIT}/", _EARLIER_END)
"""Where that is recorded which no later attempt asks for: hooks of waits, and of an end that was not the last."""

_ON_WAIT = "on_wait"
_RETRY = Retry(max_attempts=3)

_log = logging.getLogger("holdfast")


async def call_start_hook(hooks: Hooks, info: RunInfo) -> None:
    """Call ``on_start``, once in the life of a run."""
    await _call("on_start", hooks.on_start, info, START)


async def call_wait_hook(hooks: Hooks, info: RunInfo, wait: str) -> None:
    """Call ``on_wait``, once for each ``wait``; without one, note that the run waits if it has an ``on_resume``."""
    on_wait = hooks.on_wait if hooks.on_wait is not None else hooks.on_resume and _do_nothing
    await _call(_ON_WAIT, on_wait, info, f"{WAIT}/{wait}")


async def call_resume_hooks(hooks: Hooks, info: RunInfo, history: Sequence[StepRecord]) -> None:
    """Call ``on_resume`` for each wait that is behind the run and for which it was not called."""
    for record in history:
        if record.kind == HOOK_KIND and record.name == _ON_WAIT:
            await _call("on_resume", hooks.on_resume, info, f"{RESUME}/{branch_of(record.key).partition('/')[2]}")


async def call_success_hooks(hooks: Hooks, end: RunEnd) -> None:
    """Call ``on_success`` and ``on_complete``."""
    path = f"{CLOSING}/success"
    await _call("on_success", hooks.on_success, end, path)
    await _call("on_complete", hooks.on_complete, end, path)


async def call_failure_hook(hooks: Hooks, closing: Closing, end: RunEnd) -> None:
    """Call ``on_failure``, or ``on_cancel``, of an end that is decided."""
    if closing.state == State.CANCELED:
        await _call("on_cancel", hooks.on_cancel, end, _path(closing))
    else:
        await _call("on_failure", hooks.on_failure, end, _path(closing))


async def call_complete_hook(hooks: Hooks, closing: Closing, end: RunEnd) -> None:
    """Call ``on_complete`` of an end that was decided, when nothing else is left to do."""
    await _call("on_complete", hooks.on_complete, end, _path(closing))


def end_of(closing: Closing, input_text: str) -> RunEnd:
    """Return what hooks are told of an end without success."""
    failure = None if closing.error is None else Failure.from_json(closing.error)
    return RunEnd(
        state=closing.state,
        input=json.loads(input_text),
        reason=closing.reason,
        message=closing.message,
        error_type="" if failure is None else failure.type,
        error_message="" if failure is None else failure.message,
    )


def _path(closing: Closing) -> str:
    # a dead letter that is resumed may end again, and then calls them again
    return f"{_EARLIER_END}{closing.after_attempt}"


def _do_nothing(info: RunInfo) -> None:
    pass


async def _call(name: str, hook: Callable[[Any], object] | None, given: object, path: str) -> None:
    if hook is None:
        return
    try:
        await take_side_step(hook, given, path=path, name=name, kind=HOOK_KIND, retry=_RETRY)
    except Exception:
        _log.exception("holdfast: the hook %s failed; what becomes of the run does not change", name)
