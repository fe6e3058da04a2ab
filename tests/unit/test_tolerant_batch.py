"""Statements for many items, some of which are bad."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from holdfast_engine.services.tolerant_batch import TolerantBatch


class Statement:
    """Fails for all of its items if one of them is bad."""

    def __init__(self, *bad: int) -> None:
        self.bad = {*bad}
        self.done: list[int] = []
        self.calls = 0

    async def __call__(self, items: Sequence[int]) -> int:
        self.calls += 1
        if self.bad.intersection(items):
            raise ValueError("one of them is bad")
        self.done.extend(items)
        return len(items)


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def batch(clock: HandClock) -> TolerantBatch[int]:
    return TolerantBatch[int](lambda item: item, clock)


async def test_all_that_are_good_are_done_in_one_statement() -> None:
    statement = Statement()
    assert await batch(HandClock()).apply("do", range(5000), statement) == 5000
    assert statement.calls == 1


async def test_a_bad_one_of_many_is_found_in_few_statements() -> None:
    statement = Statement(1234)
    assert await batch(HandClock()).apply("do", range(5000), statement) == 4999
    assert sorted(statement.done) == [item for item in range(5000) if item != 1234]
    assert statement.calls <= 2 * 13 + 1


async def test_a_bad_one_is_left_out_until_its_time_has_come(caplog: pytest.LogCaptureFixture) -> None:
    clock, statement = HandClock(), Statement(2)
    tried = batch(clock)
    await tried.apply("do", [1, 2], statement)
    assert await tried.apply("do", [2, 3], statement) == 1, "the bad one is not even tried"
    assert len(caplog.records) == 1
    assert tried.again_seconds is not None
    clock.now += tried.again_seconds
    statement.bad.clear()
    assert await tried.apply("do", [2], statement) == 1
    assert tried.again_seconds is None


async def test_one_that_fails_again_waits_longer() -> None:
    clock, statement, waits = HandClock(), Statement(2), []
    tried = batch(clock)
    for _ in range(8):
        await tried.apply("do", [1, 2], statement)
        assert tried.again_seconds is not None
        waits.append(tried.again_seconds)
        clock.now += tried.again_seconds
    assert waits[0] <= 0.1
    assert waits[-1] >= 2.5


async def test_one_that_is_not_there_any_more_is_forgotten() -> None:
    tried = batch(HandClock())
    await tried.apply("do", [1, 2], Statement(2))
    await tried.apply("do", [1], Statement())
    assert tried.again_seconds is None


async def test_what_passes_by_itself_is_nobodys_fault() -> None:
    async def away(items: Sequence[int]) -> int:
        raise ConnectionResetError

    tried = batch(HandClock())
    with pytest.raises(ConnectionResetError):
        await tried.apply("do", [1, 2], away)
    assert tried.again_seconds is None
