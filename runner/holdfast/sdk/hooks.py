"""Hooks: functions of a task that are called at the turns of a run's life, each once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from holdfast.domain.errors import DefinitionError
from holdfast.sdk.run_info import RunInfo

if TYPE_CHECKING:
    from holdfast.sdk.run_end import RunEnd

RunHook = Callable[[RunInfo], object]
EndHook = Callable[["RunEnd"], object]

_OF_LIFE = ("on_start", "on_wait", "on_resume")
_OF_ENDS = ("on_failure", "on_cancel", "on_complete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The hooks of a task.

    Attributes:
        on_start: before the first attempt calls the task.
        on_wait: before the run leaves its process because all that it does is to wait.
        on_resume: when the first attempt after that begins.
        on_success: after the task has returned.
        on_failure: the run ends as Failed, TimedOut or Expired.
        on_cancel: the run ends as Canceled.
        on_complete: the last act of a run, however it ends.
    """

    on_start: RunHook | None = None
    on_wait: RunHook | None = None
    on_resume: RunHook | None = None
    on_success: EndHook | None = None
    on_failure: EndHook | None = None
    on_cancel: EndHook | None = None
    on_complete: EndHook | None = None

    @property
    def of_ends(self) -> tuple[str, ...]:
        """Names of those that are called even if no attempt of the program is there when the run ends."""
        return tuple(name for name in _OF_ENDS if getattr(self, name) is not None)

    def check(self, task: str) -> None:
        """Raise ``DefinitionError`` unless each can be called with the one argument that it gets."""
        for name in (field.name for field in fields(self)):
            hook = getattr(self, name)
            if hook is not None:
                _check(task, name, hook)


NO_HOOKS = Hooks()


def _check(task: str, name: str, hook: object) -> None:
    if not callable(hook):
        raise DefinitionError(f"task {task}: {name}={hook!r} is no function")
    plain = inspect.unwrap(hook)
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise DefinitionError(f"task {task}: {name} is a generator")
    try:
        inspect.signature(plain).bind(None)
    except TypeError as error:
        given = "a RunInfo" if name in _OF_LIFE else "a RunEnd"
        raise DefinitionError(f"task {task}: {name} gets one argument, {given}, and cannot take it: {error}") from None
