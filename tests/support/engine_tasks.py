"""Tasks that the tests of the engine run. They tell through the pipe `FIFO` where they are."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from holdfast import (
    NonRetryableError,
    RunEnd,
    create_token,
    run_info,
    run_script,
    step,
    task,
    trigger_and_wait,
    wait_for_token,
)


def tell(line: str) -> None:
    """Write a line to the test."""
    with open(os.environ["FIFO"], "w") as fifo:
        fifo.write(line + "\n")


@task
async def succeed() -> str:
    """Return at once."""
    return "done"


@step
async def first() -> int:
    """Tell that it runs."""
    tell("first step")
    return 1


@task
async def hold_once() -> int:
    """Record a step; then the first attempt waits for its end, and later ones return their number."""
    await first()
    attempt = run_info().attempt
    tell(f"{attempt} {os.getpid()}")
    if attempt == 1:
        await asyncio.Event().wait()
    return attempt


@task
async def wait_for_file() -> int:
    """Wait until the file ``GO`` exists, then return the number of the attempt."""
    await first()
    tell(f"{run_info().attempt} {os.getpid()}")
    while not os.path.exists(os.environ["GO"]):  # noqa: ASYNC110 - a file tells nobody that it was made
        await asyncio.sleep(0.01)
    return run_info().attempt


@task
async def wait_for_token_here() -> Any:
    """Tell which token it waits for, and return what that is completed with and the number of the attempt."""
    token = await create_token()
    tell(str(token))
    return [await wait_for_token(token), run_info().attempt]


@task
async def wait_for_child() -> Any:
    """Wait for a run of `succeed`."""
    return await trigger_and_wait(succeed, queue=run_info().queue)


@task
async def wait_for_a_child_that_holds() -> Any:
    """Wait for a run of `hold_once`, whose first attempt never ends."""
    return await trigger_and_wait(hold_once)


@task
async def never_await() -> None:
    """Hold the event loop for ever."""
    tell(f"{run_info().attempt} {os.getpid()}")
    while True:
        pass


@task
async def leave_without_a_word() -> None:
    """End the process as no task should."""
    print("about to leave", file=sys.stderr, flush=True)
    os._exit(9)


def give_back(what: str) -> None:
    """Tell that it is undone."""
    tell(f"{what} is back in attempt {run_info().attempt}")


@step(compensate=give_back)
async def take(what: str) -> str:
    """Something to be undone."""
    return what


async def hold_in_second(what: str) -> None:
    """Tell where it runs; the second attempt does not end."""
    attempt = run_info().attempt
    tell(f"{attempt} {os.getpid()}")
    if attempt == 2:
        await asyncio.Event().wait()


@step(compensate=hold_in_second)
async def take_for_long(what: str) -> str:
    """Something whose compensation is killed."""
    return what


def tell_end(end: RunEnd) -> None:
    """Tell how the run ends."""
    tell(f"{end.state} in attempt {run_info().attempt}")


@task(on_complete=tell_end)
async def take_and_hold() -> None:
    """Take something; then the attempt never ends."""
    await take("the key")
    await first()
    await asyncio.Event().wait()


@task
async def take_and_swallow() -> None:
    """The same, and nobody gets it to end."""
    await take("the key")
    while True:
        try:
            await first()
            await asyncio.Event().wait()
        except:  # noqa: E722  # the worst there is
            tell("swallowed")


@task
async def take_and_fail() -> None:
    """Take two things, and fail for good."""
    await take("the key")
    await take_for_long("the car")
    raise NonRetryableError("no petrol")


@task(on_failure=tell_end)
async def leave_with_a_hook() -> None:
    """End the process as no task should, with a hook."""
    os._exit(9)


@step
async def say(word: str) -> str:
    """A step of the task itself."""
    return word


@task
async def run_a_script() -> list[str]:
    """A script between two steps."""
    before = await say("before")
    await run_script(["sh", "-c", os.environ["SCRIPT"]])
    return [before, await say("after")]
