"""The work queue: no key twice, none lost, none worked on by two at once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from holdfast_operator.kinds import TASK_RUNS, Key
from holdfast_operator.queue_metrics import QueueMetrics
from holdfast_operator.work_queue import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, STALE_DELAYS, WorkQueue
from tests.support.settable_clock import SettableClock

A = Key(TASK_RUNS, "shop", "a")
B = Key(TASK_RUNS, "shop", "b")


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def queue(clock: SettableClock, registry: CollectorRegistry) -> WorkQueue:
    return WorkQueue(QueueMetrics(registry, "resources"), clock)


async def test_a_key_that_is_added_twice_is_worked_on_once(queue: WorkQueue) -> None:
    queue.add(A)
    queue.add(A)
    queue.add(B)
    assert queue.depth == 2
    assert [await queue.get(), await queue.get()] == [A, B]


async def test_a_key_that_is_added_during_its_work_comes_again_when_that_is_done(queue: WorkQueue) -> None:
    queue.add(A)
    key = await queue.get()
    queue.add(A)
    queue.add(A)
    assert queue.depth == 0
    queue.done(key)
    assert queue.depth == 1
    assert await queue.get() == A
    queue.done(A)
    assert queue.depth == 0


async def test_who_waits_for_a_key_is_woken(queue: WorkQueue) -> None:
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(A)
    assert await waiting == A


async def test_a_delayed_key_comes_at_its_time(queue: WorkQueue, clock: SettableClock) -> None:
    queue.add_after(A, 10)
    clock.advance(9.9)
    assert queue.depth == 0
    clock.advance(0.2)
    assert queue.depth == 1


async def test_of_two_delays_the_shorter_counts(queue: WorkQueue, clock: SettableClock) -> None:
    queue.add_after(A, 10)
    queue.add_after(A, 2)
    queue.add_after(A, 20)
    clock.advance(2)
    assert queue.depth == 1
    await queue.get()
    queue.done(A)
    clock.advance(100)
    assert queue.depth == 0, "the longer delays were replaced"


async def test_one_alarm_is_set_at_most(queue: WorkQueue, clock: SettableClock) -> None:
    for seconds in (30, 20, 10, 25, 5):
        queue.add_after(Key(TASK_RUNS, "shop", str(seconds)), seconds)
        assert len(clock.pending) == 1
    for _ in range(5):
        clock.advance(10)
        assert len(clock.pending) <= 1
    assert queue.depth == 5


async def test_retries_come_later_each_time_until_the_key_is_forgotten(queue: WorkQueue, clock: SettableClock) -> None:
    delays = [queue.retry(A) for _ in range(20)]
    assert delays[0] == FIRST_RETRY_SECONDS
    assert delays[1] == 2 * delays[0]
    assert delays[-1] == LONGEST_RETRY_SECONDS
    queue.forget(A)
    assert queue.retry(A) == FIRST_RETRY_SECONDS


async def test_a_retry_waits_as_long_as_the_api_server_asked(queue: WorkQueue, clock: SettableClock) -> None:
    assert queue.retry(A, 7.0) == 7.0
    clock.advance(6.9)
    assert queue.depth == 0
    clock.advance(0.2)
    assert queue.depth == 1


async def test_it_tells_how_long_keys_wait_and_are_worked_on(
    queue: WorkQueue, clock: SettableClock, registry: CollectorRegistry
) -> None:
    assert queue.oldest_seconds == 0
    queue.add(A)
    clock.advance(3)
    queue.add(B)
    assert queue.oldest_seconds == 3
    await queue.get()
    assert queue.oldest_seconds == 0
    clock.advance(4)
    assert queue.oldest_seconds == 4
    assert queue.longest_work_seconds == 4
    queue.add(A)
    await queue.get()
    clock.advance(1)
    assert queue.longest_work_seconds == 5
    assert queue.unfinished_work_seconds == 6
    queue.done(A)
    assert queue.longest_work_seconds == 1
    labels = {"name": "resources"}
    assert registry.get_sample_value("workqueue_adds_total", labels) == 3
    assert registry.get_sample_value("workqueue_queue_duration_seconds_sum", labels) == 7
    assert registry.get_sample_value("workqueue_work_duration_seconds_sum", labels) == 5


@given(st.lists(st.tuples(st.sampled_from(["add", "after", "get", "done", "retry", "pass"]), st.integers(0, 3))))
async def test_whatever_happens_no_key_is_lost_or_worked_on_twice_at_once(steps: list[tuple[str, int]]) -> None:
    clock = SettableClock()
    queue = WorkQueue(QueueMetrics(CollectorRegistry(), "resources"), clock)
    wanted: set[Key] = set()
    working: list[Key] = []
    for step, number in steps:
        key = Key(TASK_RUNS, "shop", str(number))
        if step == "add":
            queue.add(key)
            wanted.add(key)
        elif step == "after":
            queue.add_after(key, number)
            wanted.add(key)
        elif step == "retry":
            queue.retry(key)
            wanted.add(key)
        elif step == "get" and queue.depth:
            taken = await queue.get()
            assert taken not in working
            working.append(taken)
            wanted.discard(taken)
        elif step == "done" and working:
            queue.done(working.pop(0))
        elif step == "pass":
            clock.advance(number)
    for key in working:
        queue.done(key)
    clock.advance(LONGEST_RETRY_SECONDS)
    came = [await queue.get() for _ in range(queue.depth)]
    assert len(set(came)) == len(came)
    assert wanted <= set(came)


async def test_a_look_is_also_the_one_that_was_to_come_later(queue: WorkQueue, clock: SettableClock) -> None:
    queue.add_after(A, 1.0)
    queue.add(A)
    queue.done(await queue.get())
    clock.advance(1.0)
    assert queue.depth == 0


async def test_what_is_asked_for_during_a_look_comes_after_it(queue: WorkQueue, clock: SettableClock) -> None:
    queue.add(A)
    key = await queue.get()
    queue.add_after(A, 1.0)
    queue.done(key)
    clock.advance(1.0)
    assert await queue.get() == A


async def test_delays_that_do_not_count_any_more_are_not_kept(queue: WorkQueue, clock: SettableClock) -> None:
    month_seconds = 30 * 86400.0
    for _ in range(3 * STALE_DELAYS):
        queue.add(A)
        await queue.get()
        queue.done(A)
        queue.add_after(A, month_seconds)
    assert len(queue._delayed) <= STALE_DELAYS + 2
    clock.advance(month_seconds)
    assert queue.depth == 1
