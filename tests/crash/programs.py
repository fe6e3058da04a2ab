"""Programs that are drawn by chance: trees of constructs, and tasks that carry them out.

A program is JSON, so that it travels as the input of a run: ``[kind, ...]``, see ``Draw``. Its answer can be told
without running it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from random import Random
from typing import Any

from holdfast import Retry, checkpoint, gather, now, random, sleep, step, task, uuid4
from tests.crash.steps import (
    Broken,
    broken,
    broken_deed,
    broken_deed_until,
    broken_until,
    deed,
    endless,
    flaky,
    flaky_deed,
    keyed,
    large,
    large_deed,
    wiggle,
    work,
)
from tests.support.oracle import began, effect

Program = list[Any]

ATTEMPTS = Retry(max_attempts=50, backoff=0.0)

LARGE = 70_000
MOMENT_SECONDS = 0.02
LONG_SECONDS = 600.0


class Draw:
    """Draws programs.

    Args:
        chance: where every choice comes from.
        is_async: for the task ``carry_out``; otherwise for ``carry_out_def``.
        size: about how many steps a program has.
    """

    def __init__(self, chance: Random, *, is_async: bool, size: int) -> None:
        self._chance = chance
        self._is_async = is_async
        self._left = size
        self._labels = count(1)

    def program(self) -> Program:
        """Return a sequence of parts."""
        parts = []
        while self._left > 0:
            parts.append(self._part(depth=3))
        return ["sequence", parts]

    def _part(self, depth: int, *, in_race: bool = False) -> Program:
        self._left -= 1
        leaves = _DEF_LEAVES if not self._is_async else _RACING_LEAVES if in_race else _ASYNC_LEAVES
        trees = _ASYNC_TREES if self._is_async else _DEF_TREES
        if depth == 0 or self._left <= 0 or self._chance.random() < 0.55:
            leaf = self._chance.choice(leaves)
            return [leaf, self._label(must_be_unique=leaf == "keyed"), self._chance.randrange(3)]
        tree = self._chance.choice(trees)
        in_race = in_race or tree in _RACES
        return [tree, [self._part(depth - 1, in_race=in_race) for _ in range(self._chance.randint(1, 3))]]

    def _label(self, *, must_be_unique: bool) -> str:
        unique = f"x{next(self._labels)}"
        return unique if must_be_unique or self._chance.random() < 0.5 else "same"


def answer(program: Program) -> Any:
    """What the program returns when nothing goes wrong."""
    kind, what, *_ = program
    if kind in ("nested", "deed_nested"):
        return [f"in {len(what)}", [answer(part) for part in what]]
    if isinstance(what, list):
        return [answer(part) for part in what]
    if kind in ("large", "large_deed"):
        return LARGE * len(what)
    if kind in ("broken", "broken_deed"):
        return f"caught {what}"
    if kind in ("values", "deed_values"):
        return True
    if kind == "in_vain":
        return f"done instead of {what}"
    return f"done {what}"


@task(retry=ATTEMPTS)
async def carry_out(program: Program) -> Any:
    """Run an asynchronous program."""
    return await run(program)


@task(retry=ATTEMPTS)
def carry_out_def(program: Program) -> Any:
    """Run a ``def`` program."""
    return run_def(program)


@step
async def nested(program: Program) -> Any:
    """A step whose body is a program."""
    began(str(program))
    inner = [await run(part) for part in program]
    effect(str(program))
    return [f"in {len(program)}", inner]


@step
def deed_nested(program: Program) -> Any:
    """The same for ``def`` programs."""
    began(str(program))
    inner = [run_def(part) for part in program]
    effect(str(program))
    return [f"in {len(program)}", inner]


async def run(program: Program) -> Any:
    """Carry out one node of an asynchronous program."""
    kind, what, *more = program
    if kind == "nested":
        return await nested(what)
    if kind == "sequence":
        return [await run(part) for part in what]
    if isinstance(what, list):
        return await _SIDE_BY_SIDE[kind]([partial(run, part) for part in what])
    return await _LEAVES[kind](what, more[0])


def run_def(program: Program) -> Any:
    """Carry out one node of a ``def`` program."""
    kind, what, *more = program
    if kind == "deed_nested":
        return deed_nested(what)
    if kind == "sequence":
        return [run_def(part) for part in what]
    if isinstance(what, list):
        return _IN_THREADS[kind](what)
    return _DEF_LEAF[kind](what, more[0])


# --- leaves ----------------------------------------------------------------------------------------------------------


async def _work(label: str, _: int) -> str:
    return await work(label)


async def _deed(label: str, _: int) -> str:
    return deed(label)


async def _in_thread(label: str, _: int) -> str:
    return await asyncio.to_thread(deed, label)


async def _flaky(label: str, failures: int) -> str:
    return await flaky(label, failures)


async def _large(label: str, _: int) -> int:
    return len(await large(label, LARGE))


async def _broken(label: str, _: int) -> str:
    try:
        return await broken(label)
    except Broken as error:
        return f"caught {error}"


async def _waited(label: str, _: int) -> str:
    return await asyncio.wait_for(work(label), LONG_SECONDS)


async def _timely(label: str, _: int) -> str:
    async with asyncio.timeout(LONG_SECONDS):
        return await work(label)


async def _in_vain(label: str, _: int) -> str:
    try:
        return await asyncio.wait_for(endless(label), MOMENT_SECONDS)
    except TimeoutError:
        return await work(f"instead of {label}")


async def _race(label: str, _: int) -> str:
    runners = [asyncio.create_task(endless("loser")), asyncio.create_task(work(label))]
    done, pending = await asyncio.wait(runners, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each
    return done.pop().result()


async def _values(label: str, _: int) -> bool:
    draw, moment = random(), now()
    found = await work(f"{label} {draw} {moment}")
    kept = checkpoint("kept", str(uuid4()))
    return found == f"done {label} {draw} {moment}" and await work(kept) == f"done {kept}"


async def _keyed(label: str, _: int) -> str:
    return await keyed(label)


async def _fatal(label: str, _: int) -> str:
    """Ends the first attempt that comes so far."""
    return await broken_until(label, 1)


async def _sleep(label: str, hours: int) -> str:
    await sleep(hours=hours + 1)
    return await work(label)


# --- trees -----------------------------------------------------------------------------------------------------------

Branch = Callable[[], Coroutine[Any, Any, Any]]
Branches = list[Branch]


async def _gather(branches: Branches) -> list[Any]:
    return list(await asyncio.gather(*(branch() for branch in branches)))


async def _holdfast_gather(branches: Branches) -> list[Any]:
    return await gather(*(branch() for branch in branches))


async def _group(branches: Branches) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(branch()) for branch in branches]
    return [each.result() for each in tasks]


async def _as_completed(branches: Branches) -> list[Any]:
    numbered = [_numbered(number, branch) for number, branch in enumerate(branches)]
    found = {}
    for earliest in asyncio.as_completed(numbered):
        number, value = await earliest
        await work(f"saw {number}")
        found[number] = value
    return [found[number] for number in range(len(branches))]


async def _first_completed(branches: Branches) -> list[Any]:
    pending = {asyncio.create_task(_numbered(number, branch)) for number, branch in enumerate(branches)}
    found = {}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        await work(f"{sorted(each.result()[0] for each in done)} done")
        found |= dict(each.result() for each in done)
    return [found[number] for number in range(len(branches))]


async def _guarded(branches: Branches) -> list[Any]:
    """Compensates before it passes on the failure."""
    try:
        return [await branch() for branch in branches]
    except Broken as error:
        await work(f"sorry for {error}")
        raise


async def _tidy(branches: Branches) -> list[Any]:
    """Records steps on its way out."""
    try:
        return await gather(*(branch() for branch in branches))
    finally:
        await work("tidy")


async def _numbered(number: int, branch: Branch) -> tuple[int, Any]:
    await wiggle()
    return number, await branch()


def _threads(programs: list[Program]) -> list[Any]:
    found: list[Any] = [None] * len(programs)
    errors: list[BaseException] = []

    def one(number: int) -> None:
        try:
            found[number] = run_def(programs[number])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(programs))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for error in errors:
        raise error
    return found


def _pool(programs: list[Program]) -> list[Any]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run_def, programs))


# --- by kind ---------------------------------------------------------------------------------------------------------


def _broken_deed(label: str, _: int) -> str:
    try:
        return broken_deed(label)
    except Broken as error:
        return f"caught {error}"


def _deed_values(label: str, _: int) -> bool:
    draw, moment = random(), now()
    return deed(f"{label} {draw} {moment}") == f"done {label} {draw} {moment}"


def _deed_sleep(label: str, hours: int) -> str:
    sleep(hours=hours + 1)
    return deed(label)


_LEAVES: dict[str, Callable[[str, int], Coroutine[Any, Any, Any]]] = {
    "work": _work,
    "deed": _deed,
    "in_thread": _in_thread,
    "flaky": _flaky,
    "large": _large,
    "broken": _broken,
    "waited": _waited,
    "timely": _timely,
    "in_vain": _in_vain,
    "race": _race,
    "values": _values,
    "keyed": _keyed,
    "fatal": _fatal,
    "sleep": _sleep,
}
_SIDE_BY_SIDE: dict[str, Callable[[Branches], Coroutine[Any, Any, list[Any]]]] = {
    "gather": _gather,
    "holdfast_gather": _holdfast_gather,
    "group": _group,
    "as_completed": _as_completed,
    "first_completed": _first_completed,
    "guarded": _guarded,
    "tidy": _tidy,
}
_DEF_LEAF: dict[str, Callable[[str, int], Any]] = {
    "deed": lambda label, _: deed(label),
    "flaky_deed": flaky_deed,
    "large_deed": lambda label, _: len(large_deed(label, LARGE)),
    "broken_deed": _broken_deed,
    "deed_values": _deed_values,
    "deed_sleep": _deed_sleep,
    "fatal_deed": lambda label, _: broken_deed_until(label, 1),
}
_IN_THREADS: dict[str, Callable[[list[Program]], list[Any]]] = {"threads": _threads, "pool": _pool}

_ASYNC_LEAVES = [*_LEAVES, "work", "work", "work"]
_RACES = ("as_completed", "first_completed")
# a `def` step on the event loop blocks what would give it its turn, so it must not race (ADR 9)
_RACING_LEAVES = [leaf for leaf in _ASYNC_LEAVES if leaf != "deed"]
_ASYNC_TREES = [*_SIDE_BY_SIDE, "nested", "sequence"]
_DEF_LEAVES = [*_DEF_LEAF, "deed", "deed"]
_DEF_TREES = [*_IN_THREADS, "deed_nested", "sequence"]
