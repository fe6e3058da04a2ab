"""Explicit keys inside of a step that is tried again: what succeeded is not executed again, what failed is."""

from __future__ import annotations

from holdfast import Retry, step, task
from holdfast.testing import TaskEnvironment
from tests.support.databases import Database

AGAIN = Retry(max_attempts=3, backoff=0.0)

executed: list[str] = []


@step(key=lambda name: name)
async def reserve(name: str) -> str:
    executed.append(name)
    return name


@step(key=lambda name: name)
def reserve_def(name: str) -> str:
    executed.append(name)
    return name


@step(retry=AGAIN)
async def order() -> list[str]:
    reserved = [await reserve("seat"), reserve_def("seat/window")]
    executed.append("order")
    if executed.count("order") < 3:
        raise ConnectionError("the next try may do better")
    return reserved


@step(key=lambda name: name)
async def pay(name: str) -> str:
    receipt = await reserve(f"{name} by card")
    executed.append(name)
    if executed.count(name) < 3:
        raise ConnectionError("the next try may do better")
    return receipt


@step(retry=AGAIN)
async def payment() -> str:
    return await pay("ticket")


@task
async def payments() -> str:
    return await payment()


@task
async def orders() -> list[str]:
    return await order()


async def test_a_failure_is_executed_again(shared_database: Database) -> None:
    executed.clear()
    async with TaskEnvironment(shared_database.dsn) as environment:
        result = await environment.run(payments)
    assert result.state == "Succeeded", result.message
    assert result.result == "ticket by card"
    assert executed == ["ticket by card", "ticket", "ticket", "ticket"]


async def test_a_success_keeps_its_result(shared_database: Database) -> None:
    executed.clear()
    async with TaskEnvironment(shared_database.dsn) as environment:
        result = await environment.run(orders)
    assert result.state == "Succeeded", result.message
    assert result.result == ["seat", "seat/window"]
    assert executed == ["seat", "seat/window", "order", "order", "order"]
