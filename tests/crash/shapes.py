"""The shapes of programs that the crash corpus covers, asynchronous ones. Each is a task without input.

What a task returns must not depend on which of its branches was faster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from holdfast import Retry, checkpoint, gather, now, random, run_info, sleep, task, uuid4
from tests.crash.steps import (
    Broken,
    broken,
    broken_until,
    deed,
    endless,
    endless_first,
    flaky,
    flaky_outer,
    keyed,
    large,
    large_deed,
    outer,
    work,
)

MOMENT_SECONDS = 0.02
"""Long enough for a timeout to be one."""

LONG_SECONDS = 600.0
"""Never reached."""

ATTEMPTS = Retry(max_attempts=5, backoff=1.0)


# --- one after the other ---------------------------------------------------------------------------------------------


@task
async def sequence() -> list[str]:
    return [await work("a"), await work("b"), await work("c")]


@task
async def loop() -> list[str]:
    return [await work(f"round {number}") for number in range(5)]


@task
async def nested() -> list[Any]:
    return [await outer("x"), await work("y"), await outer("z")]


@task
async def def_steps() -> list[str]:
    return [deed("a"), await work("b"), deed("c"), deed("d")]


@task
async def in_threads() -> list[str]:
    first = await asyncio.to_thread(deed, "a")
    both = await asyncio.gather(asyncio.to_thread(deed, "b"), asyncio.to_thread(deed, "c"))
    return [first, *both, await work("d")]


@task
async def context_manager() -> list[str]:
    done: list[str] = []

    @asynccontextmanager
    async def rented(label: str) -> AsyncIterator[str]:
        yield await work(f"rent {label}")
        done.append(await work(f"return {label}"))

    async with rented("a") as a, rented("b") as b:
        done.append(await work(f"use {a} {b}"))
    return done


# --- side by side ----------------------------------------------------------------------------------------------------


@task
async def asyncio_gather() -> list[Any]:
    return [*await asyncio.gather(work("a"), work("b"), work("c")), await work("d")]


@task
async def holdfast_gather() -> list[Any]:
    return [*await gather(work("same"), work("same"), work("same")), await work("d")]


@task
async def gather_in_gather() -> list[Any]:
    async def pair(label: str) -> list[str]:
        return list(await asyncio.gather(work(f"{label}1"), work(f"{label}2")))

    return list(await asyncio.gather(pair("a"), pair("b"), outer("c")))


@task
async def task_group() -> list[str]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(two_steps(label)) for label in "abc"]
    return [*(each.result() for each in tasks), await work("d")]


@task
async def group_in_group() -> list[str]:
    async def inner(label: str) -> str:
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(work(f"{label}{number}")) for number in range(2)]
        return " ".join(each.result() for each in both)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(inner(label)) for label in "ab"]
    return [each.result() for each in tasks]


@task
async def semaphore() -> list[str]:
    gate = asyncio.Semaphore(2)

    async def through(label: str) -> str:
        async with gate:
            return await two_steps(label)

    return list(await asyncio.gather(*(through(label) for label in "abcd")))


@task
async def started_before_awaited() -> list[str]:
    later = asyncio.create_task(two_steps("later"))
    first = await work("first")
    second = await work("second")
    return [first, second, await later]


@task
async def shielded() -> list[str]:
    return [await asyncio.shield(work("a")), await asyncio.shield(two_steps("b"))]


@task
async def values_from_failures() -> list[str]:
    found = await asyncio.gather(work("a"), broken("b"), work("c"), broken("d"), return_exceptions=True)
    return [repr(each) for each in found]


# --- who is first ----------------------------------------------------------------------------------------------------


@task
async def as_completed() -> list[str]:
    seen = []
    for earliest in asyncio.as_completed([two_steps(label) for label in "abcd"]):
        label = await earliest
        seen.append(await work(f"saw {label}"))
    return sorted(seen)


@task
async def first_completed() -> list[str]:
    pending = {asyncio.create_task(two_steps(label)) for label in "abc"}
    seen = []
    more = iter("de")
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for each in sorted(done, key=lambda task: task.result()):
            seen.append(await work(f"saw {each.result()}"))
            pending |= {asyncio.create_task(two_steps(label)) for label in [next(more, None)] if label}
    return sorted(seen)


@task
async def counted_completions() -> list[str]:
    """How many are done when the first is seen is part of the program, too."""
    pending = {asyncio.create_task(work(label)) for label in "abcdef"}
    seen: list[str] = []
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        names = sorted(each.result() for each in done)
        await work(f"{len(names)} more: {names}")
        seen += names
    return sorted(seen)


@task
async def callbacks() -> list[str]:
    """A library that starts the next task when one is done."""
    results: list[str] = []
    over = asyncio.get_running_loop().create_future()
    left = ["c", "d", "e"]

    def start(label: str) -> None:
        asyncio.create_task(two_steps(label)).add_done_callback(ended)

    def ended(done: asyncio.Task[str]) -> None:
        results.append(done.result())
        if left:
            start(left.pop(0))
        elif len(results) == 5:
            over.set_result(None)

    start("a")
    start("b")
    await over
    return sorted(results)


@task
async def race() -> list[str]:
    winner = asyncio.create_task(work("winner"))
    loser = asyncio.create_task(endless("loser"))
    await asyncio.wait([winner, loser], return_when=asyncio.FIRST_COMPLETED)
    loser.cancel()
    await asyncio.wait([loser])
    return [winner.result(), await work("after")]


@task
async def keyed_workers() -> list[str]:
    """Workers that take from one queue: which of them gets what is not fixed, so the steps have keys."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    for label in "abcdef":
        queue.put_nowait(label)
    done: list[str] = []

    async def worker() -> None:
        while not queue.empty():
            done.append(await keyed(queue.get_nowait()))

    await asyncio.gather(worker(), worker(), worker())
    return sorted(done)


