"""Every row of the table of program changes: what a run in flight does when it meets the changed program."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from holdfast.testing import RunResult, TaskEnvironment
from tests.support import program_changes
from tests.support.changed_programs import AnyTask, run_changed
from tests.support.databases import Database
from tests.support.program_changes import AGAIN, GOES_ON, Change, changes
from tests.support.task_changes import BEFORE, TaskChange, task_changes

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "change-a-program.md"


@pytest.fixture
async def environment(database: Database) -> AsyncIterator[TaskEnvironment]:
    program_changes.executed.clear()
    program_changes.numbers = count(1)
    async with TaskEnvironment(database.dsn) as environment:
        yield environment


async def meet(environment: TaskEnvironment, change: Change, database: Database) -> RunResult:
    if change.is_failed:
        return await environment.resume(await environment.run(change.before), change.after)
    if change.recorded_with:
        return await run_with_other_python(environment, change, database)
    return await run_changed(environment, change.before, change.after, recorded=change.recorded)


async def run_with_other_python(environment: TaskEnvironment, change: Change, database: Database) -> RunResult:
    """An attempt of another Python is a row that says so."""
    connection = await asyncpg.connect(database.dsn)
    try:
        await connection.execute(
            "create function public.other_python() returns trigger language plpgsql as "
            f"$$ begin new.python_version := '{change.recorded_with}'; return new; end $$"
        )
        await connection.execute(
            "create trigger other_python before update on holdfast.runs for each row "
            "when (old.python_version is null and new.python_version is not null) "
            "execute function public.other_python()"
        )
    finally:
        await connection.close()
    return await run_changed(environment, change.before, change.after)


async def records(environment: TaskEnvironment, result: RunResult) -> dict[str, str | None]:
    return {step.key: step.value for step in await environment.steps(result) if step.outcome == "Succeeded"}


def rows_of(title: str) -> list[tuple[str, str]]:
    """The first two cells of each row in the table of that section."""
    (section,) = re.findall(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [(row[0], row[1]) for row in rows[2:]]


@pytest.mark.parametrize("change", changes, ids=lambda change: change.what)
async def test_a_run_in_flight_meets_the_changed_program(
    environment: TaskEnvironment, database: Database, change: Change
) -> None:
    result = await meet(environment, change, database)
    executed = sorted(program_changes.executed)
    if change.outcome in (GOES_ON, AGAIN):
        assert (result.state, result.result) == ("Succeeded", change.result), result.message
        assert executed == sorted(change.executed)
        is_once = len(set(executed)) == len(executed) or change.executed == ("draw", "draw")
        assert is_once is (change.outcome == GOES_ON)
    else:
        assert (result.state, f"`{result.reason}`") == ("Failed", change.outcome)
        assert "recorded" in (result.message or "")
        assert len(set(executed)) == len(executed), "nothing was executed that is recorded"
        kept = await records(environment, result)
        if not change.recorded_with:
            resumed = await environment.resume(result, change.before)
            assert resumed.state == "Succeeded", "the program as it was goes on"
            assert len(set(program_changes.executed)) == len(program_changes.executed)
            assert (await records(environment, resumed)).items() >= kept.items()


@pytest.mark.parametrize("change", task_changes, ids=lambda change: change.what)
async def test_a_run_in_flight_meets_the_changed_task(
    environment: TaskEnvironment, change: TaskChange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "changed_task_module"
    monkeypatch.syspath_prepend(str(tmp_path))
    source = tmp_path / f"{module}.py"

    def install(text: str) -> None:
        source.write_text(text)
        sys.modules.pop(module, None)
        importlib.invalidate_caches()
        for compiled in tmp_path.glob("__pycache__/*"):
            compiled.unlink()

    install(BEFORE)
    try:
        before: AnyTask = importlib.import_module(module).pay
        result = await run_changed(
            environment, before, None, input={"cents": 1200}, change=lambda: install(change.source)
        )
        if change.outcome == GOES_ON:
            assert (result.state, result.result) == ("Succeeded", change.result), result.message
        else:
            assert (result.state, f"`{result.reason}`") == ("Failed", change.outcome)
            resumed = await environment.resume(result, before)
            assert (resumed.state, resumed.result) == ("Succeeded", 1200)
        assert [step.key for step in result.steps] == ["0/charge#1"]
    finally:
        sys.modules.pop(module, None)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Changes of what a task does", [(change.what, change.outcome) for change in changes]),
        ("Changes of a task", [(change.what, change.outcome) for change in task_changes]),
    ],
)
def test_the_page_has_the_same_rows(title: str, expected: list[tuple[str, str]]) -> None:
    rows = rows_of(title)
    assert [what for what, _ in rows] == [what for what, _ in expected]
    for (what, told), (_, outcome) in zip(rows, expected, strict=True):
        assert re.match(rf"{re.escape(outcome)}(\W|$)", told), what
