"""The control plane's calls on a real database."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from holdfast.domain.errors import (
    ConflictError,
    InputError,
    LimitError,
    MigrationError,
    NotFoundError,
    WrongStateError,
)
from holdfast.domain.states import State
from holdfast_engine.control.options import TriggerOptions
from holdfast_engine.control.plane import ControlPlane
from tests.support.databases import Database

SCHEMA = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "items": {"type": "array", "items": {"type": "integer"}}},
    "required": ["order_id"],
    "additionalProperties": False,
}


@pytest.fixture
async def plane(plane: ControlPlane) -> ControlPlane:
    """It knows the task `order`."""
    await plane.put_task("order", entrypoint="shop:order", input_schema=SCHEMA)
    return plane


async def test_a_trigger_accepts_a_run_that_is_then_seen(plane: ControlPlane) -> None:
    triggered = await plane.trigger("order", {"order_id": "42"}, TriggerOptions(priority=7, tags=("vip",)))

    assert triggered.created
    run = await plane.get(triggered.name)
    assert (run.id, run.state, run.entrypoint, run.priority, run.tags, run.input) == (
        triggered.run_id,
        State.QUEUED,
        "shop:order",
        7,
        ("vip",),
        {"order_id": "42"},
    )
    assert [view.id for view in await plane.runs()] == [run.id]


async def test_one_idempotency_key_gives_one_run_also_under_concurrency(plane: ControlPlane) -> None:
    options = TriggerOptions(idempotency_key="once")

    answers = await asyncio.gather(*(plane.trigger("order", {"order_id": "1"}, options) for _ in range(8)))

    assert len({answer.run_id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"order_id": 42}, "order_id: 42 is not of type 'string'"),
        ({}, "order_id: missing"),
        ({"order_id": "1", "items": [1, "two"]}, r"items\[1\]: 'two' is not of type 'integer'"),
        ({"order_id": "1", "itms": []}, "itms: no such parameter; did you mean 'items'"),
        ("[1]", "must be a JSON object.*not a list"),
        ("{", "not JSON"),
        ('{"order_id": NaN}', "NaN is no JSON number"),
        ('{"order_id": "\ud800"}', "not valid Unicode"),
    ],
)
async def test_a_bad_input_is_refused_with_its_path_and_makes_no_run(
    plane: ControlPlane, given: Any, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        await plane.trigger("order", given)

    assert await plane.runs() == []


async def test_an_input_over_the_limit_is_refused(plane: ControlPlane) -> None:
    with pytest.raises(LimitError, match="over the limit of 1,048,576 bytes"):
        await plane.trigger("order", {"order_id": "x" * 2**20})


async def test_a_nul_character_in_the_input_survives(plane: ControlPlane) -> None:
    triggered = await plane.trigger("order", {"order_id": "a\0b 🐚"})

    assert (await plane.get(triggered.run_id)).input == {"order_id": "a\0b 🐚"}


@pytest.mark.parametrize("odd", ["nul \0", "half a pair \ud800"], ids=["nul", "surrogate"])
@pytest.mark.parametrize("option", ["name", "queue", "idempotency_key", "concurrency_key", "tags", "entrypoint"])
async def test_an_option_that_no_database_can_hold_is_refused(plane: ControlPlane, option: str, odd: str) -> None:
    options: dict[str, Any] = {option: (odd,) if option == "tags" else odd}

    with pytest.raises(InputError, match="does not fit"):
        await plane.trigger("order", {"order_id": "1"}, TriggerOptions(**options))

    assert await plane.runs() == []


async def test_names_that_no_database_can_hold_are_refused_wherever_they_are_asked_for(plane: ControlPlane) -> None:
    for odd in ("nul \0", "half a pair \ud800"):
        for asked in (plane.trigger(odd, {}), plane.find(odd), plane.find_task(odd), plane.pause_queue(odd)):
            with pytest.raises(InputError):
                await asked


async def test_what_a_database_can_hold_arrives(plane: ControlPlane) -> None:
    options = TriggerOptions(idempotency_key="Schlüssel 🗝", concurrency_key="客 1", tags=("\u2028", "🐚"))

    run = await plane.get((await plane.trigger("order", {"order_id": "1"}, options)).run_id)

    assert (run.idempotency_key, run.tags) == ("Schlüssel 🗝", ("\u2028", "🐚"))


async def test_an_unknown_task_is_refused_with_near_names(plane: ControlPlane) -> None:
    with pytest.raises(NotFoundError, match=r"(?s)No task 'ordr'.*Did you mean order"):
        await plane.trigger("ordr", {})


async def test_a_taken_name_is_refused(plane: ControlPlane) -> None:
    await plane.trigger("order", {"order_id": "1"}, TriggerOptions(name="mine"))

    with pytest.raises(ConflictError, match="'mine' exists already"):
        await plane.trigger("order", {"order_id": "2"}, TriggerOptions(name="mine"))


async def test_a_value_out_of_its_bounds_is_refused(plane: ControlPlane) -> None:
    with pytest.raises(LimitError, match="max_attempts"):
        await plane.trigger("order", {"order_id": "1"}, TriggerOptions(max_attempts=0))


@pytest.mark.parametrize("seconds", [float("inf"), float("nan")])
async def test_an_endless_number_of_seconds_is_refused_by_its_name(plane: ControlPlane, seconds: float) -> None:
    with pytest.raises(InputError, match="delay_seconds must be a finite number"):
        await plane.trigger("order", {"order_id": "1"}, TriggerOptions(delay_seconds=seconds))


async def test_a_run_is_found_by_id_by_prefix_and_by_name(plane: ControlPlane) -> None:
    run_id = (await plane.trigger("order", {"order_id": "1"}, TriggerOptions(name="first"))).run_id
    await plane.trigger("order", {"order_id": "2"})

    assert await plane.find(str(run_id)) == run_id
    assert await plane.find(str(run_id)[:-2]) == run_id
    assert await plane.find("first") == run_id
    with pytest.raises(ConflictError, match="Several runs"):
        await plane.find(str(run_id)[:4])
    with pytest.raises(NotFoundError, match="No run 'nobody'"):
        await plane.find("nobody")


async def test_runs_are_listed_by_state_task_and_queue_page_by_page(plane: ControlPlane) -> None:
    names = [
        (await plane.trigger("order", {"order_id": str(n)}, TriggerOptions(queue=f"q{n % 2}"))).name for n in range(6)
    ]
    await plane.cancel(names[0])

    newest = await plane.runs(limit=2)
    rest = await plane.runs(before=newest[-1].id)
    assert [run.name for run in newest + rest] == names[::-1]
    assert [run.name for run in await plane.runs(state=State.CANCELED)] == [names[0]]
    assert [run.name for run in await plane.runs(queue="q1")] == names[5::-2]
    assert await plane.runs(task="other") == []


async def test_a_request_that_the_state_does_not_allow_is_refused(plane: ControlPlane) -> None:
    run = await plane.trigger("order", {"order_id": "1"})

    with pytest.raises(WrongStateError, match="only a dead letter can be resumed"):
        await plane.resume(run.run_id)


async def test_suspend_unsuspend_cancel_and_replay(plane: ControlPlane) -> None:
    run = await plane.trigger("order", {"order_id": "1"})

    assert await plane.suspend(run.name) is State.SUSPENDED
    assert await plane.unsuspend(run.name) is State.QUEUED
    assert await plane.cancel(run.name) is State.CANCELED
    again = await plane.replay(run.name)
    assert (await plane.get(again.name)).replay_of == run.run_id


async def test_following_a_run_shows_each_state_until_it_is_final(plane: ControlPlane) -> None:
    run = await plane.trigger("order", {"order_id": "1"})
    seen = []

    async for view in plane.follow(run.run_id):
        seen.append(view.state)
        if view.state is State.QUEUED:
            await plane.suspend(run.run_id)
        elif view.state is State.SUSPENDED:
            await plane.cancel(run.run_id)

    assert seen == [State.QUEUED, State.SUSPENDED, State.CANCELED]


async def test_waiting_survives_the_loss_of_every_connection(plane: ControlPlane, database: Database) -> None:
    run = await plane.trigger("order", {"order_id": "1"})
    waiting = asyncio.create_task(plane.wait(run.run_id))
    other = await database.connect()
    await other.fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()",
        database.name,
    )

    await other.fetchval("select holdfast.cancel_run($1)", run.run_id)

    assert (await waiting).state is State.CANCELED


async def test_queues_are_put_listed_paused_and_resumed(plane: ControlPlane) -> None:
    assert await plane.put_queue("mail", concurrency=3) == "created"
    assert await plane.put_queue("mail", concurrency=3) == "unchanged"
    assert await plane.put_queue("mail", concurrency=4, starts_per_minute=60) == "configured"
    await plane.trigger("order", {"order_id": "1"}, TriggerOptions(queue="mail"))
    await plane.pause_queue("mail")

    (queue,) = await plane.queues()
    assert (queue.name, queue.concurrency, queue.starts_per_minute, queue.paused, queue.depth, queue.running) == (
        "mail",
        4,
        60,
        True,
        1,
        0,
    )
    await plane.resume_queue("mail")
    assert not (await plane.queues())[0].paused
    with pytest.raises(NotFoundError, match="Did you mean mail"):
        await plane.pause_queue("mial")


async def test_a_task_with_a_schema_that_is_none_is_refused(plane: ControlPlane) -> None:
    with pytest.raises(InputError, match="is no JSON Schema"):
        await plane.put_task("bad", entrypoint="m:f", input_schema={"type": "strung"})


async def test_an_empty_database_is_told_from_an_unknown_run(empty_database: Database) -> None:
    async with asyncpg.create_pool(empty_database.dsn, min_size=1, max_size=1) as pool:
        with pytest.raises(MigrationError, match="holdfast migrate"):
            await ControlPlane(pool).runs()
