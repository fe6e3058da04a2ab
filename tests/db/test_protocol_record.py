"""Recording steps: a success is for ever, the same may be sent again, and the answer says what is pending."""

from __future__ import annotations

import random
from typing import Any

import asyncpg
import pytest

from tests.support.protocol import CONFLICT, ControlPlane, Pod, refused

RECORDED = ("0/work#1", '"done"')


async def _record(pod: Pod, call: str, key: str = "0/work#1", value: str | None = '"done"', **changed: Any) -> int:
    if call == "record":
        return await pod.record(key, value, **changed)
    return await pod.record_many({"key": key, "value": value, **changed})


either = pytest.mark.parametrize("call", ["record", "record_many"])


@either
async def test_a_step_is_kept_as_it_was_sent(control: ControlPlane, call: str) -> None:
    pod = await control.opened()
    sent = {
        "sequence": 7,
        "position": 3,
        "kind": "checkpoint",
        "name": "wörk",
        "outcome": "Failed",
        "tries": 2,
        "elapsed_ms": 1234,
        "input_digest": b"\x00\xff",
    }
    assert await _record(pod, call, "0.1/wörk#1", '{"nul": "\\u0000"}', **sent) == 0
    (step,) = await control.steps(pod.run_id)
    assert {name: step[name] for name in sent} == sent
    assert (step["key"], step["value"], step["attempt"]) == ("0.1/wörk#1", '{"nul": "\\u0000"}', 1)


@either
async def test_the_same_record_again_is_accepted(control: ControlPlane, call: str) -> None:
    pod = await control.opened()
    await _record(pod, call)
    before = await control.steps(pod.run_id)
    assert await _record(pod, call) == 0
    assert await control.steps(pod.run_id) == before


@either
@pytest.mark.parametrize(
    "changed", [{"value": '"other"'}, {"value": None}, {"outcome": "Failed"}, {"sequence": 2}], ids=repr
)
async def test_a_success_does_not_change(control: ControlPlane, call: str, changed: dict[str, Any]) -> None:
    pod = await control.opened()
    await _record(pod, call)
    before = await control.steps(pod.run_id)
    async with refused(CONFLICT, "step '0/work#1' of run"):
        await _record(pod, call, **changed)
    assert await control.steps(pod.run_id) == before


@either
async def test_a_success_of_an_earlier_attempt_does_not_change(control: ControlPlane, call: str) -> None:
    """Not even to the same value: whoever executed the step again did not see the record."""
    first = await control.opened()
    await _record(first, call)
    second = await control.next_attempt(first)
    await second.open()
    async with refused(CONFLICT):
        await _record(second, call)


@either
@pytest.mark.parametrize("before", ["Failed", "Retrying", "Canceled"])
@pytest.mark.parametrize("after", ["Succeeded", "Failed", "Retrying", "Canceled"])
async def test_what_is_no_success_may_be_replaced(control: ControlPlane, call: str, before: str, after: str) -> None:
    first = await control.opened()
    await _record(first, call, outcome=before, value='"before"')
    second = await control.next_attempt(first)
    await second.open()
    await _record(second, call, outcome=after, value='"after"', sequence=2, tries=2)
    (step,) = await control.steps(first.run_id)
    assert (step["outcome"], step["value"], step["sequence"]) == (after, '"after"', 2)
    assert (step["tries"], step["attempt"]) == (2, 2)


async def test_several_steps_at_once(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.record_many(*({"key": f"0/work#{number}", "sequence": number} for number in range(1, 501)))
    assert len(await control.steps(pod.run_id)) == 500


async def test_several_steps_with_some_sent_before(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.record("0/a#1", '"a"')
    await pod.record_many({"key": "0/a#1", "value": '"a"'}, {"key": "0/b#1", "sequence": 2})
    assert [step["key"] for step in await control.steps(pod.run_id)] == ["0/a#1", "0/b#1"]


async def test_of_several_steps_all_or_none(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.record("0/a#1", '"a"')
    async with refused(CONFLICT, "0/a#1"):
        await pod.record_many({"key": "0/b#1", "sequence": 2}, {"key": "0/a#1", "value": '"other"'})
    assert [step["key"] for step in await control.steps(pod.run_id)] == ["0/a#1"]


async def test_one_step_twice_in_one_call(control: ControlPlane) -> None:
    pod = await control.opened()
    with pytest.raises(asyncpg.CardinalityViolationError):
        await pod.record_many({"key": "0/a#1"}, {"key": "0/a#1"})
    assert await control.steps(pod.run_id) == []


@either
async def test_says_what_is_pending(control: ControlPlane, call: str) -> None:
    pod = await control.opened()
    assert await _record(pod, call, "0/a#1") == 0
    await control.call("suspend_run", pod.run_id)
    assert await _record(pod, call, "0/b#1") == 2
    await control.call("cancel_run", pod.run_id)
    assert await _record(pod, call, "0/c#1") == 3


@either
@pytest.mark.parametrize(("remaining_seconds", "is_renewed"), [(25, False), (19, True), (-5, True)])
async def test_the_lease_is_renewed_once_a_third_of_it_is_spent(
    control: ControlPlane, call: str, remaining_seconds: int, is_renewed: bool
) -> None:
    pod = await control.opened(lease_seconds=30)
    await control.connection.execute(
        "update holdfast.runs set lease_expires_at = holdfast.now() + make_interval(secs => $2) where id = $1",
        pod.run_id,
        remaining_seconds,
    )
    before = (await control.run(pod.run_id))["lease_expires_at"]
    await _record(pod, call)
    run, (step,) = await control.run(pod.run_id), await control.steps(pod.run_id)
    if is_renewed:
        assert (run["lease_expires_at"] - step["recorded_at"]).total_seconds() == 30
    else:
        assert run["lease_expires_at"] == before


@either
@pytest.mark.parametrize(
    "broken",
    [
        {"key": "k" * 1001},
        {"sequence": 0},
        {"position": -1},
        {"outcome": "Done"},
        {"tries": -1},
        {"name": "n" * 201},
    ],
    ids=lambda broken: next(iter(broken)),
)
async def test_what_makes_no_sense_is_refused(control: ControlPlane, call: str, broken: dict[str, Any]) -> None:
    pod = await control.opened()
    with pytest.raises(asyncpg.CheckViolationError):
        await _record(pod, call, **broken)
    assert await control.steps(pod.run_id) == []


@either
async def test_the_longest_key_fits_the_index(control: ControlPlane, call: str) -> None:
    pod = await control.opened()
    assert await _record(pod, call, _noise("abcdefghijklmnopqrstuvwxyz0123456789", 1000)) == 0


@either
async def test_a_key_of_wide_characters_may_be_too_long_for_the_index(control: ControlPlane, call: str) -> None:
    pod = await control.opened()
    async with refused("54000", "exceeds"):
        await _record(pod, call, _noise("".join(map(chr, range(0x4E00, 0x9000))), 1000))


async def test_a_canceled_run_may_still_record(control: ControlPlane) -> None:
    """What the code does to clean up counts."""
    pod = await control.opened()
    await control.call("cancel_run", pod.run_id)
    assert await pod.record("0/cleanup#1") == 1
    assert len(await control.steps(pod.run_id)) == 1


def _noise(alphabet: str, length: int) -> str:
    """Characters that do not compress, the same every time."""
    return "".join(random.Random(length).choices(alphabet, k=length))
