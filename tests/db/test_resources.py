"""Runs that are a TaskRun in a cluster: one uid is one run, names are given up, commands are opened from outside."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg

from holdfast_engine.postgres.queries import queries
from tests.support.databases import Database
from tests.support.runs import LAUNCHER, admit, trigger

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

COMMAND = {"entrypoint": None, "template": {"command": ["make"]}}


async def _query(connection: Connection, name: str, *arguments: object) -> list[asyncpg.Record]:
    return await connection.fetch(queries()[name].text, *arguments)


async def _run(connection: Connection, run_id: UUID) -> asyncpg.Record:
    row = await connection.fetchrow("select * from holdfast.runs where id = $1", run_id)
    assert row is not None
    return row


async def _read(
    connection: Connection, *, uid: str = "", name: str = "", run_id: UUID | None = None
) -> list[asyncpg.Record]:
    return await _query(connection, "read_resource_runs", [uid], ["shop"], [name], [run_id])


async def test_the_same_resource_is_the_same_run(database: Database) -> None:
    connection = await database.connect()
    uid = str(uuid4())
    first = await trigger(connection, name="order-42", resource_uid=uid)
    again = await trigger(connection, name="order-42", resource_uid=uid)
    assert first == again
    assert (await _run(connection, first))["resource_uid"] == uid


async def test_many_triggers_of_one_resource_at_once_are_one_run(database: Database) -> None:
    uid = str(uuid4())
    connections = [await database.connect() for _ in range(8)]
    ids = await asyncio.gather(*(trigger(each, name="order-42", resource_uid=uid) for each in connections))
    assert len(set(ids)) == 1


async def test_a_name_that_is_released_can_be_taken_again(database: Database) -> None:
    connection = await database.connect()
    old = await trigger(connection, name="order-42", resource_uid="old")
    [(state,)] = await _query(connection, "release_name", old)
    new = await trigger(connection, name="order-42", resource_uid="new")
    run = await _run(connection, old)
    assert (state, run["state"]) == ("Canceled", "Canceled")
    assert run["name"] == f"order-42-{old}"
    assert (await _run(connection, new))["name"] == "order-42"
    # after a crash it is done again, and changes nothing
    await _query(connection, "release_name", old)
    assert await _run(connection, old) == run


async def test_a_long_name_is_cut_when_it_is_released(database: Database) -> None:
    connection = await database.connect()
    old = await trigger(connection, name="n" * 253)
    await _query(connection, "release_name", old)
    name = (await _run(connection, old))["name"]
    assert len(name) == 253
    assert name.endswith(str(old))


async def test_a_run_from_code_is_bound_to_one_resource(database: Database) -> None:
    connection = await database.connect()
    run_id = await trigger(connection)
    assert (await _query(connection, "bind_resource", run_id, "first"))[0][0] == "first"
    assert (await _query(connection, "bind_resource", run_id, "second"))[0][0] == "first"


async def test_a_resource_has_the_run_of_its_uid_its_name_and_its_status(database: Database) -> None:
    connection = await database.connect()
    own = await trigger(connection, name="renamed", resource_uid="uid")
    named = await trigger(connection, name="order-42", resource_uid="older")
    shown = await trigger(connection, name="other")
    rows = await _read(connection, uid="uid", name="order-42", run_id=shown)
    assert {row["id"] for row in rows} == {own, named, shown}
    rows = await _read(connection, uid="uid", name="renamed", run_id=own)
    assert [row["id"] for row in rows] == [own]
    assert await _read(connection, uid="nobody", name="nobody") == []


async def test_attempts_and_the_checkpoint_come_along(database: Database) -> None:
    connection = await database.connect()
    run_id = await trigger(connection, resource_uid="uid")
    for number in range(1, 13):
        await connection.execute("update holdfast.runs set state = 'Queued', queued_at = now() where state = 'Backoff'")
        await admit(connection)
        await connection.execute(
            "select holdfast.end_attempt($1, $2, 'Disruption', 'PodDeleted', 'deleted')", run_id, number
        )
    await connection.execute(
        """
        insert into holdfast.steps
            (run_id, key, sequence, position, attempt, tries, recorded_at, elapsed_ms, kind, outcome, name)
        values ($1, 'a', 1, 1, 1, 1, now(), 1, 'step', 'Succeeded', 'pick'),
               ($1, 'b', 2, 2, 1, 1, now(), 1, 'step', 'Succeeded', 'pack'),
               ($1, 'c', 3, 3, 1, 1, now(), 1, 'step', 'Retrying', 'send')
        """,
        run_id,
    )
    [row] = await _read(connection, uid="uid")
    attempts = json.loads(row["attempts"])
    assert [attempt["number"] for attempt in attempts] == list(range(3, 13))
    assert {attempt["reason"] for attempt in attempts} == {"PodDeleted"}
    assert (row["step_name"], row["recorded_steps"]) == ("pack", 2)


async def test_the_sweep_sees_the_active_runs_that_are_resources(database: Database) -> None:
    connection = await database.connect()
    active = await trigger(connection, name="active", resource_uid="active")
    over = await trigger(connection, name="over", resource_uid="over")
    await trigger(connection, name="from-code")
    await connection.execute("select holdfast.cancel_run($1)", over)
    assert [row["id"] for row in await _query(connection, "active_resource_runs", None)] == [active]
    assert [row["id"] for row in await _query(connection, "active_resource_runs", ["shop"])] == [active]
    assert await _query(connection, "active_resource_runs", ["elsewhere"]) == []


async def _command(connection: Connection, **options: Any) -> UUID:
    run_id = await trigger(connection, **COMMAND, **options)
    await admit(connection)
    return run_id


async def test_a_command_is_opened_and_finished_from_outside(database: Database) -> None:
    connection = await database.connect()
    run_id = await _command(connection, attempt_deadline_seconds=60)
    assert [row["state"] for row in await _query(connection, "open_commands", [run_id], [1])] == ["Running"]
    run = await _run(connection, run_id)
    assert run["pending_deadline_at"] is None
    assert run["wake_at"] == run["attempt_deadline_at"]
    assert [row["state"] for row in await _query(connection, "finish_commands", [run_id], [1])] == ["Succeeded"]
    run = await _run(connection, run_id)
    assert (run["state"], run["result"], run["reason"]) == ("Succeeded", "null", "Succeeded")
    attempt = await connection.fetchrow("select * from holdfast.attempts where run_id = $1", run_id)
    assert attempt is not None
    assert (attempt["outcome"], attempt["exit_code"]) == ("Succeeded", 0)


async def test_a_command_that_runs_was_launched_whoever_saw_to_it(database: Database) -> None:
    connection = await database.connect()
    run_id = await _command(connection)
    await _query(connection, "open_commands", [run_id], [1])
    # who launched it died before noting it; its lease never ends, so only this lets a lost pod be found
    assert await _query(connection, "launched_attempts", LAUNCHER) == [(run_id, 1)]


async def test_a_command_that_was_not_seen_to_run_is_finished_too(database: Database) -> None:
    connection = await database.connect()
    run_id = await _command(connection)
    assert (await _query(connection, "finish_commands", [run_id], [1]))[0]["state"] == "Succeeded"


async def test_an_older_attempt_of_a_command_finishes_nothing(database: Database) -> None:
    connection = await database.connect()
    run_id = await _command(connection)
    await connection.execute("select holdfast.end_attempt($1, 1, 'Disruption', 'PodDeleted', 'deleted')", run_id)
    assert (await _query(connection, "finish_commands", [run_id], [1]))[0]["state"] == "Backoff"
    await connection.execute("update holdfast.runs set state = 'Queued', queued_at = now()")
    await admit(connection)
    assert (await _query(connection, "finish_commands", [run_id], [1]))[0]["state"] == "Starting"
    assert (await _query(connection, "open_commands", [run_id], [1]))[0]["state"] == "Starting"


async def test_a_run_of_a_function_is_never_finished_from_outside(database: Database) -> None:
    connection = await database.connect()
    run_id = await trigger(connection)
    await admit(connection)
    assert (await _query(connection, "open_commands", [run_id], [1]))[0]["state"] == "Starting"
    assert (await _query(connection, "finish_commands", [run_id], [1]))[0]["state"] == "Starting"


async def test_a_canceled_command_that_succeeded_has_succeeded(database: Database) -> None:
    connection = await database.connect()
    run_id = await _command(connection)
    await _query(connection, "open_commands", [run_id], [1])
    await connection.execute("select holdfast.cancel_run($1)", run_id)
    assert (await _query(connection, "finish_commands", [run_id], [1]))[0]["state"] == "Succeeded"
