"""Tasks that have a bad day in a pod. They tell the test where they are, and go on when it answers."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from holdfast import batch_trigger_and_wait, create_token, run_info, step, task, wait_for_token

#: host:port of the test's `Witness`.
WITNESS = "WITNESS"


async def tell(place: str) -> None:
    """Say where we are, and wait for the answer."""
    host, port = os.environ[WITNESS].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    run = run_info()
    writer.write(json.dumps([run.name, run.attempt, place]).encode() + b"\n")
    answer = await reader.readline()
    writer.close()
    if not answer:
        raise ConnectionError("the test hung up")


@step
async def visit(place: str) -> str:
    """Returns what is recorded: which attempt was there."""
    await tell(place)
    return f"{place} in attempt {run_info().attempt}"


@step
async def visit_slowly(place: str, pause_seconds: float) -> str:
    await tell(place)
    await asyncio.sleep(pause_seconds)
    return f"{place} in attempt {run_info().attempt}"


@task
async def three_steps() -> list[str]:
    return [await visit("first"), await visit("second"), await visit("third")]


@task
async def many_steps(count: int, pause_seconds: float) -> list[str]:
    """Records for about ``count`` times ``pause_seconds``."""
    return [await visit_slowly(str(number), pause_seconds) for number in range(count)]


@task
async def asks() -> list[str]:
    """Waits until somebody completes its token."""
    token = await create_token(tags=["approval"])
    return [await visit("before"), str(await wait_for_token(token)), await visit("after")]


@task
async def visits(place: str) -> str:
    return await visit(place)


@task
async def has_children() -> list[str]:
    """Waits for two runs, each in a pod of its own."""
    ends = await batch_trigger_and_wait(visits, [{"place": "here"}, {"place": "there"}])
    return [end.result() for end in ends]


@task
async def does_nothing() -> None:
    pass


@task
async def leaves(code: int) -> None:
    """Ends its process without a word to anybody."""
    os._exit(code)


@task
async def hungry() -> int:
    """Uses more memory than a pod of a test has."""
    return sum(bytearray(1 << 30))


@task
async def has_a_hungry_child() -> None:
    """Only the child uses too much; this process lives on, and ends with a code of its own."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "sum(bytearray(1 << 30))")
    await child.wait()
    os._exit(3)
