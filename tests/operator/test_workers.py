"""Workers: what they do with keys whose work succeeds, fails, hangs, or is under way when they are stopped."""

from __future__ import annotations

import asyncio
import logging

import pytest

from holdfast.domain.errors import UnavailableError
from holdfast_operator.kinds import TASK_RUNS, Key
from holdfast_operator.kube_errors import Throttled, Unavailable
from holdfast_operator.metrics import Metrics
from holdfast_operator.work_queue import WorkQueue
from holdfast_operator.worker import Reconcile, Workers

A = Key(TASK_RUNS, "shop", "a")
B = Key(TASK_RUNS, "shop", "b")


def workers(
    queue: WorkQueue, metrics: Metrics, reconcile: Reconcile, count: int = 4, timeout_seconds: float = 60
) -> Workers:
    return Workers(queue, {TASK_RUNS: reconcile}, metrics, count=count, timeout_seconds=timeout_seconds)


async def test_keys_are_worked_on_at_the_same_time_and_one_key_by_one_worker() -> None:
    metrics = Metrics()
    queue = WorkQueue(metrics.work_queue)
    both = asyncio.Barrier(3)
    working: list[Key] = []

    async def reconcile(key: Key) -> None:
        assert key not in working
        working.append(key)
        await both.wait()
        working.remove(key)

    at_work = workers(queue, metrics, reconcile)
    at_work.start()
    queue.add(A)
    queue.add(B)
    queue.add(A)
    await both.wait()
    await at_work.stop()
    assert queue.depth == 0


async def test_a_failure_is_tried_again_until_it_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    queue = WorkQueue(metrics.work_queue)
    tries = 0
    succeeded = asyncio.Event()

    async def reconcile(key: Key) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ZeroDivisionError("one of those days")
        succeeded.set()

    at_work = workers(queue, metrics, reconcile)
    at_work.start()
    queue.add(A)
    await succeeded.wait()
    await at_work.stop()
    labels = {"kind": "TaskRun", "reason": "ZeroDivisionError"}
    assert metrics.registry.get_sample_value("holdfast_reconcile_errors_total", labels) == 2
    assert "TaskRun shop/a failed; it is tried again in 0.1 s" in caplog.text


async def test_who_asks_to_look_again_is_looked_at_again() -> None:
    metrics = Metrics()
    queue = WorkQueue(metrics.work_queue)
    seen = asyncio.Queue[Key]()

    async def reconcile(key: Key) -> float | None:
        seen.put_nowait(key)
        return 0.01 if seen.qsize() < 3 else None

    at_work = workers(queue, metrics, reconcile)
    at_work.start()
    queue.add(A)
    assert [await seen.get() for _ in range(3)] == [A, A, A]
    await at_work.stop()


async def test_work_that_hangs_is_given_up_and_tried_again() -> None:
    metrics = Metrics()
    queue = WorkQueue(metrics.work_queue)
    second = asyncio.Event()
    tries = 0

    async def reconcile(key: Key) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await asyncio.Event().wait()
        second.set()

    at_work = workers(queue, metrics, reconcile, timeout_seconds=0.01)
    at_work.start()
    queue.add(A)
    await second.wait()
    await at_work.stop()
    labels = {"kind": "TaskRun", "reason": "TimeoutError"}
    assert metrics.registry.get_sample_value("holdfast_reconcile_errors_total", labels) == 1


@pytest.mark.parametrize(
    "outage",
    [
        Unavailable(0, "Unreachable", "the Kubernetes API cannot be reached"),
        UnavailableError("the database cannot be reached"),
    ],
)
async def test_an_outage_is_told_once(outage: Exception, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    queue = WorkQueue(metrics.work_queue)
    all_tried = asyncio.Barrier(3)

    async def reconcile(key: Key) -> None:
        await all_tried.wait()
        raise outage

    at_work = workers(queue, metrics, reconcile)
    with caplog.at_level(logging.INFO):
        at_work.start()
        queue.add(A)
        queue.add(B)
        await all_tried.wait()
        await at_work.stop()
    assert caplog.text.count("cannot be reached") == 1


async def test_a_throttled_key_waits_as_long_as_it_was_asked_to() -> None:
    metrics = Metrics()
    queue = WorkQueue(metrics.work_queue)
    tried = asyncio.Event()

    async def reconcile(key: Key) -> None:
        tried.set()
        raise Throttled(429, "TooManyRequests", "later", 3600)

    at_work = workers(queue, metrics, reconcile)
    at_work.start()
    queue.add(A)
    await tried.wait()
    await at_work.stop()
    assert queue._due[A] > asyncio.get_running_loop().time() + 3000


async def test_stop_lets_the_work_under_way_end() -> None:
    metrics = Metrics()
    queue = WorkQueue(metrics.work_queue)
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended: list[Key] = []

    async def reconcile(key: Key) -> None:
        begun.set()
        await go_on.wait()
        ended.append(key)

    at_work = workers(queue, metrics, reconcile, count=1)
    at_work.start()
    queue.add(A)
    queue.add(B)
    await begun.wait()
    stopping = asyncio.create_task(at_work.stop())
    await asyncio.sleep(0)
    go_on.set()
    await stopping
    assert ended == [A]
    assert queue.depth == 1, "the other key was not taken"
