"""Programs whose recorded histories are kept: every later version has to replay them. Change none; add new ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from holdfast import (
    NonRetryableError,
    Retry,
    Task,
    checkpoint,
    create_token,
    now,
    patched,
    random,
    sleep,
    step,
    task,
    trigger_and_wait,
    uuid4,
    wait_for_token,
)

executed: list[str] = []
"""The bodies of steps that were executed in this process."""


class Color(Enum):
    RED = "red"


@dataclass
class Line:
    item: str
    price: Decimal


class Order(BaseModel):
    id: UUID
    lines: list[Line]
    due: date


class OutOfStockError(Exception):
    pass


@step
async def golden_fetch(page: int) -> int:
    executed.append(f"fetch {page}")
    return page * 10


@step
async def golden_order(id: UUID, color: Color) -> Order:
    executed.append("order")
    return Order(id=id, lines=[Line("lamp", Decimal("12.50"))], due=date(2030, 1, 2))


@step
async def golden_values(
    data: bytes, tags: frozenset[str], at: datetime, by_key: dict[str, tuple[int, ...]]
) -> tuple[bytes, frozenset[str], datetime, timedelta, dict[str, tuple[int, ...]], None, float]:
    executed.append("values")
    return data, tags, at, timedelta(days=1, microseconds=3), by_key, None, 0.1


@step
async def golden_large(characters: int) -> str:
    executed.append("large")
    return "é" + "x" * (characters - 1)


@step
async def golden_failing(item: str) -> int:
    executed.append("failing")
    raise OutOfStockError(item)


@step(retry=Retry(max_attempts=3, backoff=0.001))
async def golden_flaky() -> int:
    executed.append("flaky")
    if executed.count("flaky") < 3:
        raise ConnectionError("not yet")
    return executed.count("flaky")


@step
async def golden_outer(pages: int) -> list[int]:
    executed.append("outer")
    return [await golden_fetch(page) for page in range(pages)]


@step
def golden_parse(text: str) -> int:
    executed.append(f"parse {text}")
    return int(text)


@task
async def golden_sequence(pages: int) -> list[int]:
    return [await golden_fetch(page) for page in range(pages)]


@task
async def golden_types() -> dict[str, Any]:
    order = await golden_order(await golden_id(), Color.RED)
    data, tags, at, span, by_key, nothing, tenth = await golden_values(
        b"\0\xff", frozenset({"b", "a"}), datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC), {"one": (1, 2)}
    )
    assert (type(order), type(data), type(tags), type(at)) == (Order, bytes, frozenset, datetime)
    large = await golden_large(70_000)
    total = sum(line.price for line in order.lines)
    return {"total": str(total), "tags": sorted(tags), "at": at.isoformat(), "span": span.total_seconds(),
            "one": list(by_key["one"]), "nothing": nothing, "tenth": tenth, "large": len(large)}  # fmt: skip


@step
async def golden_id() -> UUID:
    executed.append("id")
    return UUID(int=42)


@task
async def golden_branches() -> list[list[int]]:
    async def branch(number: int) -> list[int]:
        return [await golden_fetch(number), *await golden_outer(number)]

    first = list(await asyncio.gather(*map(branch, (1, 2, 3))))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(golden_fetch(number)) for number in (7, 8)]
    order = [await each for each in asyncio.as_completed([golden_fetch(number) for number in (11, 12, 13)])]
    return [*first, [task.result() for task in tasks], sorted(order)]


@task
async def golden_failures() -> list[object]:
    caught: list[object] = []
    try:
        await golden_failing("lamp")
    except OutOfStockError as error:
        caught.append(str(error))
    caught.append(await golden_flaky())
    try:
        async with asyncio.timeout(0.01):
            await golden_never()
    except TimeoutError:
        caught.append("timeout")
    return caught


@step
async def golden_never() -> None:
    executed.append("never")
    await asyncio.Event().wait()


@task
async def golden_dead_letter() -> int:
    await golden_fetch(1)
    raise NonRetryableError(f"nothing for {await golden_fetch(2)}")


@task
async def golden_recorded_values() -> list[object]:
    started, number, id = now(), random(), uuid4()
    kept = checkpoint("kept", {"n": [1, 2]})
    await sleep(days=3)
    is_new = patched("golden")
    waited = now() - started
    assert 0 <= number < 1
    assert id.version == 4
    return [kept, is_new, waited >= timedelta(days=3), await golden_fetch.with_key("page-5")(5)]


@task
def golden_threads() -> list[int]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        return [golden_parse("1"), *pool.map(golden_parse, ["2", "3", "4"])]


@task
async def golden_child(page: int) -> int:
    return await golden_fetch(page)


@task
async def golden_family() -> list[object]:
    token = await create_token(timeout=60)
    child = await trigger_and_wait(golden_child, {"page": 3})
    try:
        await wait_for_token(token, str)
    except TimeoutError as error:
        return [child, type(error).__name__]
    return [child]


golden: dict[Task[..., Any], dict[str, object]] = {
    golden_sequence: {"pages": 5},
    golden_types: {},
    golden_branches: {},
    golden_failures: {},
    golden_dead_letter: {},
    golden_recorded_values: {},
    golden_threads: {},
    golden_family: {},
}
