"""The steps of the crash corpus. Each tells the oracle, and takes a different time in each attempt."""

from __future__ import annotations

import asyncio
import os
import zlib
from random import Random

from holdfast import Retry, run_info, step
from holdfast.sdk.journal import require_strand
from tests.support.oracle import began, effect

SEED_VARIABLE = "CRASH_SEED"

AGAIN = Retry(max_attempts=20, backoff=0.0)


class Broken(Exception):
    """Raised on purpose."""


@step
async def work(label: str) -> str:
    """The plain step."""
    began(label)
    await wiggle()
    effect(label)
    await wiggle()
    return f"done {label}"


@step
def deed(label: str) -> str:
    """The plain ``def`` step."""
    began(label)
    effect(label)
    return f"done {label}"


@step(key=lambda label: f"order-{label}")
async def keyed(label: str) -> str:
    """A step whose key does not depend on its place."""
    began(label)
    await wiggle()
    effect(label)
    return f"done {label}"


@step
async def large(label: str, size: int) -> str:
    """A result that does not come with the opening."""
    began(label)
    effect(label)
    return label * size


@step
def large_deed(label: str, size: int) -> str:
    """The same in a ``def`` step."""
    began(label)
    effect(label)
    return label * size


@step(retry=AGAIN)
async def flaky(label: str, failures: int) -> str:
    """Fails so many times first."""
    await wiggle()
    if began(label) <= failures:
        raise Broken(label)
    effect(label)
    return f"done {label}"


@step(retry=AGAIN)
def flaky_deed(label: str, failures: int) -> str:
    """The same in a ``def`` step."""
    if began(label) <= failures:
        raise Broken(label)
    effect(label)
    return f"done {label}"


@step(retry=Retry(max_attempts=2, backoff=0.0))
async def broken(label: str) -> str:
    """Always fails."""
    began(label)
    await wiggle()
    raise Broken(label)


@step(retry=Retry(max_attempts=2, backoff=0.0))
def broken_deed(label: str) -> str:
    """The same in a ``def`` step."""
    began(label)
    raise Broken(label)


@step
async def broken_until(label: str, executions: int) -> str:
    """Fails so many times first, without a retry of its own: each failure is final until an attempt begins again."""
    await wiggle()
    if began(label) <= executions:
        raise Broken(label)
    effect(label)
    return f"done {label}"


@step
def broken_deed_until(label: str, executions: int) -> str:
    """The same in a ``def`` step."""
    if began(label) <= executions:
        raise Broken(label)
    effect(label)
    return f"done {label}"


@step
async def endless(label: str) -> str:
    """Never ends by itself."""
    began(label)
    await asyncio.get_running_loop().create_future()
    return label


@step
async def endless_first(label: str) -> str:
    """Does not end by itself in the first attempt."""
    began(label)
    if run_info().attempt == 1:
        await asyncio.get_running_loop().create_future()
    effect(label)
    return f"done {label}"


@step
async def outer(label: str) -> list[str]:
    """A step of steps."""
    began(label)
    first = await work(f"{label}.1")
    second = await middle(f"{label}.2")
    effect(label)
    return [first, *second]


@step
async def middle(label: str) -> list[str]:
    """A step of steps side by side."""
    began(label)
    both = await asyncio.gather(work(f"{label}a"), work(f"{label}b"))
    effect(label)
    return list(both)


@step
def outer_deed(label: str) -> list[str]:
    """A ``def`` step of ``def`` steps."""
    began(label)
    both = [deed(f"{label}.1"), deed(f"{label}.2")]
    effect(label)
    return both


@step(retry=AGAIN)
async def flaky_outer(label: str, failures: int) -> list[str]:
    """A step that is tried again because of a step inside."""
    began(label)
    first = await work(f"{label}.1")
    second = await broken_until(f"{label}.2", failures)
    effect(label)
    return [first, second]


async def wiggle() -> None:
    """Let others go first, some turns of the event loop long: another number in each attempt."""
    place = f"{os.environ.get(SEED_VARIABLE)} {run_info().attempt} {require_strand('wiggle').branch.path}"
    for _ in range(Random(zlib.crc32(place.encode())).randrange(8)):
        await asyncio.sleep(0)
