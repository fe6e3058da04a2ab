"""``@step``: a function whose result is recorded, so that it is never executed again once it has succeeded."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from holdfast.contract.limits import STEP_NAME_LIMIT
from holdfast.domain.errors import DefinitionError
from holdfast.domain.retry import NO_RETRY, Retry, is_number
from holdfast.sdk.codec import Codec, codec_for_result
from holdfast.sdk.compensation import check_compensation, compensable_body, register_compensable
from holdfast.sdk.journal import current_strand
from holdfast.sdk.storable import is_storable

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
U = TypeVar("U")

KeyFunction = Callable[..., str]


class CompensableDecorator(Protocol[U]):
    """What ``@step(compensate=...)`` is to type checkers: the result of the step must fit the compensation."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, U]], /) -> Step[P, Coroutine[Any, Any, U]]: ...
    @overload
    def __call__(self, function: Callable[P, U], /) -> Step[P, U]: ...


class Step(Generic[P, R]):
    """A recorded function. Call it as the function itself; outside of a run it is nothing else.

    Attributes:
        function: the plain function.
        name: how the step is called in records; part of its identity.
        retry: tries within one attempt.
        timeout_seconds: limit of one try; None for none.
        is_async: whether the function is ``async def``.
        codec: how results become text.
        has_key: whether calls have an explicit key.
        kind: how its records are shown: ``step``, or the operation of ours that it is.
        compensate: what undoes it, given its result; None for nothing.
        body: what an attempt executes: the function, and what has to be noted with it.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str,
        retry: Retry,
        timeout_seconds: float | None,
        key: str | KeyFunction | None,
        codec: Codec[Any] | None = None,
        kind: str = "step",
        compensate: Callable[[Any], object] | None = None,
    ) -> None:
        self.function = function
        self.name = name
        self.retry = retry
        self.timeout_seconds = timeout_seconds
        self.is_async = inspect.iscoroutinefunction(function)
        self.codec: Codec[Any] = codec or codec_for_result(function)
        self._key = key
        self.has_key = key is not None
        self.kind = kind
        self.compensate = compensate
        self.body: Callable[..., Any] = function if compensate is None else compensable_body(function)
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", name)
        self.__qualname__ = getattr(function, "__qualname__", name)
        self.__module__ = function.__module__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the recorded result, or run the function and record what it returns."""
        if self.is_async:
            return self._run_async(args, kwargs)  # type: ignore[return-value]  # R is the coroutine here
        strand = current_strand()
        if strand is None:
            return self.function(*args, **kwargs)
        return cast(R, strand.journal.run_step_blocking(self, strand, args, kwargs))

    async def _run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # looked up when the coroutine starts, not when it is made: gather(fetch(a), fetch(b)) runs each in its own
        # branch
        strand = current_strand()
        if strand is None:
            return await cast(Any, self.function(*args, **kwargs))
        return await strand.journal.run_step(self, strand, args, kwargs)

    def with_key(self, key: str) -> Step[P, R]:
        """Return this step with an explicit key: its identity in the run, wherever and in whatever order it is
        called.
        """
        _check_key(self.name, key)
        return Step(
            self.function,
            name=self.name,
            retry=self.retry,
            timeout_seconds=self.timeout_seconds,
            key=key,
            codec=self.codec,
            kind=self.kind,
            compensate=self.compensate,
        )

    def explicit_key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """Return the explicit key of a call with these arguments; None when its place identifies it."""
        if self._key is None or isinstance(self._key, str):
            return self._key
        key = self._key(*args, **kwargs)
        _check_key(self.name, key)
        return key

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind as a method does."""
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<step {self.name}>"


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | None = None,
    retry: Retry = NO_RETRY,
    timeout: float | None = None,
    key: KeyFunction | None = None,
    compensate: None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
@overload
def step(
    *,
    name: str | None = None,
    retry: Retry = NO_RETRY,
    timeout: float | None = None,
    key: KeyFunction | None = None,
    compensate: Callable[[T], object],
) -> CompensableDecorator[T]: ...
@overload
def step(
    *,
    name: str | None = None,
    retry: Retry = NO_RETRY,
    timeout: float | None = None,
    key: KeyFunction | None = None,
    compensate: Callable[[Any], object],  # a lambda, whose argument no type checker knows
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    retry: Retry = NO_RETRY,
    timeout: float | None = None,
    key: KeyFunction | None = None,
    compensate: Callable[[Any], object] | None = None,
) -> Any:
    """Make a recorded step of a function, ``async def`` or ``def``.

    Args:
        function: the function, when used without parentheses.
        name: part of the step's identity; default: the function's name. Renaming it changes the identity.
        retry: tries within one attempt; the count survives a crash. Default: one try.
        timeout: limit of one try in seconds; a ``def`` step cannot be interrupted, its late result is dropped.
        key: makes an explicit identity from the arguments, for calls whose order the program does not fix
            (workers that take from a shared queue). Must be unique in the run.
        compensate: undoes the step when the run ends without success: a function or a step, called with the result of
            the step and nothing else. Its own retry applies if it is a step.

    Raises:
        DefinitionError: the function or an option cannot work; says which and why.
    """

    def decorate(function: Callable[P, R]) -> Step[P, R]:
        step_name = _checked_name(function, name)
        if timeout is not None and not (is_number(timeout) and timeout > 0):
            raise DefinitionError(f"step {step_name}: timeout={timeout!r} must be a positive number of seconds")
        if not isinstance(retry, Retry):
            raise DefinitionError(f"step {step_name}: retry={retry!r} must be a Retry(...)")
        made = Step(function, name=step_name, retry=retry, timeout_seconds=timeout, key=key, compensate=compensate)
        made.codec.check()
        if compensate is not None:
            check_compensation(step_name, function, compensate)
            register_compensable(function, made)
        return made

    return decorate if function is None else decorate(function)


def _checked_name(function: Callable[..., Any], name: str | None) -> str:
    if isinstance(function, Step):
        raise DefinitionError(f"{function.name} is a step already: use @step once")
    if not callable(function):
        raise DefinitionError(f"@step needs a function, not {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(f"{function.__qualname__} is a generator: a step has one result, return a list")
    found = name if name is not None else str(getattr(function, "__name__", ""))
    check_step_name(found)
    return found


def check_step_name(name: str) -> None:
    """Raise ``DefinitionError`` unless ``name`` can be part of a step's key."""
    if not name or len(name) > STEP_NAME_LIMIT or "/" in name or "#" in name or not is_storable(name):
        raise DefinitionError(
            f"step name {name!r}: 1 to {STEP_NAME_LIMIT} characters, without '/', '#', NUL and lone surrogates "
            "(lambdas need name=...)"
        )


def _check_key(name: str, key: object) -> None:
    if not isinstance(key, str) or not 1 <= len(key) <= STEP_NAME_LIMIT or not is_storable(key):
        raise DefinitionError(
            f"step {name}: its key is {key!r}; a key is a text of 1 to {STEP_NAME_LIMIT} characters, without NUL "
            "and lone surrogates"
        )
