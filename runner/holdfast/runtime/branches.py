"""Every asyncio task and thread that a run starts gets its branch, numbered in the order of creation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from typing import Any, Protocol, cast

from holdfast.domain.errors import ControlFlow
from holdfast.sdk.journal import Strand, strand_variable

_variable = strand_variable()


class BranchKeeper(Protocol):
    """Is told of the branches of a run as they begin and end."""

    def branch_began(self, strand: Strand) -> None:
        """A branch runs from now on."""

    def branch_ended(self, strand: Strand) -> None:
        """A branch has ended."""

    def timer_set(self, timer: asyncio.TimerHandle) -> None:
        """Code of the run set a timer of the event loop."""


def _keeper(strand: Strand) -> BranchKeeper:
    return cast(BranchKeeper, strand.journal)  # the runtime's journal is one; authors see less of it


def start_in(strand: Strand, coroutine: Any, loop: asyncio.AbstractEventLoop, name: str) -> asyncio.Task[Any]:
    """Start ``coroutine`` as the asyncio task of ``strand``."""
    context = copy_context()
    context.run(_variable.set, strand)
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, name=name, context=context)
    strand.owner = task
    return task


def prepare_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Let every task that the loop makes inside a run be a branch of its own, and every timer be known to the run.

    What happens outside of runs is left alone.
    """
    if loop.get_task_factory() is _branching_task:
        return
    loop.set_task_factory(_branching_task)
    call_at = loop.call_at

    def noted_call_at(when: float, callback: Callable[..., object], *args: Any, **options: Any) -> asyncio.TimerHandle:
        handle = call_at(when, callback, *args, **options)
        strand = _variable.get()
        if strand is not None:
            _keeper(strand).timer_set(handle)
        return handle

    loop.call_at = noted_call_at  # type: ignore[method-assign,assignment]  # sleep, timeout and wait_for all go through it


def _branching_task(
    loop: asyncio.AbstractEventLoop, coroutine: Any, *, context: Context | None = None, **options: Any
) -> asyncio.Task[Any]:
    own = copy_context() if context is None else context.copy()
    parent = own.get(_variable)
    if parent is None:
        return asyncio.Task(coroutine, loop=loop, context=context, **options)
    strand = Strand(parent.journal, parent.branch.fork())
    own.run(_variable.set, strand)
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, context=own, **options)
    strand.owner = task
    keeper = _keeper(parent)
    keeper.branch_began(strand)
    task.add_done_callback(lambda _: keeper.branch_ended(strand))
    return task


@contextmanager
def branching_threads() -> Iterator[None]:
    """Let threads started inside a run be branches too, while the context is open. Several may be open at once.

    Wraps ``Thread.start`` and ``ThreadPoolExecutor.submit`` of this process. The threads of a pool itself are none:
    whether a pool needs another thread depends on timing, what is submitted to it does not. Also wraps
    ``asyncio.as_completed``, which puts coroutines into a set before it makes tasks of them: their order, and so the
    numbers of their branches, would differ from process to process.
    """
    global _wrapping
    with _changing:
        _wrapping += 1
        if _wrapping == 1:
            _set_wrapped(_start_in_branch, _submit_in_branch, _as_completed_in_order)
    try:
        yield
    finally:
        with _changing:
            _wrapping -= 1
            if _wrapping == 0:
                _set_wrapped(_thread_start, _pool_submit, _as_completed)


_thread_start, _pool_submit, _as_completed = threading.Thread.start, ThreadPoolExecutor.submit, asyncio.as_completed
_wrapping = 0
_changing = threading.Lock()


def _set_wrapped(start: Any, submit: Any, as_completed: Any) -> None:
    threading.Thread.start = start  # type: ignore[method-assign]  # there is no other hook
    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]  # there is no other hook
    asyncio.as_completed = asyncio.tasks.as_completed = as_completed


def _start_in_branch(thread: threading.Thread) -> None:
    if _variable.get() is not None and not _is_pool_thread(thread):
        thread.run = _until_control_flow(_in_own_branch(thread.run))  # type: ignore[method-assign]  # before it exists
    _thread_start(thread)


def _submit_in_branch(
    pool: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Future[Any]:
    if _variable.get() is None:
        return _pool_submit(pool, function, *args, **kwargs)
    futures: list[Future[Any]] = []
    futures.append(_pool_submit(pool, _in_own_branch(function, futures), *args, **kwargs))
    return futures[0]


def _as_completed_in_order(fs: Iterable[Any], **options: Any) -> Any:
    if _variable.get() is not None:
        fs = [asyncio.ensure_future(each) for each in dict.fromkeys(fs)]
    return _as_completed(fs, **options)


def _is_pool_thread(thread: threading.Thread) -> bool:
    return getattr(getattr(thread, "_target", None), "__module__", "") == "concurrent.futures.thread"


def _until_control_flow(function: Callable[[], None]) -> Callable[[], None]:
    """A thread ends quietly when the attempt does: the reason is told elsewhere."""

    def run() -> None:
        with suppress(ControlFlow):
            function()

    return run


def _in_own_branch(function: Callable[..., Any], futures: Sequence[Future[Any]] = ()) -> Callable[..., Any]:
    """Return what runs ``function`` as a branch. With a future, the branch ends when that is done and all are told."""
    parent = _variable.get()
    if parent is None:
        return function
    context = copy_context()
    strand = Strand(parent.journal, parent.branch.fork())
    context.run(_variable.set, strand)
    keeper = _keeper(parent)

    def run(*args: Any, **kwargs: Any) -> Any:
        keeper.branch_began(strand)
        try:
            return context.run(function, *args, **kwargs)
        finally:
            if futures:
                futures[0].add_done_callback(lambda _: keeper.branch_ended(strand))
            else:
                keeper.branch_ended(strand)

    return run
