"""Steps beside the program: what a run does before its task is called or after its end is decided.

Each has a branch of its own, so it never shifts the places of the author's steps, and is found again by its name.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from holdfast.domain.retry import Retry
from holdfast.domain.scopes import Branch
from holdfast.sdk.codec import codec_for
from holdfast.sdk.journal import Strand, require_strand, strand_variable
from holdfast.sdk.step import Step

_strand = strand_variable()
_NONE = codec_for(None, "the result of a function whose result nobody gets")


async def take_side_step(
    function: Callable[[Any], object], given: Any, *, path: str, name: str, kind: str, retry: Retry
) -> None:
    """Call ``function`` as the step ``name`` of the branch ``path``, unless that is recorded.

    Args:
        function: an author's function or step, ``async def`` or ``def``; a step's own retry and timeout apply.
        given: its only argument.
        path: of the branch.
        name: of the step.
        kind: how its record is shown.
        retry: for a function that is no step.

    Raises:
        Exception: what the function raised, after its retries.
    """
    timeout_seconds = None
    if isinstance(function, Step):
        retry, timeout_seconds = function.retry, function.timeout_seconds
        function = function.function

    async def call() -> None:
        if inspect.iscoroutinefunction(function):
            await function(given)
        else:
            awaitable = await asyncio.to_thread(function, given)
            if inspect.isawaitable(awaitable):  # a lambda around an `async def`
                await awaitable

    step = Step(call, name=name, retry=retry, timeout_seconds=timeout_seconds, key=None, codec=_NONE, kind=kind)
    strand = require_strand(name)
    token = _strand.set(Strand(strand.journal, Branch(path), strand.owner))
    try:
        await step()
    finally:
        _strand.reset(token)
