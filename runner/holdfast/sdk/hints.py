"""The annotations of a function, with names in quotes resolved."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any


def type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations by parameter name, and ``return``.

    Names are looked up where the function was defined, and among the local names that its body uses.

    Raises:
        NameError: An annotation names something that is not defined, or not defined yet.
    """
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    cells = zip(code.co_freevars, plain.__closure__ or (), strict=True) if code else ()
    local_names = {name: cell.cell_contents for name, cell in cells if _is_filled(cell)}
    return typing.get_type_hints(plain, localns=local_names or None, include_extras=True)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # an empty cell says so by raising
    except ValueError:
        return False
    return True
