"""A strand that works alone sends its records itself; nothing is lost when it is canceled half way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from holdfast.domain.errors import AttemptFenced
from holdfast.domain.scopes import StepKey
from holdfast.protocol.messages import Flags, StepOutcome, StepRecord
from holdfast.runtime.recorder import Recorder


def _record(number: int) -> StepRecord:
    return StepRecord(
        key=StepKey(f"0/step#{number}"),
        sequence=number,
        position=number,
        kind="step",
        name="step",
        outcome=StepOutcome.SUCCEEDED,
        tries=1,
        elapsed_ms=0,
        input_digest=None,
        value="null",
    )


class _Way:
    """The way to the database: calls wait in it until the test lets them through."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.senders: list[asyncio.Task[None] | None] = []
        self.flags: list[Flags] = []
        self.broken: list[BaseException] = []
        self.is_open = asyncio.Event()
        self.refusal: BaseException | None = None

    async def send(self, records: Sequence[StepRecord]) -> Flags:
        self.calls.append([record.sequence for record in records])
        self.senders.append(asyncio.current_task())
        await self.is_open.wait()
        if self.refusal is not None:
            raise self.refusal
        return Flags.NONE


@pytest.fixture
async def way() -> _Way:
    return _Way()


@pytest.fixture
async def recorder(way: _Way) -> AsyncIterator[Recorder]:
    recorder = Recorder(way.send, way.flags.append, way.broken.append)
    yield recorder
    await recorder.close()


async def _rest() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_strand_alone_makes_the_call_itself(way: _Way, recorder: Recorder) -> None:
    way.is_open.set()
    await recorder.store(_record(1))
    assert way.calls == [[1]]
    assert way.senders == [asyncio.current_task()]
    assert way.flags == [Flags.NONE]


async def test_what_is_put_meanwhile_leaves_after_it(way: _Way, recorder: Recorder) -> None:
    alone = asyncio.create_task(recorder.store(_record(1)))
    await _rest()
    recorder.put(_record(2))
    late = asyncio.create_task(recorder.store(_record(3)))
    await _rest()
    assert way.calls == [[1]]
    way.is_open.set()
    await asyncio.gather(alone, late)
    assert way.calls == [[1], [2, 3]]


async def test_canceled_half_way_the_record_is_sent_again_before_all_others(way: _Way, recorder: Recorder) -> None:
    alone = asyncio.create_task(recorder.store(_record(1)))
    await _rest()
    recorder.put(_record(2))
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone
    way.is_open.set()
    await recorder.settle()
    assert way.calls == [[1], [1, 2]]


async def test_who_waits_for_all_waits_for_the_call_of_a_strand_alone(way: _Way, recorder: Recorder) -> None:
    alone = asyncio.create_task(recorder.store(_record(1)))
    await _rest()
    settled = asyncio.create_task(recorder.settle())
    await _rest()
    assert not settled.done()
    way.is_open.set()
    await asyncio.gather(alone, settled)


async def test_a_refusal_reaches_the_caller_and_everything_after_it(way: _Way, recorder: Recorder) -> None:
    way.refusal = AttemptFenced("a newer attempt owns the run")
    alone = asyncio.create_task(recorder.store(_record(1)))
    await _rest()
    behind = recorder.record(_record(2))
    way.is_open.set()
    for waiting in (alone, behind):
        with pytest.raises(AttemptFenced):
            await waiting
    with pytest.raises(AttemptFenced):
        await recorder.store(_record(3))
    assert way.calls == [[1]]
    assert way.broken == [way.refusal]
