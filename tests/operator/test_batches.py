"""Questions that are asked at the same time share a query."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from holdfast_operator.batches import Batches


class Oracle:
    """Doubles numbers, when it is let; remembers what it was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def ask(self, numbers: Sequence[int]) -> list[int]:
        self.asked.append(list(numbers))
        self.is_asked.set()
        await self.may_answer.wait()
        if 13 in numbers:
            raise LookupError("unlucky")
        return [2 * number for number in numbers]


async def test_what_is_asked_while_a_batch_is_under_way_is_the_next_batch() -> None:
    oracle = Oracle()
    batches = Batches(oracle.ask, largest=3)
    tasks = [asyncio.create_task(batches.answer(1))]
    await oracle.is_asked.wait()
    tasks += [asyncio.create_task(batches.answer(number)) for number in range(2, 7)]
    await asyncio.sleep(0)  # all of them ask
    oracle.may_answer.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10, 12]
    assert oracle.asked == [[1], [2, 3, 4], [5, 6]]


async def test_an_error_is_everyones_of_the_batch_and_nobody_elses() -> None:
    oracle = Oracle()
    oracle.may_answer.set()
    batches = Batches(oracle.ask)
    together = await asyncio.gather(batches.answer(12), batches.answer(13), return_exceptions=True)
    assert [type(each) for each in together] == [LookupError, LookupError]
    assert await batches.answer(14) == 28


async def test_who_gives_up_does_not_hold_up_the_others() -> None:
    oracle = Oracle()
    batches = Batches(oracle.ask)
    impatient, patient = (asyncio.create_task(batches.answer(number)) for number in (1, 2))
    await oracle.is_asked.wait()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    oracle.may_answer.set()
    assert await patient == 4
