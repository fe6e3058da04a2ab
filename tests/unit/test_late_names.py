"""Names of the package that load their modules when they are asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast

PACKAGE = Path(holdfast.__file__)


def _names_for_type_checkers() -> dict[str, str]:
    """Name by name, the module from which type checkers are told to take it."""
    (block,) = [node for node in ast.parse(PACKAGE.read_text()).body if isinstance(node, ast.If)]
    return {
        alias.name: statement.module or ""
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def test_every_name_is_what_type_checkers_are_told() -> None:
    told = _names_for_type_checkers()
    assert told.keys() < set(holdfast.__all__)
    for name, module in told.items():
        assert getattr(holdfast, name) is getattr(sys.modules[module], name)


def test_all_names_are_there() -> None:
    assert [name for name in holdfast.__all__ if not hasattr(holdfast, name)] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'holdfast' has no attribute 'tigger'"):
        holdfast.tigger  # type: ignore[attr-defined]  # noqa: B018  # that is the test


def test_a_pod_that_needs_none_loads_none() -> None:
    late = set(_names_for_type_checkers().values())
    program = "import sys, holdfast, holdfast.runtime.attempt; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(answer.stdout.split())
    assert "holdfast.sdk.step" in loaded
    assert (late - {"holdfast.domain.subjects"}) & loaded == set()
