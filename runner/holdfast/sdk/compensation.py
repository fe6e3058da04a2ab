"""Compensations: what undoes a step that has succeeded, when its run ends without success.

A compensation gets the result of its step and nothing else, because that is what is recorded. Which function it is, is
recorded as well, by the entrypoint of the step: so nothing has to be executed or replayed to find it.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast.domain.errors import DefinitionError
from holdfast.sdk.hints import type_hints
from holdfast.sdk.journal import require_strand

if TYPE_CHECKING:
    from holdfast.sdk.step import Step

COMPENSABLE_KIND = "compensable"
"""Kind and name of the record, within the body of a step, that says whose compensation it has."""

_compensable: dict[str, Step[..., Any]] = {}


def compensable_body(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` with a first act: to record that it can be undone."""
    reference = _entrypoint(function)

    def promise() -> None:
        strand = require_strand(reference)
        strand.journal.promise(strand, reference)

    if inspect.iscoroutinefunction(function):

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            promise()
            return await function(*args, **kwargs)

        return awaited

    def blocking(*args: Any, **kwargs: Any) -> Any:
        promise()
        return function(*args, **kwargs)

    return blocking


def check_compensation(name: str, function: Callable[..., Any], compensate: Callable[[Any], object]) -> None:
    """Raise ``DefinitionError`` unless ``compensate`` can be called with a result of the step ``name``."""
    if not callable(compensate):
        raise DefinitionError(f"step {name}: compensate={compensate!r} is no function")
    plain = inspect.unwrap(compensate)
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise DefinitionError(f"step {name}: its compensation {_spell(compensate)} is a generator")
    try:
        inspect.signature(plain).bind(None)
    except TypeError as error:
        raise DefinitionError(
            f"step {name}: its compensation {_spell(compensate)}{inspect.signature(plain)} cannot be called with the "
            f"result alone ({error}). A compensation gets what the step returned and nothing else: let the step return "
            "what it takes to undo it"
        ) from None
    _refuse_other_type(name, function, compensate)


def register_compensable(function: Callable[..., Any], step: Step[..., Any]) -> None:
    """Let ``step`` be found by its records."""
    _compensable[_entrypoint(function)] = step


def find_compensable(reference: str) -> Step[..., Any]:
    """Return the step whose body recorded ``reference``, imported if need be.

    Raises:
        DefinitionError: the program has no such step any more, or it has no compensation.
    """
    if reference not in _compensable:
        module = reference.partition(":")[0]
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            message = f"the module {module!r} of a step to compensate cannot be imported: {error!r}"
            raise DefinitionError(message) from error
    if reference not in _compensable:
        raise DefinitionError(
            f"{reference} is no step with compensate=... any more. Put it back and resume the run: holdfast runs resume"
        )
    return _compensable[reference]


def _entrypoint(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{getattr(function, '__qualname__', repr(function))}"


def _refuse_other_type(name: str, function: Callable[..., Any], compensate: Callable[[Any], object]) -> None:
    plain = inspect.unwrap(compensate)
    try:
        result = type_hints(function).get("return", Any)
        first = next(iter(inspect.signature(plain).parameters.values()))
        taken = type_hints(plain).get(first.name, Any)
    except (NameError, TypeError):  # defined later, or nothing that has annotations: type checkers see it
        return
    if first.kind is not inspect.Parameter.VAR_POSITIONAL and not _may_take(taken, result):
        raise DefinitionError(
            f"step {name} returns {result.__name__}, and its compensation {_spell(compensate)} takes {taken.__name__}"
        )


def _may_take(taken: Any, result: Any) -> bool:
    """Whether values of one annotation may be those of another; True where only a type checker can tell."""
    if not all(inspect.isclass(each) and each is not Any for each in (taken, result)):
        return True
    try:
        return issubclass(result, taken) or (result, taken) == (int, float)
    except TypeError:  # a TypedDict or a protocol: not to be asked
        return True


def _spell(function: object) -> str:
    return str(getattr(function, "__qualname__", repr(function)))
