"""From the name of a module to its source, without importing anything."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from holdfast.domain.errors import TaskImportError


def source_files(module: str) -> list[Path]:
    """Return the file of a module, or all files of a package. ``module`` is a dotted name, or a path.

    The working directory is searched first, as ``python -m`` does.

    Raises:
        TaskImportError: there is no such module, or it is not written in Python.
    """
    path = Path(module) if module.endswith(".py") or os.sep in module else _find(module)
    if path.is_dir():
        return sorted(file for file in path.rglob("*.py") if not _is_hidden(file.relative_to(path)))
    if not path.is_file():
        raise TaskImportError(f"there is no file {module!r} to check. Give a module such as orders.tasks, or a file")
    return [path]


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in file.parts)


def _find(module: str) -> Path:
    locations: list[str] = [os.getcwd(), *sys.path]
    spec: ModuleSpec | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(part, locations) if part else None
        if spec is None:
            raise TaskImportError(f"there is no module {name or module!r} to check, here or on Python's path")
        locations = list(spec.submodule_search_locations or ())
    assert spec is not None
    if locations:
        return Path(locations[0])
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise TaskImportError(f"the module {module!r} has no source in Python that could be checked")
    return Path(spec.origin)
