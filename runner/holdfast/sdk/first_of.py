"""``first_of``: run awaitables side by side, take the result of the first that ends, and cancel the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from holdfast.domain.errors import InputError

T = TypeVar("T")


async def first_of(*awaitables: Awaitable[T]) -> tuple[int, T]:
    """Run ``awaitables`` side by side, each in a branch of its own, and return which was first, from 0, and its result.

    Who was first is the same in every later attempt. If it failed, its exception is raised. The others are canceled and
    awaited before: nothing goes on behind your back. What is canceled is recorded as canceled; a signal that a canceled
    ``receive`` had taken comes back to the next one.

    Raises:
        InputError: there is nothing to wait for.
    """
    if not awaitables:
        raise InputError("first_of() needs at least one awaitable")
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    ended: list[asyncio.Future[T]] = []
    for task in tasks:
        # several may have ended when this code goes on; they are told of in the order in which they did
        task.add_done_callback(ended.append)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first = ended[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    places = {id(task): place for place, task in enumerate(tasks)}
    return places[id(first)], first.result()
