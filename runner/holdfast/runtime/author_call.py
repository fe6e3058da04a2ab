"""Runs the author's code as the root branch of a run; once the attempt has to stop, does not wait for it for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from holdfast.contract.limits import RESULT_LIMIT_BYTES
from holdfast.domain.errors import TaskExitedError
from holdfast.domain.scopes import ROOT, Branch
from holdfast.runtime.branches import prepare_loop, start_in
from holdfast.runtime.session import Session
from holdfast.sdk.codec import check_size
from holdfast.sdk.journal import Strand, strand_variable
from holdfast.sdk.task import Task


async def call_task(task: Task[..., Any], input_text: str, session: Session, grace_seconds: float) -> str:
    """Call ``task`` with its input and return the JSON text of its result.

    Raises:
        InputError: the input does not fit the parameters.
        EncodingError: the result cannot be recorded, or is too large.
        BaseException: whatever the task raised, or why the attempt stops.
    """
    arguments = task.signature.validate(input_text)
    if task.is_async:
        coroutine = task.function(*arguments.args, **arguments.kwargs)
        value = await call_coroutine(coroutine, session, task.name, grace_seconds)
    else:
        strand = _root(session)
        session.task = _start_thread(task, strand, session.loop, arguments.args, arguments.kwargs)
        value = await _until_stopped(session, session.task, grace_seconds)
    text = task.codec.encode(value)
    check_size(text, RESULT_LIMIT_BYTES, f"the result of task {task.name}", setting="RESULT_LIMIT_BYTES")
    return text


async def call_coroutine(
    coroutine: Coroutine[Any, Any, Any], session: Session, name: str, grace_seconds: float, root: str = ROOT
) -> Any:
    """Run ``coroutine`` as branch ``root`` and return its result; raises what it raises, or why the attempt stops."""
    strand = _root(session, root)
    session.task = start_in(strand, _contained(coroutine), session.loop, f"task {name}")
    try:
        return await _until_stopped(session, session.task, grace_seconds)
    finally:
        if root != ROOT:
            session.departure.ended(root)


async def _contained(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as error:
        # asyncio would let these end the whole event loop, and with it the report of this attempt
        raise TaskExitedError(f"the task raised {error!r}") from error


def _root(session: Session, path: str = ROOT) -> Strand:
    strand = Strand(session, Branch(path))
    session.departure.began(strand.branch.path)
    prepare_loop(session.loop)
    return strand


async def _until_stopped(session: Session, task: asyncio.Future[Any], grace_seconds: float) -> Any:
    """Wait for the task; once the attempt stops, for no longer than the grace."""
    await asyncio.wait({task, session.stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        await asyncio.wait({task}, timeout=grace_seconds)
    if not task.done():
        session.departure.check()
    return task.result()


def _start_thread(
    task: Task[..., Any], strand: Strand, loop: asyncio.AbstractEventLoop, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> asyncio.Future[Any]:
    ended: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(value)
        elif isinstance(error, StopIteration):
            ended.set_exception(RuntimeError(f"the task raised {error!r}"))
        else:
            ended.set_exception(error)

    def run() -> None:
        strand_variable().set(strand)
        value, error = None, None
        try:
            value = task.function(*args, **kwargs)
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name=f"task {task.name}", daemon=True).start()
    return ended
