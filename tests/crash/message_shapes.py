"""The shapes of programs that send, receive, publish and race. Each is a task without input, but for the children.

Behind the last signal two of them ask for another one for an hour: what was sent twice, or came back, would be seen.
"""

from __future__ import annotations

from typing import Any

from holdfast import (
    create_token,
    first_of,
    gather,
    publish_event,
    receive,
    run_info,
    send,
    sleep,
    task,
    trigger,
    wait_for_event,
    wait_for_token,
)
from tests.crash.steps import deed, work


def _myself() -> str:
    return str(run_info().run_id)


async def _is_silent(name: str) -> bool:
    index, _ = await first_of(receive(name), sleep(hours=1))
    return index == 1


@task
async def child_sends(to: str, label: str) -> None:
    await send(to, label, await work(f"{label} in a child"))
    await work(f"{label} behind it")


@task
async def child_publishes(about: str) -> None:
    await publish_event("done", {"about": about, "what": await work("in a child")}, key=about)
    await work("behind it")


@task
async def signals_to_oneself() -> list[Any]:
    for label in "ab":
        await send(_myself(), "note", await work(label))
    taken = [await receive("note"), await work("between"), await receive("note")]
    return [*taken, await _is_silent("note"), await work("last")]


@task
async def signals_of_children() -> list[Any]:
    for label in "ab":
        await trigger(child_sends, {"to": _myself(), "label": label})
    taken = await gather(receive("a"), receive("b"), work("meanwhile"))
    return [*taken, await work("last")]


@task
async def receivers_side_by_side() -> list[Any]:
    async def take(label: str) -> list[Any]:
        return [await receive(label), await work(f"behind {label}")]

    async def tell() -> list[Any]:
        for label in "abc":
            await send(_myself(), label, label)
        return [await work("told")]

    return [*await gather(take("a"), take("b"), take("c"), tell()), await work("last")]


@task
async def event_of_a_child() -> list[Any]:
    await trigger(child_publishes, {"about": _myself()})
    seen = await wait_for_event("done", match={"about": _myself()}, look_back=86_400)
    return [seen["what"], await work("last")]


@task
async def event_to_oneself() -> list[Any]:
    async def publish() -> str:
        await publish_event("step", {"of": _myself(), "n": 1})
        return await work("published")

    async def wait() -> list[Any]:
        seen = await wait_for_event("step", match={"of": _myself(), "n": 1}, look_back=86_400, timeout=7200)
        return [seen["n"], await work("seen")]

    return [*await gather(publish(), wait()), await work("last")]


@task
async def first_is_a_signal() -> list[Any]:
    await send(_myself(), "go", 1)
    won = await first_of(sleep(hours=1), receive("go"))
    return [*won, await work("a"), await _is_silent("go"), await work("last")]


@task
async def first_is_the_time() -> list[Any]:
    token = await create_token()
    index, _ = await first_of(receive("never"), wait_for_token(token), sleep(hours=1))
    await send(_myself(), "never", "after all")
    return [index, await work("a"), await receive("never"), await work("last")]


@task
async def first_is_a_step() -> list[Any]:
    async def two(label: str) -> str:
        return f"{await work(f'{label} one')} {await work(f'{label} two')}"

    index, _ = await first_of(receive("never"), two("a"), sleep(hours=1))
    return [index, await work("last")]


@task
def signals_of_a_def_task() -> list[Any]:
    me = _myself()
    send.blocking(me, "note", deed("a"))
    publish_event.blocking("step", {"of": me, "n": 2})
    seen = wait_for_event.blocking("step", match={"of": me}, look_back=86_400)
    return [receive.blocking("note"), seen["n"], deed("last")]
