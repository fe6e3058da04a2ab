"""A recorded run is replayed in this process: to the end of what is recorded, and no body of a step is executed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import NonRetryableError, patched, sleep, step, task
from holdfast.protocol.no_database import NoDatabase
from holdfast.protocol.recorded_run import RecordedRun
from holdfast.runtime.attempt import PYTHON_VERSION
from holdfast.runtime.local_replay import LocalReplay, ReplayEnd, replay_locally
from holdfast.sdk.task import Task
from holdfast.testing import TaskEnvironment
from tests.support import golden_programs
from tests.support.databases import Database
from tests.support.golden_histories import FOLDER, recorded
from tests.support.golden_programs import golden

bodies: list[str] = []


@step
async def replayed_fetch(page: int) -> int:
    bodies.append(f"fetch {page}")
    return page * 10


@step
def replayed_parse(text: str) -> int:
    bodies.append(f"parse {text}")
    return int(text)


@step
async def replayed_refusal(page: int) -> int:
    bodies.append(f"refusal {page}")
    raise NonRetryableError(f"no page {page}")


@task
async def replayed_sum() -> int:
    return await replayed_fetch(1) + replayed_parse("2") + await replayed_fetch(3)


@task
async def replayed_sum_with_more() -> int:
    return await replayed_sum.function() + await replayed_fetch(4)


@task
async def replayed_sum_twice() -> int:
    return await replayed_sum.function() * 2


@task
async def replayed_other_page() -> int:
    return await replayed_fetch(7) + replayed_parse("2") + await replayed_fetch(3)


@task
async def replayed_failure() -> int:
    return await replayed_fetch(1) + await replayed_refusal(2)


@task
async def replayed_correction() -> int:
    try:
        return await replayed_fetch(1) + await replayed_refusal(2)
    except NonRetryableError:
        return -1


@task
async def replayed_wait() -> int:
    first = await replayed_fetch(1)
    await sleep(days=1)
    return first + await replayed_fetch(2)


@task
async def replayed_within_an_hour() -> int:
    async with asyncio.timeout(3600):
        return await replayed_fetch(1) + await replayed_fetch(2)


@task
async def replayed_workers() -> int:
    queue: asyncio.Queue[int] = asyncio.Queue()
    done = asyncio.Event()

    async def work() -> None:
        page = await queue.get()
        await replayed_fetch.with_key(f"page-{page}")(page)
        done.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        await queue.put(await replayed_fetch(1))
        await done.wait()
    return 7


@task
async def replayed_patch() -> int:
    first = await replayed_fetch(1)
    if patched("replayed"):
        first += await replayed_fetch(100)
    return first + replayed_parse("2") + await replayed_fetch(3)


def golden_run(task: Task[..., Any]) -> RecordedRun:
    (file,) = FOLDER.glob(f"{task.name}-0.1.0.json")
    return RecordedRun.from_json(file.read_text())._replace(python_version=PYTHON_VERSION)


def until(run: RecordedRun, count: int) -> RecordedRun:
    """The run as it was when so many records were there."""
    return run._replace(history=run.history[:count], state="Running", result=None, error=None)


async def replayed(database: Database, before: Task[..., Any], after: Task[..., Any], count: int = 99) -> LocalReplay:
    """Run ``before``, and replay ``after`` with the first ``count`` records of that."""
    async with TaskEnvironment(database.dsn) as environment:
        run = await recorded(database.dsn, await environment.run(before))
    bodies.clear()
    replay = await replay_locally(after, run if count == 99 else until(run, count))
    assert bodies == []
    return replay


@pytest.mark.parametrize("program", golden, ids=lambda program: program.name)
async def test_it_ends_where_the_history_ends(program: Task[..., Any]) -> None:
    run = golden_run(program)
    golden_programs.executed.clear()
    for count in range(len(run.history)):
        replay = await replay_locally(program, until(run, count), stuck_seconds=0.3)
        assert replay.agrees, replay.message
        assert replay.end is ReplayEnd.END_OF_HISTORY or count >= len(run.history) - 1, (count, replay)
        assert replay.replayed_steps <= count
        assert golden_programs.executed == []


async def test_a_run_that_succeeded_gives_its_result(database: Database) -> None:
    replay = await replayed(database, replayed_sum, replayed_sum)
    assert (replay.end, replay.agrees, replay.result) == (ReplayEnd.RETURNED, True, "42")
    assert (replay.replayed_steps, replay.ends, replay.left_over) == (3, (), ())


@pytest.mark.parametrize(
    ("count", "end"),
    [
        (0, "step 'replayed_fetch' at 0/replayed_fetch#1"),
        (1, "step 'replayed_parse' at 0/replayed_parse#1"),
        (2, "step 'replayed_fetch' at 0/replayed_fetch#2"),
    ],
)
async def test_the_step_is_named_at_which_it_ends(database: Database, count: int, end: str) -> None:
    replay = await replayed(database, replayed_sum, replayed_sum, count)
    assert (replay.end, replay.agrees, replay.ends) == (ReplayEnd.END_OF_HISTORY, True, (end,))
    assert replay.replayed_steps == count
    assert end in replay.message


async def test_it_ends_in_a_wait_that_is_not_over(database: Database) -> None:
    async with TaskEnvironment(database.dsn) as environment:
        run = await recorded(database.dsn, await environment.run(replayed_wait))
    bodies.clear()
    waiting = until(run, 2)._replace(read_at=run.created_at)
    replay = await replay_locally(replayed_wait, waiting)
    assert (replay.end, replay.replayed_steps, bodies) == (ReplayEnd.END_OF_HISTORY, 2, [])
    assert "waits until" in replay.message


@pytest.mark.parametrize(
    ("after", "end", "said"),
    [
        (replayed_other_page, ReplayEnd.MISMATCH, "replayed_fetch(7)"),
        (replayed_sum_twice, ReplayEnd.RETURNED, "another result than is recorded: 42"),
        (replayed_sum_with_more, ReplayEnd.END_OF_HISTORY, "0/replayed_fetch#3"),
        (replayed_failure, ReplayEnd.MISMATCH, "replayed_refusal(2)"),
    ],
    ids=lambda value: value.name if isinstance(value, Task) else "",
)
async def test_a_program_that_differs_is_told(
    database: Database, after: Task[..., Any], end: ReplayEnd, said: str
) -> None:
    replay = await replayed(database, replayed_sum, after)
    assert (replay.end, replay.agrees) == (end, False)
    assert said in replay.message


async def test_a_record_of_other_arguments_is_a_mismatch() -> None:
    run = golden_run(golden_programs.golden_sequence)
    first, *others = run.history
    forged = run._replace(history=(first._replace(input_digest=b"\0" * 16), *others))
    replay = await replay_locally(golden_programs.golden_sequence, forged)
    assert (replay.end, replay.agrees) == (ReplayEnd.MISMATCH, False)


async def test_another_python_is_a_mismatch() -> None:
    run = golden_run(golden_programs.golden_sequence)._replace(python_version="3.9")
    replay = await replay_locally(golden_programs.golden_sequence, run)
    assert (replay.end, replay.agrees) == (ReplayEnd.MISMATCH, False)
    assert "Python 3.9" in replay.message


async def test_a_dead_letter_fails_again_with_its_recorded_failure(database: Database) -> None:
    replay = await replayed(database, replayed_failure, replayed_failure)
    assert (replay.end, replay.agrees) == (ReplayEnd.RAISED, True), replay.message
    assert replay.error is not None
    assert replay.error.message == "no page 2"


async def test_a_correction_of_a_dead_letter_is_told(database: Database) -> None:
    replay = await replayed(database, replayed_failure, replayed_correction)
    assert (replay.end, replay.agrees, replay.result) == (ReplayEnd.RETURNED, False, "-1")
    assert "no page 2" in replay.message


async def test_a_timeout_around_the_end_does_not_go_off(database: Database) -> None:
    replay = await replayed(database, replayed_within_an_hour, replayed_within_an_hour, 1)
    assert replay.ends == ("step 'replayed_fetch' at 0/replayed_fetch#2",)


async def test_it_ends_also_where_others_wait_for_a_branch_that_is_held(database: Database) -> None:
    async with TaskEnvironment(database.dsn) as environment:
        run = await recorded(database.dsn, await environment.run(replayed_workers))
    bodies.clear()
    replay = await replay_locally(replayed_workers, until(run, 1), stuck_seconds=0.05)
    assert (replay.end, bodies) == (ReplayEnd.END_OF_HISTORY, [])
    assert replay.ends == ("step 'replayed_fetch' at =page-10",)


async def test_an_old_run_takes_the_old_way(database: Database) -> None:
    replay = await replayed(database, replayed_sum, replayed_patch)
    assert (replay.end, replay.agrees, replay.result) == (ReplayEnd.RETURNED, True, "42")


async def test_what_nobody_asks_for_is_told(database: Database) -> None:
    async with TaskEnvironment(database.dsn) as environment:
        run = await recorded(database.dsn, await environment.run(replayed_sum_with_more))
    replay = await replay_locally(replayed_sum, run)
    assert (replay.end, replay.agrees) == (ReplayEnd.RETURNED, False)
    assert replay.left_over == ("0/replayed_fetch#3",)


async def test_there_is_no_database_to_ask() -> None:
    nothing = NoDatabase()
    with pytest.raises(AssertionError):
        await nothing.rows("select 1")
    with pytest.raises(AssertionError):
        await nothing.row("select 1")
    with pytest.raises(AssertionError):
        await nothing.listen([], bodies.clear)


@task
async def replayed_many() -> int:
    return sum([await replayed_fetch(page) for page in range(120)])


async def test_a_long_history_is_read_page_by_page(database: Database) -> None:
    replay = await replayed(database, replayed_many, replayed_many)
    assert (replay.end, replay.agrees, replay.replayed_steps) == (ReplayEnd.RETURNED, True, 120)
