"""What a parked run waits for can be seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from holdfast import create_token, first_of, receive, task, trigger_and_wait, wait_for_event, wait_for_token
from holdfast.cli.run_page import run_page
from holdfast.testing import TaskEnvironment
from holdfast.testing.environment import NAMESPACE
from holdfast_engine.control.plane import ControlPlane
from tests.support.databases import Database


@task(name="task-that-is-waited-for")
async def answer_later() -> None:
    await receive("answer")


@task(name="task-that-waits-for-everything")
async def wait_for_everything() -> None:
    await asyncio.gather(
        wait_for_token(await create_token()),
        trigger_and_wait(answer_later, name="the-child"),
        first_of(receive("go"), receive("stop")),
        wait_for_event("paid"),
    )


@pytest.fixture
async def plane(database: Database) -> AsyncIterator[ControlPlane]:
    async with asyncpg.create_pool(database.dsn, min_size=1, max_size=1) as pool:
        yield ControlPlane(pool, NAMESPACE)


async def test_each_kind_of_wait_is_shown_until_it_is_over(env: TaskEnvironment, plane: ControlPlane) -> None:
    waiting = await env.run(wait_for_everything)
    assert waiting.state == "Waiting", waiting.message
    (token,) = await env.open_tokens(waiting)
    detail = await plane.get(waiting.run_id)
    assert set(detail.waits_for) == {f"token {token}", "run the-child", "signal go", "signal stop", "event paid"}
    assert f"waits for:  {', '.join(detail.waits_for)}" in run_page(detail, [])

    await env.send(waiting, "go", None)
    await env.publish_event("paid", None)
    waiting = await env.go_on(waiting, wait_for_everything)
    detail = await plane.get(waiting.run_id)
    assert set(detail.waits_for) == {f"token {token}", "run the-child"}

    await plane.cancel(waiting.run_id)
    detail = await plane.get(waiting.run_id)
    assert (detail.state, detail.waits_for) == ("Canceled", ())
    assert "waits for:" not in run_page(detail, [])
