"""Parents and children that do things at the same time, and what a run may not ask for."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from holdfast.contract import limits
from holdfast_engine.postgres.sql_files import SQL_FOLDER
from tests.support.databases import Database
from tests.support.locks import until_blocked
from tests.support.protocol import CONFLICT, FENCED, LIMIT, ControlPlane, Pod, refused


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


async def opened_child(control: ControlPlane, child_id: UUID) -> Pod:
    """The first attempt of a triggered run."""
    await control.connection.execute(
        "update holdfast.runs set launcher = id::text where id = $1", child_id
    )  # so that it is the one that is admitted
    child = await control.admit(child_id)
    await child.open()
    return child


async def test_two_children_that_end_at_the_same_time_wake_their_parent(
    control: ControlPlane, database: Database
) -> None:
    parent = await control.opened()
    children = await parent.trigger("0/trigger#1:0", "0/trigger#1:1")
    first, second = [await opened_child(control, child_id) for child_id in children.values()]
    await parent.park("child", None, subjects=list(children.values()), groups=[0, 0])
    one, other, observer = [await database.connect() for _ in range(3)]

    transaction = one.transaction()
    await transaction.start()
    await first.on(one).finish()
    finish = asyncio.create_task(second.on(other).finish())
    await until_blocked(observer, other, finish)
    await transaction.commit()
    await finish

    assert (await control.run(parent.run_id))["state"] == "Queued"
    assert await control.connection.fetchval("select count(*) from holdfast.waits") == 0


async def test_one_child_of_a_group_wakes_nobody(control: ControlPlane) -> None:
    parent = await control.opened()
    children = await parent.trigger("0/trigger#1:0", "0/trigger#1:1")
    first = await opened_child(control, children["0/trigger#1:0"])
    await parent.park("child", None, subjects=list(children.values()), groups=[0, 0])
    await first.finish()
    assert (await control.run(parent.run_id))["state"] == "Waiting"


async def test_one_child_of_another_group_does(control: ControlPlane) -> None:
    parent = await control.opened()
    children = await parent.trigger("0/trigger#1:0", "0/trigger#1:1")
    first = await opened_child(control, children["0/trigger#1:0"])
    await parent.park("child", None, subjects=list(children.values()), groups=[0, 1])
    await first.finish()
    assert (await control.run(parent.run_id))["state"] == "Queued"


async def test_a_child_that_has_ended_before_the_park_is_not_waited_for(control: ControlPlane) -> None:
    parent = await control.opened()
    children = await parent.trigger("0/trigger#1:0")
    (child_id,) = children.values()
    await (await opened_child(control, child_id)).finish()
    await parent.park("child", None, subjects=[child_id], groups=[0])
    assert await control.call("queue_due_runs", [parent.run_id]) == 1


async def test_a_key_is_one_run_for_ever(control: ControlPlane) -> None:
    parent = await control.opened()
    first = await parent.trigger("0/trigger#1:0")
    assert await parent.trigger("0/trigger#1:0") == first
    again = await control.next_attempt(parent)
    await again.open()
    assert await again.trigger("0/trigger#1:0") == first
    async with refused(FENCED):
        await parent.trigger("0/trigger#1:1")


async def test_a_batch_is_all_or_nothing(control: ControlPlane) -> None:
    parent = await control.opened()
    with pytest.raises(asyncpg.PostgresError):
        await parent.trigger("0/trigger#1:0", "0/trigger#1:1", inputs=["{}", "[]"])
    assert await control.connection.fetchval("select count(*) from holdfast.children") == 0
    assert await control.connection.fetchval("select count(*) from holdfast.runs") == 1


async def test_a_child_runs_where_its_parent_does(control: ControlPlane) -> None:
    parent = await control.opened(template={"env": [{"name": "A", "value": "1"}]})
    (child_id,) = (await parent.trigger("0/trigger#1:0")).values()
    mother, child = await control.run(parent.run_id), await control.run(child_id)
    assert (child["launcher"], child["template"]) == (mother["launcher"], mother["template"])


@pytest.mark.parametrize("option", ["template", "launcher", "resource_uid", "replay_of", "lease_seconds", "suspend"])
async def test_what_only_the_control_plane_may_say(control: ControlPlane, option: str) -> None:
    parent = await control.opened()
    for options in ({option: "1"}, {"defaults": {option: "1", "entrypoint": "tasks:work"}}):
        async with refused(CONFLICT, option):
            await parent.trigger("0/trigger#1:0", options=[json.dumps(options)])


async def test_a_run_has_so_many_children_and_no_more(control: ControlPlane) -> None:
    parent = await control.opened()
    await control.connection.execute(
        "insert into holdfast.children (parent_id, key, child_id, depth, follows) "
        "select $1, number::text, gen_random_uuid(), 1, false from generate_series(1, 10000) as number",
        parent.run_id,
    )
    async with refused(LIMIT, "10000 runs"):
        await parent.trigger("0/trigger#1:0")
    async with refused(LIMIT, "a batch of 1001"):
        await parent.trigger(*map(str, range(1001)))


async def test_generations_end(control: ControlPlane) -> None:
    parent = await control.opened()
    await control.connection.execute(
        "insert into holdfast.children values (gen_random_uuid(), 'key', $1, 20, false)", parent.run_id
    )
    async with refused(LIMIT, "20 times over"):
        await parent.trigger("0/trigger#1:0")


async def test_nobody_sees_the_children_of_others(control: ControlPlane) -> None:
    parent, stranger = await control.opened(), await control.opened()
    (child_id,) = (await parent.trigger("0/trigger#1:0")).values()
    assert child_id in await parent.look(child_id)
    assert await stranger.look(child_id) == {}


def test_the_limits_of_the_database_are_those_of_the_contract() -> None:
    stated = re.compile(r"constant integer := (\d+); -- contract/limits.py: (\w+)")
    found = [pair for file in sorted(Path(SQL_FOLDER).rglob("*.sql")) for pair in stated.findall(file.read_text())]
    assert {name for _, name in found} >= {"BATCH_LIMIT", "CHILDREN_PER_RUN_LIMIT", "TOKENS_PER_RUN_LIMIT"}
    assert [(name, int(value)) for value, name in found] == [(name, getattr(limits, name)) for _, name in found]
