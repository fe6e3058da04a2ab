"""``gather``: run awaitables side by side and take all their results, or the first failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def gather(*coroutines: Coroutine[Any, Any, T]) -> list[T]:
    """Run ``coroutines`` side by side, each in a branch of its own, and return their results in order.

    When one fails, the others are canceled and awaited before its exception is raised: nothing goes on behind your
    back.
    (``asyncio.gather`` and ``TaskGroup`` work as well; the first lets the others run on, the second raises a group.)
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    return [task.result() for task in tasks]
