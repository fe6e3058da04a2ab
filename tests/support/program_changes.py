"""What can be changed in a program while runs are in flight: for each row of the table in the docs, a program as it was
and as it is now, and what comes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from holdfast import NonRetryableError, Retry, Task, checkpoint, now, patched, sleep, sleep_until, step, task
from tests.support.changed_programs import PARKED

GOES_ON, AGAIN, MISMATCH = "goes on", "executed again", "`HistoryMismatch`"

executed: list[str] = []
"""The bodies of steps that were executed, by the program as it was and by the changed one."""

numbers = count(1)


@step
async def fetch(page: int) -> int:
    executed.append(f"fetch {page}")
    return page * 10


@step
async def load(page: int) -> int:
    executed.append(f"load {page}")
    return page * 1000


@step
async def draw() -> int:
    executed.append("draw")
    return next(numbers)


@step(name="get")
async def fetch_by_another_name(page: int) -> int:
    executed.append(f"get {page}")
    return page * 10


@step(name="fetch")
async def fetch_with_a_default(page: int, size: int = 7) -> int:
    executed.append(f"fetch {page}")
    return page * size


@step(name="fetch")
async def fetch_with_another_body(page: int) -> int:
    executed.append(f"fetch {page} in a new way")
    return page * 11


@step(name="fetch")
async def fetch_as_number(page: int) -> float:
    return page * 10.0


@step(name="fetch")
async def fetch_as_text(page: int) -> str:
    return str(page)


@step(name="fetch", retry=Retry(max_attempts=9), timeout=60)
async def fetch_with_retries(page: int) -> int:
    executed.append(f"fetch {page}")
    return page * 10


@step(name="fetch")
def fetch_in_a_thread(page: int) -> int:
    executed.append(f"fetch {page}")
    return page * 10


@step(name="fetch")
async def fetch_that_fails(page: int) -> int:
    executed.append(f"fetch {page} fails")
    raise NonRetryableError("no such page")


@dataclass(frozen=True)
class Change:
    """One row.

    Attributes:
        what: the first cell of the row.
        outcome: how the second one begins: ``GOES_ON``, ``AGAIN``, or the reason of a dead letter.
        before: the program as it was; without parameters.
        after: as it is now.
        recorded: when the first attempt dies, see ``run_changed``.
        result: what the changed program returns.
        executed: all bodies that were executed, in their order; sorted if there are branches.
        is_failed: the program as it was fails for good, and the run is resumed with the changed one.
        recorded_with: the minor version of Python of the first attempt; empty: this one.
    """

    what: str
    outcome: str
    before: Task[..., Any]
    after: Task[..., Any]
    recorded: str = ""
    result: object = None
    executed: tuple[str, ...] = ()
    is_failed: bool = False
    recorded_with: str = ""


changes: list[Change] = []

Program = Callable[[], Awaitable[object]]


def change(what: str, outcome: str, before: Program, after: Program, **more: Any) -> None:
    """Add a row."""
    number = len(changes)
    changes.append(
        Change(
            what,
            outcome,
            task(name=f"change-{number}-before")(before),
            task(name=f"change-{number}-after")(after),
            **more,
        )
    )


async def three() -> list[int]:
    return [await fetch(1), await fetch(2), await load(3)]


THREE = ("fetch 1", "fetch 2", "load 3")

# --- steps -----------------------------------------------------------------------------------------------------------


async def first_renamed() -> list[int]:
    return [await fetch_by_another_name(1), await fetch(2), await load(3)]


async def last_renamed() -> list[int]:
    return [await fetch(1), await fetch(2), await fetch_by_another_name(3)]


async def first_removed() -> list[int]:
    return [await fetch(2), await load(3)]


async def last_removed() -> list[int]:
    return [await fetch(1), await fetch(2)]


async def one_added_at_the_end() -> list[int]:
    return [*await three(), await load(4)]


async def one_added_in_the_middle() -> list[int]:
    return [await fetch(1), await load(9), await fetch(2), await load(3)]


async def one_added_under_patched() -> list[int]:
    first = await fetch(1)
    added = [await load(9)] if patched("one-added") else []
    return [first, *added, await fetch(2), await load(3)]


async def one_added_with_a_key() -> list[int]:
    return [await fetch(1), await load.with_key("added")(9), await fetch(2), await load(3)]


async def steps_exchanged() -> list[int]:
    return [await load(3), await fetch(1), await fetch(2)]


async def calls_exchanged() -> list[int]:
    return [await fetch(2), await fetch(1), await load(3)]


async def two_draws() -> dict[str, int]:
    return {"left": await draw(), "right": await draw()}


async def two_draws_exchanged() -> dict[str, int]:
    return {"right": await draw(), "left": await draw()}


async def other_arguments() -> list[int]:
    return [await fetch(7), await fetch(2), await load(3)]


async def a_parameter_more() -> list[int]:
    return [await fetch_with_a_default(1), await fetch_with_a_default(2), await load(3)]


async def by_keyword() -> list[int]:
    return [await fetch(page=1), await fetch(2), await load(3)]


async def another_body() -> list[int]:
    return [await fetch_with_another_body(1), await fetch(2), await load(3)]


async def failing() -> list[int]:
    return [await load(3), await fetch_that_fails(1)]


async def corrected() -> list[int]:
    return [await load(3), await fetch_with_another_body(1)]


async def wider_annotation() -> list[float]:
    return [await fetch_as_number(1), await fetch_as_number(2), await load(3)]


async def other_annotation() -> list[object]:
    return [await fetch_as_text(1), await fetch(2), await load(3)]


async def more_retries() -> list[int]:
    return [await fetch_with_retries(1), await fetch_with_retries(2), await load(3)]


async def blocking() -> list[int]:
    return [fetch_in_a_thread(1), fetch_in_a_thread(2), await load(3)]


async def last_without_step() -> list[int]:
    return [await fetch(1), await fetch(2), await load.function(3)]


async def in_a_function() -> list[int]:
    async def first_two() -> list[int]:
        return [await fetch(1), await fetch(2)]

    return [*await first_two(), await load(3)]


async def other_code_between() -> list[int]:
    return [result + 1 for result in await three()]


change("a recorded step is renamed", MISMATCH, three, first_renamed)
change(
    "a step that is not recorded yet is renamed",
    GOES_ON,
    three,
    last_renamed,
    recorded="0/fetch#2",
    result=[10, 20, 30],
    executed=("fetch 1", "fetch 2", "get 3"),
)
change("a recorded step is removed, and steps behind it are recorded", MISMATCH, three, first_removed)
change("the last recorded steps of a branch are removed", GOES_ON, three, last_removed, result=[10, 20], executed=THREE)
change(
    "a step that is not recorded yet is removed",
    GOES_ON,
    three,
    last_removed,
    recorded="0/fetch#1",
    result=[10, 20],
    executed=THREE[:2],
)
change(
    "a step is added behind everything that is recorded",
    GOES_ON,
    three,
    one_added_at_the_end,
    result=[10, 20, 3000, 4000],
    executed=(*THREE, "load 4"),
)
change("a step is added before something recorded", MISMATCH, three, one_added_in_the_middle)
change(
    "the same, under `patched`", GOES_ON, three, one_added_under_patched, result=[10, 20, 3000], executed=THREE
)  # fmt: skip
change(
    "the same, with an explicit key",
    GOES_ON,
    three,
    one_added_with_a_key,
    result=[10, 9000, 20, 3000],
    executed=(*THREE, "load 9"),
)
change("recorded steps of different names change places", MISMATCH, three, steps_exchanged)
change("recorded calls of one step with different arguments change places", MISMATCH, three, calls_exchanged)
change(
    "recorded calls of one step with the same arguments change places",
    GOES_ON,
    two_draws,
    two_draws_exchanged,
    result={"right": 1, "left": 2},
    executed=("draw", "draw"),
)
change("a recorded step gets other arguments", MISMATCH, three, other_arguments)
change(
    "a step gets one more parameter, with a default, and is called as before",
    GOES_ON,
    three,
    a_parameter_more,
    result=[10, 20, 3000],
    executed=THREE,
)
change("a recorded step is given an argument by keyword, and no more by position", MISMATCH, three, by_keyword)
change("the body of a recorded step changes", GOES_ON, three, another_body, result=[10, 20, 3000], executed=THREE)
change(
    "the body of a step changes that failed for good",
    GOES_ON,
    failing,
    corrected,
    result=[3000, 11],
    executed=("load 3", "fetch 1 fails", "fetch 1 in a new way"),
    is_failed=True,
)
change(
    "the annotation of a result changes, and takes what is recorded",
    GOES_ON,
    three,
    wider_annotation,
    result=[10.0, 20.0, 3000.0],
    executed=THREE,
)
change("the annotation of a result no longer takes what is recorded", MISMATCH, three, other_annotation)
change(
    "the retry or the timeout of a step changes", GOES_ON, three, more_retries, result=[10, 20, 3000], executed=THREE
)
change(
    "an `async def` step becomes `def`, or the reverse", GOES_ON, three, blocking, result=[10, 20, 3000], executed=THREE
)
change(
    "the last recorded step is a plain function now, without `@step`",
    AGAIN,
    three,
    last_without_step,
    result=[10, 20, 3000],
    executed=(*THREE, "load 3"),
)
change(
    "a call moves into a function that the same branch calls",
    GOES_ON,
    three,
    in_a_function,
    result=[10, 20, 3000],
    executed=THREE,
)
change("code between steps changes", GOES_ON, three, other_code_between, result=[11, 21, 3001], executed=THREE)

# --- explicit keys ---------------------------------------------------------------------------------------------------


async def two_with_keys() -> list[int]:
    return [await fetch.with_key("one")(1), await fetch.with_key("two")(2)]


async def two_with_keys_exchanged() -> list[int]:
    return [await fetch.with_key("two")(2), await fetch.with_key("one")(1)]


async def one_with_another_key() -> list[int]:
    return [await fetch.with_key("first")(1), await fetch.with_key("two")(2)]


async def one_without_key() -> list[int]:
    return [await fetch.with_key("one")(1), await fetch(2)]


async def last_with_key() -> list[int]:
    return [await fetch(1), await fetch(2), await load.with_key("three")(3)]


async def key_then_place() -> list[int]:
    return [await fetch.with_key("one")(1), await load(3)]


async def place_then_place() -> list[int]:
    return [await fetch(1), await load(3)]


change("a recorded step gets an explicit key", MISMATCH, three, last_with_key)
change(
    "a recorded step loses its explicit key, and steps behind it are recorded",
    MISMATCH,
    key_then_place,
    place_then_place,
)
change(
    "the last recorded step loses its explicit key",
    AGAIN,
    two_with_keys,
    one_without_key,
    result=[10, 20],
    executed=("fetch 1", "fetch 2", "fetch 2"),
)
change(
    "the explicit key of a recorded step changes",
    AGAIN,
    two_with_keys,
    one_with_another_key,
    result=[10, 20],
    executed=("fetch 1", "fetch 2", "fetch 1"),
)
change(
    "steps with explicit keys change places",
    GOES_ON,
    two_with_keys,
    two_with_keys_exchanged,
    result=[20, 10],
    executed=("fetch 1", "fetch 2"),
)

# --- branches --------------------------------------------------------------------------------------------------------


async def two_branches() -> list[int]:
    return list(await asyncio.gather(fetch(1), fetch(2)))


async def one_branch_more() -> list[int]:
    return list(await asyncio.gather(fetch(1), fetch(2), fetch(3)))


async def one_branch_before() -> list[int]:
    return list(await asyncio.gather(fetch(0), fetch(1), fetch(2)))


async def last_branch_removed() -> list[int]:
    return list(await asyncio.gather(fetch(1)))


async def first_branch_removed() -> list[int]:
    return list(await asyncio.gather(fetch(2)))


async def branches_exchanged() -> list[int]:
    return list(await asyncio.gather(fetch(2), fetch(1)))


async def named_draw(name: str) -> tuple[str, int]:
    return name, await draw()


async def drawing_branches() -> dict[str, int]:
    return dict(await asyncio.gather(named_draw("left"), named_draw("right")))


async def drawing_branches_exchanged() -> dict[str, int]:
    return dict(await asyncio.gather(named_draw("right"), named_draw("left")))


async def two_in_turn() -> list[int]:
    return [await fetch(1), await fetch(2)]


TWO = ("fetch 1", "fetch 2")
TWICE = ("fetch 1", "fetch 1", "fetch 2", "fetch 2")

change(
    "a branch is added behind the others",
    GOES_ON,
    two_branches,
    one_branch_more,
    result=[10, 20, 30],
    executed=(*TWO, "fetch 3"),
)
change("a branch is added before others that have records", MISMATCH, two_branches, one_branch_before)
change("the last branch is removed", GOES_ON, two_branches, last_branch_removed, result=[10], executed=TWO)
change("a branch is removed before others that have records", MISMATCH, two_branches, first_branch_removed)
change("branches change places", MISMATCH, two_branches, branches_exchanged)
change(
    "branches change places whose steps have the same names and arguments",
    GOES_ON,
    drawing_branches,
    drawing_branches_exchanged,
    result={"right": 1, "left": 2},
    executed=("draw", "draw"),
)
change(
    "recorded steps that followed each other run side by side now",
    AGAIN,
    two_in_turn,
    two_branches,
    result=[10, 20],
    executed=TWICE,
)
change(
    "recorded steps that ran side by side follow each other now",
    AGAIN,
    two_branches,
    two_in_turn,
    result=[10, 20],
    executed=TWICE,
)

# --- loops -----------------------------------------------------------------------------------------------------------


async def loop_of_two() -> list[int]:
    return [await fetch(page) for page in (1, 2)]


async def loop_of_three() -> list[int]:
    return [await fetch(page) for page in (1, 2, 3)]


async def loop_of_one() -> list[int]:
    return [await fetch(page) for page in (1,)]


async def loop_of_two_and_load() -> list[int]:
    return [*await loop_of_two(), await load(3)]


async def loop_of_three_and_load() -> list[int]:
    return [*await loop_of_three(), await load(3)]


async def loop_of_one_and_load() -> list[int]:
    return [*await loop_of_one(), await load(3)]


change(
    "a loop becomes longer, and nothing behind it is recorded",
    GOES_ON,
    loop_of_two,
    loop_of_three,
    result=[10, 20, 30],
    executed=(*TWO, "fetch 3"),
)
change(
    "a loop becomes longer, and steps behind it are recorded", MISMATCH, loop_of_two_and_load, loop_of_three_and_load
)
change(
    "a loop becomes shorter, and nothing behind it is recorded",
    GOES_ON,
    loop_of_two,
    loop_of_one,
    result=[10],
    executed=TWO,
)
change("a loop becomes shorter, and steps behind it are recorded", MISMATCH, loop_of_two_and_load, loop_of_one_and_load)

# --- waits and values ------------------------------------------------------------------------------------------------


async def sleeping_an_hour() -> list[int]:
    started = now()
    await fetch(1)
    await sleep(hours=1)
    await fetch(2)
    return [round((now() - started).total_seconds()) // 3600]


async def sleeping_a_day() -> list[int]:
    started = now()
    await fetch(1)
    await sleep(days=1)
    await fetch(2)
    return [round((now() - started).total_seconds()) // 3600]


async def sleeping_until() -> list[int]:
    started = now()
    await fetch(1)
    await sleep_until(datetime(2000, 1, 1, tzinfo=UTC))
    await fetch(2)
    return [round((now() - started).total_seconds()) // 3600]


async def checking() -> list[int]:
    return [checkpoint("size", 5), await fetch(1)]


async def checking_by_another_name() -> list[int]:
    return [checkpoint("length", 5), await fetch(1)]


async def checking_another_value() -> list[int]:
    return [checkpoint("size", 6), await fetch(1)]


async def telling_the_time_first() -> list[int]:
    now()
    return await three()


change(
    "the duration of a sleep changes that has begun",
    GOES_ON,
    sleeping_an_hour,
    sleeping_a_day,
    recorded=PARKED,
    result=[1],
    executed=TWO,
)
change(
    "the duration of a sleep changes that has not begun",
    GOES_ON,
    sleeping_an_hour,
    sleeping_a_day,
    recorded="0/fetch#1",
    result=[24],
    executed=TWO,
)
change("a `sleep` that has begun becomes a `sleep_until`", MISMATCH, sleeping_an_hour, sleeping_until, recorded=PARKED)
change("a recorded checkpoint is renamed", MISMATCH, checking, checking_by_another_name)
change(
    "a recorded checkpoint is given another value",
    GOES_ON,
    checking,
    checking_another_value,
    result=[5, 10],
    executed=("fetch 1",),
)
change("`now()`, `random()` or `uuid4()` is added before something recorded", MISMATCH, three, telling_the_time_first)
change("the minor version of Python changes", MISMATCH, three, three, recorded_with="3.10")