# --- within a time ---------------------------------------------------------------------------------------------------


@task
async def wait_for() -> list[str]:
    first = await asyncio.wait_for(work("a"), LONG_SECONDS)
    second = await asyncio.wait_for(two_steps("b"), LONG_SECONDS)
    return [first, second, await work("c")]


@task
async def wait_for_in_vain() -> list[str]:
    try:
        await asyncio.wait_for(endless("a"), MOMENT_SECONDS)
    except TimeoutError:
        return [await work("instead"), await work("after")]
    return []


@task
async def timeout() -> list[str]:
    async with asyncio.timeout(LONG_SECONDS):
        return [await work("a"), *await asyncio.gather(work("b"), work("c"))]


@task
async def timeout_in_vain() -> list[str]:
    found = [await work("before")]
    try:
        async with asyncio.timeout(MOMENT_SECONDS):
            await asyncio.gather(endless("a"), endless("b"))
    except TimeoutError:
        found.append(await work("instead"))
    return [*found, await work("after")]


@task
async def timeouts_side_by_side() -> list[str]:
    async def patient(label: str) -> str:
        try:
            return await asyncio.wait_for(endless(label), MOMENT_SECONDS)
        except TimeoutError:
            return await work(f"instead of {label}")

    return list(await asyncio.gather(patient("a"), two_steps("b"), patient("c")))


# --- what fails ------------------------------------------------------------------------------------------------------


@task
async def caught() -> list[str]:
    found = [await work("a")]
    try:
        found.append(await broken("b"))
    except Broken as error:
        found.append(await work(f"instead of {error}"))
    finally:
        found.append(await work("finally"))
    return [*found, await work("c")]


@task
async def caught_group() -> list[str]:
    found: list[str] = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(broken("a"))
            group.create_task(cleaning_up(found))
    except* Broken as errors:
        found += [str(error) for error in errors.exceptions]
    return [*sorted(found), await work("after")]


@task
async def caught_gather() -> list[str]:
    found: list[str] = []
    try:
        await gather(work("a"), broken("b"), cleaning_up(found))
    except Broken as error:
        found.append(str(error))
    return [*sorted(found), await work("after")]


@task
async def retried_steps() -> list[Any]:
    return [await flaky("a", 2), await work("b"), *await asyncio.gather(flaky("c", 1), flaky("d", 3))]


@task
async def retried_outer_step() -> list[Any]:
    return [await flaky_outer("a", 2), await work("b")]


@task(retry=ATTEMPTS)
async def next_attempt() -> list[str]:
    """A failed step ends the attempt; the next one executes it again, and no other."""
    return [await work("a"), await broken_until("b", 2), await work("c")]


@task(retry=ATTEMPTS)
async def next_attempt_after_compensation() -> list[str]:
    """What was recorded between the failure and the end of the attempt is not asked for again."""
    done = [await work("a")]
    try:
        done.append(await broken_until("b", 1))
    except Broken:
        await work("undo a")
        await work("undo more")
        raise
    return [*done, await work("c"), await work("d")]


