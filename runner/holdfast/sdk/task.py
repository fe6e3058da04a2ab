"""``@task``: a durable function, known by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, ParamSpec, TypeVar, overload

from holdfast.domain.errors import DefinitionError, DuplicateTaskError
from holdfast.domain.retry import Retry, is_number
from holdfast.sdk.codec import Codec, codec_for_result
from holdfast.sdk.hooks import NO_HOOKS, EndHook, Hooks, RunHook
from holdfast.sdk.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")

_registry: dict[str, Task[..., Any]] = {}


class Task(Generic[P, R]):
    """A durable function. Called directly it is just its function: a run is made by triggering it.

    Attributes:
        function: the plain function.
        name: how runs refer to it.
        queue: where its runs wait for admission.
        retry: attempts of a run; None for the defaults of the control plane.
        timeout_seconds: deadline of the whole run from its first start; None for none.
        attempt_timeout_seconds: deadline of one attempt; None for none.
        hooks: what is called at the turns of its runs' lives.
        is_async: whether the function is ``async def``.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str,
        queue: str,
        retry: Retry | None,
        timeout_seconds: float | None,
        attempt_timeout_seconds: float | None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self.function = function
        self.name = name
        self.queue = queue
        self.retry = retry
        self.timeout_seconds = timeout_seconds
        self.attempt_timeout_seconds = attempt_timeout_seconds
        self.hooks = hooks
        self.is_async = inspect.iscoroutinefunction(function)
        self.codec: Codec[Any] = codec_for_result(function)
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function."""
        return self.function(*args, **kwargs)

    @cached_property
    def signature(self) -> Signature:
        """How an input is matched to the parameters."""
        return Signature(self.function)

    @property
    def entrypoint(self) -> str:
        """Where a runner finds it: ``module:name``."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    def __repr__(self) -> str:
        return f"<task {self.name} ({self.entrypoint})>"


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    *,
    name: str | None = None,
    queue: str = "default",
    retry: Retry | None = None,
    timeout: float | None = None,
    attempt_timeout: float | None = None,
    on_start: RunHook | None = None,
    on_wait: RunHook | None = None,
    on_resume: RunHook | None = None,
    on_success: EndHook | None = None,
    on_failure: EndHook | None = None,
    on_cancel: EndHook | None = None,
    on_complete: EndHook | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    queue: str = "default",
    retry: Retry | None = None,
    timeout: float | None = None,
    attempt_timeout: float | None = None,
    on_start: RunHook | None = None,
    on_wait: RunHook | None = None,
    on_resume: RunHook | None = None,
    on_success: EndHook | None = None,
    on_failure: EndHook | None = None,
    on_cancel: EndHook | None = None,
    on_complete: EndHook | None = None,
) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
    """Make a durable task of a function, ``async def`` or ``def``.

    Args:
        function: the function, when used without parentheses.
        name: how runs refer to it; default: the function's name.
        queue: where its runs wait for admission.
        retry: attempts of a run; default: the control plane's (3 attempts, 1 s growing to 60 s).
        timeout: deadline of the whole run in seconds, from its first start.
        attempt_timeout: deadline of one attempt in seconds.
        on_start: called before the first attempt calls the task, with a ``RunInfo``.
        on_wait: called with a ``RunInfo`` before the run leaves its process to wait.
        on_resume: called with a ``RunInfo`` when it goes on after that.
        on_success: called with a ``RunEnd`` when the task has returned.
        on_failure: called with a ``RunEnd`` when the run ends without success, and was not canceled.
        on_cancel: called with a ``RunEnd`` when the run was canceled.
        on_complete: called with a ``RunEnd`` last, however the run ends.

    Raises:
        DefinitionError: the function or an option cannot work; says which and why.
        DuplicateTaskError: another function has the name.
    """

    given = Hooks(
        on_start=on_start,
        on_wait=on_wait,
        on_resume=on_resume,
        on_success=on_success,
        on_failure=on_failure,
        on_cancel=on_cancel,
        on_complete=on_complete,
    )
    hooks = NO_HOOKS if given == NO_HOOKS else given

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        if not _is_function(function):
            raise DefinitionError(f"@task needs a function, not {function!r} (put @task outermost, without @step)")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise DefinitionError(f"{function.__qualname__} is a generator: a task has one result, return a list")
        for option, seconds in (("timeout", timeout), ("attempt_timeout", attempt_timeout)):
            if seconds is not None and not (is_number(seconds) and seconds >= 1):
                raise DefinitionError(
                    f"task {function.__qualname__}: {option}={seconds!r} must be a number of seconds, at least 1"
                )
        if retry is not None and not isinstance(retry, Retry):
            raise DefinitionError(f"task {function.__qualname__}: retry={retry!r} must be a Retry(...)")
        made = Task(
            function,
            name=name or function.__name__,
            queue=queue,
            retry=retry,
            timeout_seconds=timeout,
            attempt_timeout_seconds=attempt_timeout,
            hooks=hooks,
        )
        made.codec.check()
        hooks.check(made.name)
        _register(made)
        return made

    return decorate if function is None else decorate(function)


def _is_function(candidate: object) -> bool:
    return inspect.isfunction(candidate)


def _register(made: Task[..., Any]) -> None:
    known = _registry.get(made.name)
    if known is not None and known.entrypoint != made.entrypoint:
        raise DuplicateTaskError(
            f"two tasks are called {made.name!r}: {known.entrypoint} and {made.entrypoint}. "
            "Give one of them @task(name=...)"
        )
    _registry[made.name] = made


def registered_tasks() -> dict[str, Task[..., Any]]:
    """Return the tasks that were imported so far, by name."""
    return dict(_registry)
