"""The shapes of programs whose runs trigger others. Each is a task without input, but for the children."""

from __future__ import annotations

from typing import Any

from holdfast import Retry, batch_trigger_and_wait, gather, sleep, task, trigger, trigger_and_wait
from tests.crash.steps import deed, work


@task
async def child_works(label: str) -> str:
    return await work(f"{label} in a child")


@task(retry=Retry(max_attempts=1))
async def child_fails(label: str) -> str:
    await work(f"{label} before it fails")
    raise LookupError(label)


@task
async def child_has_a_child(label: str) -> str:
    before = await work(f"{label} before")
    return f"{before} {await trigger_and_wait(child_works, {'label': label})}"


@task
async def one_child() -> list[str]:
    return [await work("a"), await trigger_and_wait(child_works, {"label": "b"}), await work("c")]


@task
async def children_side_by_side() -> list[Any]:
    async def one(label: str) -> str:
        return f"{await trigger_and_wait(child_works, {'label': label})} {await work(label)}"

    return await gather(one("a"), one("b"), work("c"))


@task
async def batch() -> list[str]:
    ends = await batch_trigger_and_wait(child_works, [{"label": label} for label in "abc"])
    return [*(end.result() for end in ends), await work("d")]


@task
async def batch_with_a_failure() -> list[str]:
    ends = [
        *await batch_trigger_and_wait(child_works, [{"label": "a"}]),
        *await batch_trigger_and_wait(child_fails, [{"label": "b"}]),
    ]
    return [str(end.value) if end.error is None else end.error.error_message for end in ends]


@task
async def grandchildren() -> list[str]:
    return await gather(*(trigger_and_wait(child_has_a_child, {"label": label}) for label in "ab"))


@task
async def child_that_nobody_waits_for() -> int:
    child = await trigger(child_works, {"label": "later"})
    await sleep(hours=1)
    return len(child.name) - len(await work("a"))


@task
async def child_while_sleeping() -> list[Any]:
    return await gather(sleep(hours=1), trigger_and_wait(child_works, {"label": "a"}))


@task
def child_of_a_def_task() -> list[str]:
    return [deed("a"), trigger_and_wait.blocking(child_works, {"label": "b"}), deed("c")]
