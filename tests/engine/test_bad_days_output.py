"""What a task prints reaches the run's log: bounded, whatever the characters, and to the last line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from holdfast.contract.exit_codes import RunnerExit
from holdfast.contract.limits import LOG_LINE_LIMIT_BYTES, LOG_LINES_BURST
from tests.support.protocol import ControlPlane

if TYPE_CHECKING:
    from tests.engine.conftest import Launch

LOUD = "tests.support.loud_tasks"


async def _rows(control: ControlPlane, launch: Launch, task: str, **given: Any) -> list[asyncpg.Record]:
    """Run the task, which has to succeed, and return its log."""
    pod = await control.started(entrypoint=f"{LOUD}:{task}", input_text=json.dumps(given))
    async with launch(pod) as process:
        assert await process.exit() is RunnerExit.SUCCEEDED, process.text[-2000:]
    rows = await control.connection.fetch(
        "select stream, line, step_key, line_number from holdfast.logs where run_id = $1 order by line_number",
        pod.run_id,
    )
    assert [row["line_number"] for row in rows] == list(range(1, len(rows) + 1))
    return rows


async def _lines(control: ControlPlane, launch: Launch, task: str, **given: Any) -> list[tuple[str, str]]:
    return [(row["stream"], row["line"]) for row in await _rows(control, launch, task, **given)]


async def test_more_lines_than_anybody_reads(control: ControlPlane, launch: Launch) -> None:
    """The run keeps its beginning, and a count of what was dropped; the process is none the worse for it."""
    lines = [line for _, line in await _lines(control, launch, "flood", lines=200_000)]
    assert lines[:3] == ["the first line", "line 0", "line 1"]
    dropped = [int(match[1]) for line in lines if (match := re.match(r"\[(\d+) lines dropped", line))]
    kept = len(lines) - len(dropped)
    assert kept + sum(dropped) == 200_001, "every line is kept or counted"
    assert LOG_LINES_BURST <= kept <= 2 * LOG_LINES_BURST, "the task blocked the loop: what waits is bounded"
    assert 1 <= len(dropped) < 200


async def test_a_flood_that_lets_others_work(control: ControlPlane, launch: Launch) -> None:
    lines = [line for _, line in await _lines(control, launch, "flood", lines=20_000, pause_every=100)]
    dropped = [int(match[1]) for line in lines if (match := re.match(r"\[(\d+) lines dropped", line))]
    assert len(lines) - len(dropped) + sum(dropped) == 20_001


async def test_a_few_thousand_lines_at_the_end_are_all_delivered(control: ControlPlane, launch: Launch) -> None:
    lines = [line for _, line in await _lines(control, launch, "flood", lines=1900)]
    assert len(lines) == 1901
    assert lines[-1] == "line 1899"


async def test_odd_characters(control: ControlPlane, launch: Launch) -> None:
    assert await _lines(control, launch, "odd_text") == [
        ("stdout", "nul \\0, surrogate \\ud800, squid 🦑, \x1b[31mred"),
        ("stderr", "error \\0"),
        ("stdout", "in a step"),
        ("stdout", "no end of line"),
    ]


async def test_a_line_belongs_to_its_step(control: ControlPlane, launch: Launch) -> None:
    rows = await _rows(control, launch, "odd_text")
    assert [row["step_key"] for row in rows] == [None, None, "0/speak#1", None]


@pytest.mark.parametrize("characters", [LOG_LINE_LIMIT_BYTES // 1000 * 1000, 5_000_000])
async def test_a_long_line_is_cut(control: ControlPlane, launch: Launch, characters: int) -> None:
    (_, long), (_, after) = await _lines(control, launch, "one_long_line", characters=characters)
    assert after == "after it"
    if characters <= LOG_LINE_LIMIT_BYTES:
        assert long == "x" * characters
    else:
        assert long == "x" * LOG_LINE_LIMIT_BYTES + "…"


async def test_lines_may_be_written_in_pieces(control: ControlPlane, launch: Launch) -> None:
    lines = await _lines(control, launch, "in_pieces")
    assert [line for stream, line in lines if stream == "stdout"] == ["a", "b-c", "de", "f", "g"]
    assert [line for stream, line in lines if stream == "stderr"] == ["xy"]


async def test_the_streams_can_do_what_streams_can(control: ControlPlane, launch: Launch) -> None:
    pod = await control.started(entrypoint=f"{LOUD}:as_bytes")
    async with launch(pod) as process:
        assert await process.exit() is RunnerExit.SUCCEEDED, process.text
    assert process.output == ["bytes", "child"]
    assert json.loads((await control.run(pod.run_id))["result"]) == ["utf-8", False, 1, "<stdout>"]


async def test_threads_do_not_tear_each_others_lines(control: ControlPlane, launch: Launch) -> None:
    lines = [line for _, line in await _lines(control, launch, "threads")]
    assert sorted(lines) == sorted(f"thread {number} line {line}" for number in range(4) for line in range(50))


async def test_a_task_may_close_its_output(control: ControlPlane, launch: Launch) -> None:
    assert await _lines(control, launch, "closed_output") == []
