"""An event for a run and its parent, while the parent parks for both the event and that run."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.support.databases import Database
from tests.support.locks import until_blocked
from tests.support.protocol import ControlPlane

_OTHERS = 10
"""So many waits lie between the two that they are not locked together by the way."""


async def test_the_child_is_older_than_its_parent(database: Database) -> None:
    control = ControlPlane(await database.connect())
    holding, publishing, parking = [await database.connect() for _ in range(3)]
    child = await control.opened()
    others = [await control.opened() for _ in range(_OTHERS)]
    parent = await control.opened()
    await control.connection.execute(
        "insert into holdfast.children (parent_id, key, child_id, depth, follows) values ($1, 'key', $2, 1, false)",
        parent.run_id,
        child.run_id,
    )
    await child.park("event", None, subjects=[await child.subscribe("event", "paid")], groups=[0])
    for other in others:
        await other.subscribe("event", "paid")
    subject = await parent.subscribe("event", "paid")

    async with holding.transaction():
        await holding.execute("select from holdfast.subscriptions where id = $1 for share", subject)
        event: asyncio.Task[object] = asyncio.create_task(
            publishing.execute("select holdfast.publish_event('tests', 'paid', '1')")
        )
        await until_blocked(control.connection, publishing, event)
        park: asyncio.Task[object] = asyncio.create_task(
            parent.on(parking).park("event", None, subjects=[subject, child.run_id], groups=[0, 1])
        )
        # it goes on, or has locked the subscription and waits for its child
        with suppress(AssertionError):
            await until_blocked(control.connection, parking, park)
    await asyncio.gather(event, park)
    assert (await control.run(parent.run_id))["state"] == "Queued"
    assert (await control.run(child.run_id))["state"] == "Queued"


async def test_an_attempt_that_is_replaced_has_begun_to_wait_before(database: Database) -> None:
    control = ControlPlane(await database.connect())
    publishing, asking, ending = [await database.connect() for _ in range(3)]
    pod = await control.opened()
    async with publishing.transaction():
        await publishing.execute("select holdfast.publish_event('tests', 'paid', '1')")
        await publishing.execute("set constraints all immediate")
        subject = asyncio.create_task(pod.on(asking).subscribe("event", "paid"))
        await until_blocked(control.connection, asking, subject)
        end = asyncio.create_task(ControlPlane(ending).end(pod, "Disruption"))
        await until_blocked(control.connection, ending, end)
    assert await subject
    assert await end == "Backoff"
