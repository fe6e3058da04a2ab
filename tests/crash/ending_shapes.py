"""The shapes of programs that end without success and undo what they did. Each is a task without input."""

from __future__ import annotations

import asyncio

from holdfast import NonRetryableError, Retry, create_token, gather, sleep, step, task, wait_for_token
from tests.crash.steps import AGAIN, Broken, deed, wiggle, work
from tests.support.oracle import began, effect


@step
async def undo(label: str) -> None:
    """The plain compensation."""
    began(label)
    await wiggle()
    effect(label)


def undo_deed(label: str) -> None:
    """One that is no step."""
    began(label)
    effect(label)


@step(retry=AGAIN)
async def undo_at_last(label: str) -> None:
    """One that fails first."""
    if began(label) <= 2:
        raise Broken(label)
    effect(label)


@step
async def undo_with_steps(label: str) -> None:
    """One that has steps, and waits."""
    began(label)
    await work(f"{label} before")
    await sleep(hours=1)
    effect(label)


@step(compensate=undo)
async def do(label: str) -> str:
    """A step that is undone."""
    began(label)
    await wiggle()
    effect(label)
    return label


@step(compensate=undo_deed)
def do_deed(label: str) -> str:
    """The same as a ``def`` step."""
    began(label)
    effect(label)
    return label


@step(compensate=undo_at_last, retry=AGAIN)
async def do_at_last(label: str) -> str:
    """One that fails first, as its compensation does."""
    if began(label) == 1:
        raise Broken(label)
    effect(label)
    return label


@step(compensate=undo_with_steps)
async def do_with_steps(label: str) -> str:
    """One whose body has a step that is undone."""
    began(label)
    await do(f"{label} inside")
    effect(label)
    return label


@step(compensate=undo, key=lambda label: f"room/{label}")
async def do_by_key(label: str) -> str:
    """One with an explicit key."""
    began(label)
    effect(label)
    return label


async def hook(told: object) -> None:
    """The plain hook."""
    began("hook")
    await wiggle()
    effect("hook")


def hook_deed(told: object) -> None:
    """The same as a ``def`` function."""
    began("hook")
    effect("hook")


@step(retry=Retry(max_attempts=2, backoff=0.0))
async def broken_hook(told: object) -> None:
    """One that always fails."""
    began("hook")
    raise Broken("hook")


async def patient_hook(told: object) -> None:
    """One that has steps, and waits."""
    began("hook")
    await work("in a hook")
    await sleep(hours=1)
    effect("hook")


@task
async def saga() -> None:
    await do("a")
    await work("b")
    await do("c")
    raise NonRetryableError("the end")


@task(retry=Retry(max_attempts=2))
async def saga_that_is_tried_again() -> None:
    await do("a")
    try:
        await do_by_key("b")
        raise Broken("b")
    except Broken:
        await do("c")
        raise


@task
async def saga_of_branches() -> None:
    await gather(do("a"), do_at_last("b"), asyncio.to_thread(do_deed, "c"))
    raise NonRetryableError("the end")


@task
async def saga_of_bodies() -> None:
    await do_with_steps("a")
    await do_with_steps("b")
    raise NonRetryableError("the end")


@task
def saga_of_a_def_task() -> None:
    do_deed("a")
    deed("b")
    do_deed("c")
    raise NonRetryableError("the end")


@task(on_start=hook_deed, on_failure=hook, on_complete=hook_deed)
async def saga_with_hooks() -> None:
    await do("a")
    await do("b")
    raise NonRetryableError("the end")


@task(on_start=broken_hook, on_failure=broken_hook, on_complete=hook)
async def saga_with_broken_hooks() -> None:
    await do("a")
    raise NonRetryableError("the end")


@task(on_failure=patient_hook)
async def hooks_without_a_saga() -> None:
    await work("a")
    raise NonRetryableError("the end")


# --- no failure ------------------------------------------------------------------------------------------------------


@task(on_start=hook, on_success=hook_deed, on_failure=hook, on_complete=hook)
async def success_with_hooks() -> list[str]:
    return [await do("a"), await work("b")]


@task(on_cancel=hook_deed, on_complete=hook)
async def saga_that_waits() -> None:
    await do("a")
    do_deed("b")
    await wait_for_token(await create_token())
