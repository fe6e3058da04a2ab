"""Entrypoints as people give them."""

from __future__ import annotations

import re
from typing import Any

from holdfast.contract.patterns import ENTRYPOINT, MEANINGS
from holdfast.domain.errors import InputError
from holdfast.sdk.task import Task


def load_entrypoint(entrypoint: str) -> Task[..., Any]:
    """Import a task.

    Raises:
        InputError: ``entrypoint`` is none.
        TaskImportError: its module does not import.
        UnknownTaskError: its module has no such task.
    """
    from holdfast.runtime.loading import load_task

    if not re.fullmatch(ENTRYPOINT, entrypoint):
        raise InputError(f"{entrypoint!r} {MEANINGS[ENTRYPOINT]}, for instance orders.tasks:process.")
    return load_task(entrypoint)