@task(retry=ATTEMPTS)
async def next_attempt_of_group() -> list[str]:
    """A sibling that was canceled because of the failure is executed by the next attempt."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(broken_until("a", 1)), group.create_task(two_steps("b"))]
        tasks.append(group.create_task(endless_first("c")))
    return [*(each.result() for each in tasks), await work("d")]


@task(retry=ATTEMPTS)
async def next_attempt_of_gather() -> list[str]:
    return [*await gather(broken_until("a", 1), endless_first("b"), work("c")), await work("d")]


@task(retry=ATTEMPTS)
async def next_attempt_cleans_up() -> list[str]:
    """A canceled sibling records steps on its way out."""

    async def tidy(label: str) -> str:
        try:
            return await endless_first(label)
        finally:
            await work(f"tidy {label}")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(broken_until("a", 1)), group.create_task(tidy("b"))]
    return [*(each.result() for each in tasks), await work("d")]


@task(retry=ATTEMPTS)
async def next_attempt_after_timeout() -> list[str]:
    """A call that ran into a timeout which ended the attempt is made again."""
    return [await work("a"), await asyncio.wait_for(endless_first("b"), 10 * MOMENT_SECONDS), await work("c")]


@task(retry=ATTEMPTS)
async def next_attempt_of_plain_failure() -> list[str]:
    """The attempt fails outside of any step."""
    done = [await work("a")]
    if run_info().attempt == 1:
        raise Broken("plain")
    return [*done, await work("b")]


@task(retry=ATTEMPTS)
async def next_attempt_of_plain_group() -> list[str]:
    """A sibling is canceled because of a failure outside of any step."""

    async def plain() -> str:
        await asyncio.sleep(0.01)
        if run_info().attempt == 1:
            raise Broken("plain")
        return "plain"

    async def tidy() -> str:
        try:
            return await endless_first("b")
        finally:
            await work("tidy")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(plain()), group.create_task(tidy()), group.create_task(endless_first("c"))]
    return [*(each.result() for each in tasks), await work("d")]


# --- what passes between steps ---------------------------------------------------------------------------------------


@task
async def recorded_values() -> list[Any]:
    moment = now()
    draw = random()
    name = uuid4()
    kept = checkpoint("kept", {"draw": draw})
    first = await work(f"{moment} {draw} {name}")
    again = now()
    second = await work(f"{again} {kept['draw']} {random()}")
    return [first == f"done {moment} {draw} {name}", second.startswith(f"done {again} {draw}"), again >= moment]


@task
async def values_side_by_side() -> list[bool]:
    async def one(label: str) -> bool:
        draw = random()
        found = await work(f"{label} {draw}")
        return found == f"done {label} {draw}" and await work(f"{now()}") != ""

    return list(await asyncio.gather(one("a"), one("b"), one("c")))


@task
async def sleeping() -> list[str]:
    first = await work("a")
    await sleep(hours=5)
    second = await work("b")
    await sleep(days=2)
    return [first, second]


@task
async def sleeping_side_by_side() -> list[str]:
    async def late(label: str, hours: float) -> str:
        before = await work(f"{label} before")
        await sleep(hours=hours)
        return f"{before}, {await work(f'{label} after')}"

    return list(await asyncio.gather(late("a", 1), late("b", 7), two_steps("c"), late("d", 3)))


@task
async def working_while_sleeping() -> list[str]:
    reminder = asyncio.create_task(sleep(hours=1))
    found = [await work(f"meanwhile {number}") for number in range(3)]
    await reminder
    return [*found, await work("after")]


@task
async def sleeping_in_vain() -> list[str]:
    try:
        await asyncio.wait_for(sleep(hours=1), MOMENT_SECONDS)
    except TimeoutError:
        return [await work("instead")]
    return []


@task
async def large_results() -> list[int]:
    size = 70_000
    a = await large("a", size)
    b = large_deed("ä", size)
    both = await asyncio.gather(large("c", size), large("d", size))
    return [len(a), len(b), *(len(each) for each in both), len(await work(f"{a[0]}{b[0]}"))]


@task
async def large_in_order() -> list[str]:
    """A result that has to be fetched must not lose its place among those that need not."""

    async def one(label: str, size: int) -> str:
        return (await large(label, size))[0]

    seen = []
    for earliest in asyncio.as_completed([one("a", 80_000), one("b", 1), one("c", 80_000), one("d", 1)]):
        label = await earliest
        seen.append(await work(f"saw {label} as number {len(seen)}"))
    return sorted(text.split()[2] for text in seen)


@task
async def any_text() -> list[str]:
    return [await work("nul \0 and"), await work("käse 🧀 \u2028 \x7f"), deed("\ud83d\ude00 'quoted\" \\")]


# --- shared ----------------------------------------------------------------------------------------------------------


async def two_steps(label: str) -> str:
    return f"{await work(f'{label}1')} {await work(f'{label}2')}"


async def cleaning_up(found: list[str]) -> None:
    try:
        await endless("never")
    finally:
        found.append(await work("clean"))
