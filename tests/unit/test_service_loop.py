"""When a service runs: start, stop, wakes, intervals, failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from holdfast_engine.service_loop import PassReport, Service, ServiceLoop


class Counter:
    """A service that counts its passes and does as it is told."""

    name = "counter"

    def __init__(self) -> None:
        self.passes = 0
        self.body: Callable[[], PassReport] = PassReport

    async def run_once(self) -> PassReport:
        self.passes += 1
        return self.body()


class Passes:
    """What the loop reported; `next` waits for one more."""

    def __init__(self) -> None:
        self._reports: asyncio.Queue[PassReport | Exception] = asyncio.Queue()

    def note(self, service: Service, report: PassReport | Exception) -> None:
        self._reports.put_nowait(report)

    async def next(self) -> PassReport | Exception:
        return await self._reports.get()

    @property
    def waiting(self) -> int:
        return self._reports.qsize()


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def passes() -> Passes:
    return Passes()


@pytest.fixture
async def loop(counter: Counter, passes: Passes) -> AsyncIterator[ServiceLoop]:
    loop = ServiceLoop(counter, 3600, passes.note)
    yield loop
    await loop.stop()


async def test_runs_at_the_start_and_at_each_wake(loop: ServiceLoop, passes: Passes, counter: Counter) -> None:
    loop.start()
    loop.start()  # a second time: nothing
    for expected in range(1, 4):
        await passes.next()
        assert counter.passes == expected
        loop.wake()


async def test_a_wake_during_a_pass_is_not_lost(loop: ServiceLoop, passes: Passes, counter: Counter) -> None:
    def wake_once() -> PassReport:
        counter.body = PassReport
        loop.wake()
        return PassReport()

    counter.body = wake_once
    loop.start()
    await passes.next()
    await passes.next()
    assert counter.passes == 2


async def test_runs_again_at_once_while_there_is_more(loop: ServiceLoop, passes: Passes, counter: Counter) -> None:
    counter.body = lambda: PassReport(changed=1, again_seconds=0 if counter.passes < 5 else None)
    loop.start()
    for _ in range(5):
        await passes.next()
    await asyncio.sleep(0)
    assert (counter.passes, passes.waiting) == (5, 0)


async def test_runs_again_when_the_service_says(loop: ServiceLoop, passes: Passes, counter: Counter) -> None:
    counter.body = lambda: PassReport(again_seconds=0.01)
    loop.start()
    await passes.next()
    await passes.next()


async def test_a_bug_is_logged_with_its_traceback_and_tried_again(
    loop: ServiceLoop, passes: Passes, counter: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_once() -> PassReport:
        counter.body = PassReport
        raise ZeroDivisionError("a bug")

    counter.body = fail_once
    loop.start()
    assert isinstance(await passes.next(), ZeroDivisionError)
    assert isinstance(await passes.next(), PassReport)
    (record,) = caplog.records
    assert "counter failed" in record.message
    assert record.exc_info is not None


async def test_wakes_do_not_make_a_failing_service_spin(loop: ServiceLoop, passes: Passes, counter: Counter) -> None:
    def fail() -> PassReport:
        raise ZeroDivisionError("a bug")

    counter.body = fail
    loop.start()
    await passes.next()
    for _ in range(100):
        loop.wake()
        await asyncio.sleep(0)
    assert counter.passes == 1


async def test_an_outage_is_told_once_and_its_end_too(
    loop: ServiceLoop, passes: Passes, counter: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    def be_out() -> PassReport:
        if counter.passes < 4:
            raise ConnectionRefusedError("no server")
        return PassReport()

    counter.body = be_out
    with caplog.at_level(logging.INFO):
        loop.start()
        for _ in range(4):
            await passes.next()
            loop.wake()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "away (no server)" in caplog.records[0].message
    assert "back" in caplog.records[1].message


async def test_stop_waits_for_the_pass_under_way(counter: Counter, passes: Passes) -> None:
    entered, may_leave = asyncio.Event(), asyncio.Event()

    class Slow(Counter):
        async def run_once(self) -> PassReport:
            entered.set()
            await may_leave.wait()
            return await super().run_once()

    slow = Slow()
    loop = ServiceLoop(slow, 3600, passes.note)
    loop.start()
    await entered.wait()
    stopping = asyncio.create_task(loop.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    may_leave.set()
    await stopping
    assert slow.passes == 1
    await loop.stop()  # a second time: nothing


async def test_stop_before_start(loop: ServiceLoop, counter: Counter) -> None:
    await loop.stop()
    loop.start()
    await asyncio.sleep(0)
    assert counter.passes == 0


def test_an_idle_service_does_not_poll_faster_than_once_a_second(counter: Counter, passes: Passes) -> None:
    with pytest.raises(ValueError, match=r"interval_seconds=0\.5"):
        ServiceLoop(counter, 0.5, passes.note)
