"""Counting what is in Python source files. Nothing in here knows of Holdfast."""

from __future__ import annotations

import ast
import sysconfig
import threading
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

#: Not part of the library itself: what was installed into it, and its tests, which are larger than all the rest.
LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "__pycache__"})

# In Python 3.11 two threads that parse at the same time may get a SystemError.
_parsing = threading.Lock()

# Some files of the library have odd literals, and say so when they are parsed.
warnings.filterwarnings("ignore", category=SyntaxWarning, module="<unknown>")


@dataclass(frozen=True)
class Counts:
    """How much there is of a package."""

    files: int = 0
    lines: int = 0
    functions: int = 0
    classes: int = 0
    #: Files that this Python cannot parse; their lines count, what is in them does not.
    unreadable: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


@dataclass(frozen=True)
class Census:
    """The answer: counts per package, and of all together."""

    packages: dict[str, Counts]
    total: Counts

    @classmethod
    def of(cls, packages: dict[str, Counts]) -> Census:
        """The census of these packages."""
        return cls(packages, sum(packages.values(), Counts()))


def standard_library() -> Path:
    """Where the running Python's own standard library is."""
    return Path(sysconfig.get_path("stdlib"))


def package_names(library: Path) -> list[str]:
    """The top-level packages of ``library``, single modules included, in alphabetical order."""
    return sorted({path.stem for path in library.iterdir() if _is_package(path)} - LEFT_OUT)


def count_package(library: Path, name: str) -> Counts:
    """Read every source file of one package and count what is in it."""
    return sum((_count_file(file) for file in _source_files(library, name)), Counts())


def _is_package(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").exists()


def _source_files(library: Path, name: str) -> Iterable[Path]:
    module = library / f"{name}.py"
    return [module] if module.exists() else sorted((library / name).rglob("*.py"))


def _count_file(file: Path) -> Counts:
    source = file.read_bytes()
    lines = len(source.splitlines())
    try:
        with _parsing:
            tree = ast.parse(source)
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError):
        return Counts(files=1, lines=lines, unreadable=1)
    functions = sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes)
    classes = sum(isinstance(node, ast.ClassDef) for node in nodes)
    return Counts(files=1, lines=lines, functions=functions, classes=classes)
