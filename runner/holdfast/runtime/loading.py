"""From an entrypoint to the task it names."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from holdfast.domain.errors import TaskImportError, UnknownTaskError
from holdfast.sdk.task import Task


def load_task(entrypoint: str) -> Task[..., Any]:
    """Import ``module:name`` and return the task; the working directory is searched first, as ``python -m`` does.

    Raises:
        TaskImportError: the module does not import; its ``__cause__`` is what happened there.
        UnknownTaskError: the module has no task of that name; the message lists those it has.
    """
    module_name, _, path = entrypoint.partition(":")
    if not module_name or not path:
        raise UnknownTaskError(
            f"{entrypoint!r} is not an entrypoint: write module:function, for instance orders.tasks:process"
        )
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise TaskImportError(
            f"the module {module_name!r} of the task cannot be imported: {type(error).__name__}: {error}"
        ) from error
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
    if isinstance(found, Task):
        return found
    tasks = sorted(name for name, value in vars(module).items() if isinstance(value, Task))
    known = f"its tasks are: {', '.join(tasks)}" if tasks else "it has no tasks"
    hint = f"; {path} is there but is no task: put @task above it" if found is not None else ""
    raise UnknownTaskError(f"the module {module_name!r} has no task {path!r}; {known}{hint}")
