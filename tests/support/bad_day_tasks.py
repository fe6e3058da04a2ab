"""Tasks that have a bad day. They say where they are, and wait for a line from the test where it matters."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from string import ascii_letters

from holdfast import RunCanceled, now, sleep, step, task


async def told(place: str) -> str:
    """Say where we are and wait until the test says something."""
    print(f"at {place}", flush=True)
    return (await asyncio.to_thread(sys.stdin.readline)).strip()


@step
async def wait_in_step(place: str) -> str:
    return await told(place)


@step
async def say(text: str) -> str:
    print(f"executed {text}", flush=True)
    return text


@task
async def three_steps() -> list[str]:
    """The second one waits for the test."""
    return [await say("first"), await wait_in_step("second"), await say("third")]


@task
async def waits_between_steps() -> str:
    await say("first")
    await told("between")
    return await say("last")


@step
async def stays_busy(place: str) -> str:
    """Blocks the event loop until the test says something."""
    print(f"at {place}", flush=True)
    return sys.stdin.readline().strip()


@task
async def never_awaits() -> str:
    return await stays_busy("busy")


@task
async def spins() -> int:
    """Busy in Python itself, with the interpreter's lock in hand, until the clock of the machine says enough."""
    print("at spinning", flush=True)
    end = time.monotonic() + 3600
    turns = 0
    while time.monotonic() < end:
        turns += 1
    return turns


@step
def blocks(place: str) -> str:
    print(f"at {place}", flush=True)
    return sys.stdin.readline().strip()


@task
def in_a_thread() -> list[str]:
    return [blocks("second"), blocks("third")]


@task
def deaf_thread() -> None:
    """A thread cannot be interrupted, and this one would not care."""
    print("at deaf", flush=True)
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            print("swallowed", flush=True)


@task
async def swallows_all() -> None:
    """Calls a step again and again, whatever is raised."""
    print("at swallowing", flush=True)
    while True:
        with suppress(BaseException):
            await wait_in_step("step")


@task
async def sleeps_deaf() -> None:
    """Goes on sleeping when it is canceled."""
    print("at sleeping", flush=True)
    while True:
        try:
            await asyncio.sleep(3600)
        except BaseException:
            print("swallowed", flush=True)


@task
async def cleans_up() -> str:
    try:
        return await wait_in_step("work")
    except RunCanceled:
        print("cleaning up", flush=True)
        raise


@task
async def naps(seconds: float) -> list[str]:
    began = now()
    await sleep(seconds)
    return [began.isoformat(), now().isoformat()]


@task
async def waits_at_the_end() -> str:
    await say("first")
    return await told("end")


@task
async def many_steps(count: int) -> int:
    """Records all the time; the test does what it does in the middle of it."""
    total = 0
    for number in range(count):
        total += await add(total, number)
    return total


@step
async def add(total: int, number: int) -> int:
    if number == 10:
        print("at ten", flush=True)
    return number


@step
async def large(characters: int) -> str:
    """A result that Postgres can hardly compress."""
    await told("large")
    return "".join(Random(1).choices(ascii_letters, k=characters))


@task
async def one_large_step() -> int:
    return len(await large(200_000))


@task
async def def_steps_on_the_loop() -> list[str]:
    return [blocks("second"), blocks("third")]


@task
async def looks_at_clocks(sleep_seconds: float) -> dict[str, str]:
    recorded = now()
    print(f"the machine says {datetime.now(UTC).isoformat()} {time.time():.0f}", flush=True)
    await sleep(sleep_seconds)
    await told("the clock")
    return {"before": recorded.isoformat(), "after": now().isoformat()}
