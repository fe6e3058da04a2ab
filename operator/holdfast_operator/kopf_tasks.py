"""Runs kopf's tasks, and ends them for sure.

When a watch fails for good, kopf 1.45 leaves the others running, and one of those can take its cancellation for a
pause and go on; `kopf.run_tasks` waits for it for ever then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, TypeAlias

Tasks: TypeAlias = Collection["asyncio.Task[Any]"]

CLEANUP_SECONDS = 5.0
CANCEL_SECONDS = 0.2
CANCEL_TRIES = 50


async def run_kopf(roots: Tasks, existing: Tasks) -> None:
    """Wait until one of the root tasks has ended, and end all others.

    Args:
        roots: from `kopf.spawn_tasks`.
        existing: the tasks from before, which go on. Every later task of the loop ends with kopf.

    Raises:
        Exception: what ended a root task.
    """
    try:
        await asyncio.wait(roots, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(roots, CLEANUP_SECONDS)
        await _end_all_since(existing)
    for task in roots:
        if task.done() and not task.cancelled():
            task.result()


async def _end_all_since(existing: Tasks) -> None:
    kept = {*existing, asyncio.current_task()}
    for _ in range(CANCEL_TRIES):
        left = asyncio.all_tasks() - kept
        if not left:
            return
        await _cancel(left, CANCEL_SECONDS)


async def _cancel(tasks: Tasks, seconds: float) -> None:
    for task in tasks:
        task.cancel()
    done, _ = await asyncio.wait(tasks, timeout=seconds)
    for task in done:
        if not task.cancelled():
            task.exception()  # it has been looked at
