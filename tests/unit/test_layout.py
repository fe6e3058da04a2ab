"""The tree must not shadow the standard library, nor depend on where Python is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import holdfast_engine

ROOT = Path(__file__).parents[2]


def test_operator_folder_is_no_package() -> None:
    assert (ROOT / "operator").is_dir()
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_operator_is_the_standard_library_in_the_repository_root() -> None:
    program = "import operator, sys; print(operator.__file__); print(sys.path[0] == '')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    file, looked_here_first = done.stdout.split()
    assert looked_here_first == "True"
    assert ROOT not in Path(file).parents


def test_tests_are_no_packages() -> None:
    assert [str(file) for file in (ROOT / "tests").rglob("__init__.py")] == []


def test_this_checkout_is_what_is_tested() -> None:
    assert Path(holdfast_engine.__file__).is_relative_to(ROOT / "operator")


def test_everything_is_typed() -> None:
    assert (ROOT / "runner" / "holdfast" / "py.typed").exists()
    assert (ROOT / "operator" / "holdfast_engine" / "py.typed").exists()
