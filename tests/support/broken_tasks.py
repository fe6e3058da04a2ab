"""Tasks whose code or values are wrong in some way."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
from dataclasses import dataclass
from typing import Any

from holdfast import NonRetryableError, Retry, RetryAfter, step, task
from holdfast.contract.limits import RESULT_LIMIT_BYTES

ODD_TEXT = "nul \0, surrogate \ud800, squid 🦑, line\u2028end, \x1b[31mred"


@dataclass
class Order:
    id: str
    cents: int


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words for it")


class Picky(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class Rude(BaseException):
    pass


@task
async def typed(order: Order, count: int = 1, tags: list[str] | None = None) -> int:
    return order.cents * count


@step
async def give(kind: str) -> Any:
    return _value(kind)


@task
async def step_gives(kind: str) -> Any:
    await give("fine")
    await give(kind)


@task
async def task_gives(kind: str) -> Any:
    await give("fine")
    return _value(kind)


def _value(kind: str) -> Any:
    match kind:
        case "object":
            return {"orders": [{"id": 1, "handle": threading.Lock()}]}
        case "nan":
            return [1.0, float("nan")]
        case "recursive":
            nest: list[Any] = []
            nest.append(nest)
            return nest
        case "deep":
            deep: list[Any] = []
            for _ in range(100_000):
                deep = [deep]
            return deep
        case "too large":
            return "x" * (RESULT_LIMIT_BYTES - 1)
        case "just fits":
            return "x" * (RESULT_LIMIT_BYTES - 2)
        case "odd text":
            return {ODD_TEXT: ODD_TEXT}
        case "generator":
            return (number for number in range(3))
    return kind


@step
async def fail(kind: str) -> None:
    _raise(kind)


@task
async def step_raises(kind: str) -> None:
    await fail(kind)


@task
async def task_raises(kind: str) -> None:
    _raise(kind)


@task
def thread_raises(kind: str) -> None:
    _raise(kind)


@task
async def child_raises(kind: str) -> None:
    async def child() -> None:
        _raise(kind)

    async with asyncio.TaskGroup() as group:
        group.create_task(child())


def _raise(kind: str) -> None:
    match kind:
        case "odd text":
            raise ValueError(ODD_TEXT, {"lock": threading.Lock()})
        case "unspeakable":
            raise Unspeakable
        case "picky":
            raise Picky(code=7)
        case "rude":
            raise Rude("good bye")
        case "exit":
            sys.exit(3)
        case "exit in words":
            sys.exit("cannot go on")
        case "exit quietly":
            sys.exit()
        case "interrupt":
            raise KeyboardInterrupt
        case "generator exit":
            raise GeneratorExit
        case "stop iteration":
            raise StopIteration("the value")
        case "cancelled":
            raise asyncio.CancelledError
        case "group":
            raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
        case "huge":
            raise ValueError("x" * 1_000_000)
        case "recursion":
            _raise(kind)
        case "retry after":
            raise RetryAfter(1234.5, "the service is down until then")
        case "pointless":
            raise NonRetryableError("the card was stolen")
        case "assertion":
            raise AssertionError
    raise RuntimeError(kind)


@task
async def is_unlucky(times: int) -> int:
    tries = itertools.count(1)

    @step(retry=Retry(max_attempts=3, backoff=0.0))
    async def unlucky() -> int:
        number = next(tries)
        if number < times:
            raise ConnectionError(f"try {number}")
        return number

    return await unlucky()


@step(key=lambda key: key)
async def keyed(key: str) -> str:
    return "recorded"


@task
async def odd_key(key: str) -> str:
    return await keyed(key.replace("\\ud800", "\ud800"))


@step(name="n" * 200)
async def nest(depth: int) -> int:
    return 0 if depth == 0 else 1 + await nest(depth - 1)


@task
async def nests(depth: int) -> int:
    return await nest(depth)


@step(retry=Retry(max_attempts=3, backoff=0.0))
async def keyed_alike_inside() -> None:
    await keyed("one")
    await keyed("one")


@task
async def keys_alike(*, inside: bool) -> None:
    """Two calls claim one key: there is no telling which record is whose."""
    await keyed("one")
    await (keyed_alike_inside() if inside else keyed("one"))
