"""From the author's modules to what the control plane knows of their tasks."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from holdfast.domain.errors import DefinitionError, HoldfastError, InputError, TaskImportError
from holdfast.domain.retry import Retry
from holdfast.sdk.task import Task, registered_tasks

if TYPE_CHECKING:
    from holdfast_engine.control.options import TriggerOptions
    from holdfast_engine.control.plane import ControlPlane


def import_tasks(modules: Iterable[str]) -> list[Task[..., Any]]:
    """Import modules, the working directory first, and return all tasks that are known then.

    Raises:
        InputError: it is no name of a module.
        TaskImportError: a module does not import; its ``__cause__`` is what happened there.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    for module in modules:
        if "/" in module or module.endswith(".py") or ":" in module:
            raise InputError(f"{module!r} is not the name of a module: write package.module, as in an import.")
        try:
            importlib.import_module(module)
        except HoldfastError:
            raise
        except (Exception, SystemExit) as error:
            raise TaskImportError(
                f"the module {module!r} cannot be imported: {type(error).__name__}: {error}"
            ) from error
    return list(registered_tasks().values())


def options_of(task: Task[..., Any], launcher: str) -> TriggerOptions:
    """What its decorator says of the runs of a task, which only ``launcher`` can launch."""
    from holdfast_engine.control.options import TriggerOptions

    return TriggerOptions(
        launcher=launcher,
        active_deadline_seconds=_whole(task.timeout_seconds),
        attempt_deadline_seconds=_whole(task.attempt_timeout_seconds),
        hooks=task.hooks.of_ends or None,
        **({} if task.retry is None else _retry_options(task.retry)),
    )


async def register(plane: ControlPlane, task: Task[..., Any], launcher: str) -> None:
    """Make a task known, so that it can be triggered by name."""
    await plane.put_task(
        task.name,
        entrypoint=task.entrypoint,
        queue=task.queue,
        input_schema=input_schema_of(task),
        defaults=options_of(task, launcher),
    )


def input_schema_of(task: Task[..., Any]) -> dict[str, Any] | None:
    """JSON Schema that the inputs of a task are checked by when they are triggered; None if it has none."""
    try:
        return task.signature.json_schema()
    except DefinitionError:
        return None  # types without a schema: the attempt checks the input, and fails at once


def _retry_options(retry: Retry) -> dict[str, Any]:
    return {
        "max_attempts": retry.max_attempts,
        "backoff_seconds": retry.backoff,
        "max_backoff_seconds": retry.max_backoff,
        "multiplier_percent": round(retry.multiplier * 100),
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else math.ceil(seconds)
