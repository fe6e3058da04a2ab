"""``patched``: runs of the old program take the old way to their end, all others the new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from holdfast import DefinitionError, patched, sleep, step, task
from holdfast.domain.scopes import Branch, StepKey, body_of
from holdfast.sdk.task import Task
from holdfast.testing import FaultPoint, TaskEnvironment
from tests.support.changed_programs import run_changed
from tests.support.databases import Database


@step
async def patched_load(page: int) -> int:
    return page


@step
async def patched_old(page: int) -> int:
    return page


@step
async def patched_new(page: int) -> int:
    return page * 100


@task
async def patched_as_it_was() -> list[int]:
    return [await patched_load(1), await patched_old(2), await patched_load(3), await patched_old(4)]


@task
async def patched_with_two_ways() -> list[int]:
    results = [await patched_load(1)]
    results.append(await patched_new(2) if patched("two-ways") else await patched_old(2))
    results.append(await patched_load(3))
    results.append(await patched_new(4) if patched("two-ways") else await patched_old(4))
    return results


@task
def patched_blocking_as_it_was() -> list[int]:
    return [patched_blocking_load(1), patched_blocking_load(2)]


@step
def patched_blocking_load(page: int) -> int:
    return page


@step
def patched_blocking_new(page: int) -> int:
    return page * 100


@task
def patched_blocking() -> list[int]:
    first = patched_blocking_load(1)
    return [first, patched_blocking_new(2) if patched("blocking") else patched_blocking_load(2)]


@task
async def patched_loop_as_it_was() -> list[int]:
    return [await patched_old(page) for page in range(4)]


@task
async def patched_loop() -> list[int]:
    return [await patched_new(page) if patched("loop") else await patched_old(page) for page in range(4)]


async def branch_as_it_was(number: int) -> list[int]:
    return [await patched_load(number), await patched_old(number), await patched_old(number + 10)]


async def branch_with_two_ways(number: int) -> list[int]:
    first = await patched_load(number)
    if patched("branches"):
        return [first, await patched_new(number), await patched_new(number + 10)]
    return [first, await patched_old(number), await patched_old(number + 10)]


@task
async def patched_branches_as_they_were() -> list[list[int]]:
    return list(await asyncio.gather(*map(branch_as_it_was, (1, 2, 3))))


@task
async def patched_branches() -> list[list[int]]:
    return list(await asyncio.gather(*map(branch_with_two_ways, (1, 2, 3))))


@task
async def patched_around_branches_as_it_was() -> list[list[int]]:
    return [[await patched_load(0)], *await asyncio.gather(*map(branch_as_it_was, (1, 2)))]


@task
async def patched_around_branches() -> list[list[int]]:
    first = await patched_load(0)
    assert patched("branches") is False
    return [[first], *await asyncio.gather(*map(branch_with_two_ways, (1, 2)))]


@step
async def patched_outer_as_it_was() -> int:
    return await patched_load(1) + await patched_old(2)


@step(name="patched_outer_as_it_was")
async def patched_outer() -> int:
    return await patched_load(1) + (await patched_new(2) if patched("body") else await patched_old(2))


@task
async def patched_body_as_it_was() -> int:
    return await patched_outer_as_it_was()


@task
async def patched_body() -> int:
    return await patched_outer()


@task
async def patched_keyed_as_it_was() -> int:
    return await patched_old.with_key("order")(2)


@task
async def patched_keyed() -> int:
    return await patched_new(2) if patched("keyed") else await patched_old.with_key("order")(2)


@step
async def patched_keyed_inside() -> int:
    return await patched_load.with_key("inside")(5)


@task
async def patched_behind_a_key_as_it_was() -> list[int]:
    return [await patched_keyed_inside(), await patched_old(1)]


@task
async def patched_behind_a_key() -> list[int]:
    return [await patched_keyed_inside(), await patched_new(1) if patched("behind") else await patched_old(1)]


@task
def patched_threads() -> list[list[int]]:
    def work(number: int) -> list[int]:
        first = patched_blocking_load(number)
        return [first, patched_blocking_new(number) if patched("threads") else patched_blocking_load(number)]

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(work, range(20)))


async def remind() -> list[int]:
    await sleep(days=1)
    return [await patched_new(9) if patched("beside") else await patched_old(9)]


@task
async def patched_beside_others() -> list[list[int]]:
    return list(await asyncio.gather(remind(), branch_as_it_was(1)))


@task
async def patched_no_more() -> list[int]:
    return [await patched_load(1), await patched_new(2), await patched_load(3), await patched_new(4)]


@pytest.fixture
async def environment(database: Database) -> AsyncIterator[TaskEnvironment]:
    async with TaskEnvironment(database.dsn) as environment:
        yield environment


async def test_a_new_run_takes_the_new_way(environment: TaskEnvironment) -> None:
    result = await environment.run(patched_with_two_ways)
    assert result.result == [1, 200, 3, 400]
    assert [step.key for step in result.steps if step.kind == "patch"] == ["=patch:two-ways@0"]


@pytest.mark.parametrize(
    ("before", "after", "recorded", "occurrence", "answer"),
    [
        pytest.param(patched_as_it_was, patched_with_two_ways, "patched_old", 1, [1, 2, 3, 4], id="behind the line"),
        pytest.param(patched_as_it_was, patched_with_two_ways, "patched_load", 1, [1, 200, 3, 400], id="before it"),
        pytest.param(patched_as_it_was, patched_with_two_ways, "patched_load", 2, [1, 2, 3, 4], id="further on"),
        pytest.param(
            patched_blocking_as_it_was, patched_blocking, "patched_blocking_load", 2, [1, 2], id="def, behind"
        ),
        pytest.param(
            patched_blocking_as_it_was, patched_blocking, "patched_blocking_load", 1, [1, 200], id="def, before"
        ),
        pytest.param(patched_loop_as_it_was, patched_loop, "patched_old", 2, [0, 1, 2, 3], id="the loop as a whole"),
        pytest.param(patched_body_as_it_was, patched_body, "patched_old", 1, 3, id="in a body, behind"),
        pytest.param(patched_body_as_it_was, patched_body, "patched_load", 1, 201, id="in a body, before"),
        pytest.param(patched_keyed_as_it_was, patched_keyed, "=order", 1, 2, id="an explicit key behind"),
        pytest.param(
            patched_behind_a_key_as_it_was,
            patched_behind_a_key,
            "patched_keyed_inside",
            1,
            [5, 100],
            id="an explicit key inside of a finished step",
        ),
    ],
)
async def test_a_run_is_old_where_something_was_recorded_behind_the_line(
    environment: TaskEnvironment,
    before: Task[..., Any],
    after: Task[..., Any],
    recorded: str,
    occurrence: int,
    answer: object,
) -> None:
    result = await run_changed(environment, before, after, recorded=recorded, occurrence=occurrence)
    assert (result.state, result.result) == ("Succeeded", answer), result.message


async def test_each_branch_has_an_answer_of_its_own(environment: TaskEnvironment) -> None:
    result = await run_changed(
        environment, patched_branches_as_they_were, patched_branches, recorded="0.2/patched_old#1"
    )
    assert result.state == "Succeeded", result.message
    answers = {step.key: step.value for step in result.steps if step.kind == "patch"}
    assert answers["=patch:branches@0.2"] == "false"
    for number, branch in enumerate(result.result, 1):
        is_new = answers[f"=patch:branches@0.{number}"] == "true"
        assert branch == ([number, number * 100, (number + 10) * 100] if is_new else [number, number, number + 10])
        old_keys = {step.key for step in result.steps if step.name == "patched_old"}
        assert (f"0.{number}/patched_old#1" in old_keys) is not is_new


async def test_what_an_old_branch_starts_is_old(environment: TaskEnvironment) -> None:
    result = await run_changed(
        environment, patched_around_branches_as_it_was, patched_around_branches, recorded="0.1/patched_load#1"
    )
    assert (result.state, result.result) == ("Succeeded", [[0], [1, 1, 11], [2, 2, 12]]), result.message


async def test_what_other_branches_recorded_meanwhile_does_not_make_it_old(environment: TaskEnvironment) -> None:
    result = await environment.run(patched_beside_others)
    assert (result.state, result.result) == ("Succeeded", [[900], [1, 1, 11]]), result.message
    assert result.attempts == 2


@pytest.mark.parametrize("occurrence", [1, 2])
async def test_the_answer_is_the_same_in_every_later_attempt(environment: TaskEnvironment, occurrence: int) -> None:
    environment.crash_at(FaultPoint.AFTER_RECORD, step="patched_new", occurrence=occurrence)
    result = await environment.run(patched_with_two_ways)
    assert (result.state, result.result, result.attempts) == ("Succeeded", [1, 200, 3, 400], 2)


async def test_threads_ask_at_the_same_time(environment: TaskEnvironment) -> None:
    environment.crash_at(FaultPoint.AFTER_RECORD, step="patched_blocking_load", occurrence=15)
    result = await environment.run(patched_threads)
    assert (result.state, result.result) == ("Succeeded", [[number, number * 100] for number in range(20)])
    assert len([step for step in result.steps if step.kind == "patch"]) == 20


async def test_an_old_run_stays_old_once_it_was_told(environment: TaskEnvironment) -> None:
    environment.crash_at(FaultPoint.AFTER_BODY, step="0/patched_old#2")
    result = await run_changed(
        environment, patched_as_it_was, patched_with_two_ways, recorded="patched_old", occurrence=1
    )
    assert (result.state, result.result, result.attempts) == ("Succeeded", [1, 2, 3, 4], 3)


async def test_the_question_can_be_removed_once_no_old_run_is_left(environment: TaskEnvironment) -> None:
    result = await run_changed(
        environment, patched_with_two_ways, patched_no_more, recorded="patched_new", occurrence=1
    )
    assert (result.state, result.result) == ("Succeeded", [1, 200, 3, 400])
    result = await run_changed(environment, patched_as_it_was, patched_no_more, recorded="patched_old", occurrence=1)
    assert (result.state, result.reason) == ("Failed", "HistoryMismatch")


async def test_it_holds_at_every_await(database: Database) -> None:
    async with TaskEnvironment(database.dsn, always_replay=True) as environment:
        for program in (patched_with_two_ways, patched_loop, patched_body):
            result = await environment.run(program)
            assert result.state == "Succeeded", result.message
            assert {step.value for step in result.steps if step.kind == "patch"} == {"true"}


def test_outside_of_a_run_the_way_is_the_new_one() -> None:
    assert patched("anything") is True


@pytest.mark.parametrize("id", ["", "a/b", "a#1", "x" * 201, "nul\0"])
def test_a_bad_name_is_refused(id: str) -> None:
    with pytest.raises(DefinitionError):
        patched(id)


def test_what_a_branch_has_not_started_yet_is_ahead_of_it() -> None:
    branch = Branch()
    place = branch.next_step("load")
    branch.fork()
    inside = body_of(place)
    for key in (
        "0/load#2",
        "0/load#12",
        "0/other.name#1",
        "0.2/load#1",
        "0.12.1/load#1",
        "0/load#2/x#1",
        "0/load#2.1/x#1",
    ):
        assert branch.is_ahead(key), key
    for key in ("0/load#1", "0/load#1/x#1", "0.1/load#1", "0.1.7/load#1", "=load", "01/load#1", "0"):
        assert not branch.is_ahead(StepKey(key)), key
    assert inside.is_ahead("0/load#1/x#1")
    assert not inside.is_ahead("0/load#11/x#1")
