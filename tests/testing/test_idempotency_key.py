"""The key that a step's body passes to services: its own, and the same whenever it is executed."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import BranchError, Retry, idempotency_key, step, task
from holdfast.testing import FaultPoint, TaskEnvironment

seen: list[str] = []


@step(retry=Retry(max_attempts=2, backoff=0))
async def request_twice(item: str) -> str:
    seen.append(idempotency_key())
    if len(seen) % 2:
        raise ConnectionError("the first try of each attempt")
    return idempotency_key()


@step
def request_in_a_thread(item: str) -> str:
    return idempotency_key()


@task(name="task-of-idempotency-keys")
async def make_requests() -> list[str]:
    first = await request_twice("a")
    both = await asyncio.gather(
        asyncio.to_thread(request_in_a_thread, "b"), asyncio.to_thread(request_in_a_thread, "c")
    )
    return [first, *both]


async def test_it_is_the_same_in_every_try_and_attempt_and_no_other_steps(env: TaskEnvironment) -> None:
    seen.clear()
    env.crash_at(FaultPoint.AFTER_BODY, step="request_twice")
    run = await env.run(make_requests)
    assert run.state == "Succeeded", run.message
    assert seen == [run.result[0]] * 4
    assert len(set(run.result)) == 3
    assert all(key.startswith(f"{run.run_id}:0") for key in run.result)


async def test_two_runs_have_different_keys(env: TaskEnvironment) -> None:
    seen.clear()
    first, second = await env.run(make_requests), await env.run(make_requests)
    assert set(first.result) & set(second.result) == set()


def test_without_a_run_there_is_none() -> None:
    with pytest.raises(BranchError, match=r"idempotency_key\(\) needs a run"):
        idempotency_key()
