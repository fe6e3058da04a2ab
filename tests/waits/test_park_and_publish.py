"""An event that is published while a run subscribes or parks: it is before the wait, or the run gets it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from holdfast_engine.postgres.queries import queries
from tests.support.databases import Database
from tests.support.locks import until_blocked
from tests.support.protocol import BAD_STATE, CONFLICT, ControlPlane, Pod, refused

PUBLISH = "select holdfast.publish_event('tests', 'paid', $1)"

pytestmark = pytest.mark.postgres15


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


async def parked(control: ControlPlane, **changed: Any) -> tuple[Pod, UUID]:
    """A run that is parked for an event."""
    pod = await control.opened()
    subject = await pod.subscribe("event", "paid", **changed)
    await pod.park("event", None, subjects=[subject], groups=[0])
    return pod, subject


async def outcome(pod: Pod, subject: UUID) -> tuple[str | None, str | None]:
    row = (await pod.look(subject))[subject]
    return row["outcome"], row["value"]


async def test_a_run_parks_for_an_event_and_has_no_time(control: ControlPlane) -> None:
    pod, subject = await parked(control)
    run = await control.run(pod.run_id)
    assert (run["state"], run["wait_kind"], run["due_at"], run["wake_at"]) == ("Waiting", "event", None, None)
    await control.connection.execute(PUBLISH, "1")
    assert (await control.run(pod.run_id))["state"] == "Queued"
    again = await control.admit(pod.run_id)
    await again.open()
    assert await again.subscribe("event", "paid") == subject
    assert await outcome(again, subject) == ("Completed", "1")


async def test_who_subscribes_waits_for_an_event_that_is_being_published(
    control: ControlPlane, database: Database
) -> None:
    pod = await control.opened()
    other, observer = await database.connect(), await database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute("set constraints all immediate")
    await other.execute(PUBLISH, "1")

    subscribed = asyncio.create_task(pod.subscribe("event", "paid"))
    await until_blocked(observer, pod.connection, subscribed)
    await transaction.commit()

    assert await outcome(pod, await subscribed) == (None, None)
    back = await pod.subscribe("event", "paid", step_key="0/wait#2", look_back_seconds=60.0)
    assert await outcome(pod, back) == ("Completed", "1")


async def test_an_event_waits_for_a_run_that_is_subscribing(control: ControlPlane, database: Database) -> None:
    pod = await control.opened()
    other, observer = await database.connect(), await database.connect()
    transaction = control.connection.transaction()
    await transaction.start()
    subject = await pod.subscribe("event", "paid")

    published = asyncio.create_task(other.execute(PUBLISH, "1"))
    await until_blocked(observer, other, published)
    await transaction.commit()
    await published

    assert await outcome(pod, subject) == ("Completed", "1")


async def test_an_event_of_a_long_transaction_is_published_when_it_commits(
    control: ControlPlane, database: Database
) -> None:
    pod = await control.opened()
    other = await database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute(PUBLISH, "1")

    subject = await pod.subscribe("event", "paid")
    assert await outcome(pod, subject) == (None, None)
    await pod.park("event", None, subjects=[subject], groups=[0])
    await transaction.commit()

    assert (await control.run(pod.run_id))["state"] == "Queued"


async def test_an_event_that_is_rolled_back_wakes_nobody(control: ControlPlane, database: Database) -> None:
    pod, _ = await parked(control)
    other = await database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute(PUBLISH, "1")
    await transaction.rollback()
    assert (await control.run(pod.run_id))["state"] == "Waiting"
    await control.connection.execute(PUBLISH, "2")
    assert (await control.run(pod.run_id))["state"] == "Queued"


async def test_a_park_waits_for_an_event_that_is_being_published(control: ControlPlane, database: Database) -> None:
    pod = await control.opened()
    subject = await pod.subscribe("event", "paid")
    other, observer = await database.connect(), await database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute("set constraints all immediate")
    await other.execute(PUBLISH, "1")

    park = asyncio.create_task(pod.park("event", None, subjects=[subject], groups=[0]))
    await until_blocked(observer, pod.connection, park)
    await transaction.commit()

    assert await park == "Waiting"
    assert await control.call("queue_due_runs", [pod.run_id]) == 1


async def test_an_event_waits_for_a_run_that_is_parking(control: ControlPlane, database: Database) -> None:
    pod = await control.opened()
    subject = await pod.subscribe("event", "paid")
    other, observer = await database.connect(), await database.connect()
    transaction = control.connection.transaction()
    await transaction.start()
    await pod.park("event", None, subjects=[subject], groups=[0])

    published = asyncio.create_task(other.execute(PUBLISH, "1"))
    await until_blocked(observer, other, published)
    await transaction.commit()
    await published

    assert (await control.run(pod.run_id))["state"] == "Queued"


async def test_two_events_for_the_same_runs_do_not_wait_for_each_other(
    control: ControlPlane, database: Database
) -> None:
    pods = [await control.opened() for _ in range(6)]
    for pod in pods:
        # waits that were made in another order than the runs
        subjects = [await pod.subscribe("event", name, step_key=f"0.{name}/wait#1") for name in ("paid", "sent")]
        await pod.park("event", None, subjects=subjects, groups=[0, 1])
    connections = [await database.connect() for _ in range(8)]
    await asyncio.gather(
        *(
            each.execute("select holdfast.publish_event('tests', $1, '1')", name)
            for each, name in zip(connections, ["paid", "sent"] * 4, strict=True)
        )
    )
    assert {(await control.run(pod.run_id))["state"] for pod in pods} == {"Queued"}


async def test_writers_of_one_key_at_the_same_time_get_one_through(control: ControlPlane, database: Database) -> None:
    connections = [await database.connect() for _ in range(8)]
    answers = await asyncio.gather(
        *(
            each.execute("select holdfast.publish_event('tests', 'paid', $1, 'key')", str(number))
            for number, each in enumerate(connections)
        ),
        return_exceptions=True,
    )
    assert [getattr(answer, "sqlstate", "done") for answer in answers].count("HF004") == 7
    assert await control.connection.fetchval("select count(*) from holdfast.events") == 1


async def test_a_key_belongs_to_its_name_and_namespace(control: ControlPlane) -> None:
    for namespace, name in (("a", "paid"), ("a", "sent"), ("b", "paid")):
        await control.call("publish_event", namespace, name, "1", "key")
    async with refused(CONFLICT, "published with another value"):
        await control.call("publish_event", "a", "paid", "2", "key")


async def test_a_place_publishes_once(control: ControlPlane) -> None:
    pod, place = await control.opened(), uuid4()
    first = await pod.publish_event(place=place)
    assert await pod.publish_event(place=place) == first
    assert await pod.publish_event() != first


async def test_with_an_old_snapshot_nothing_is_published(control: ControlPlane) -> None:
    async with refused(BAD_STATE, "read committed"), control.connection.transaction(isolation="repeatable_read"):
        await control.connection.execute(PUBLISH, "1")


async def test_a_canceled_wait_gets_nothing_more(control: ControlPlane) -> None:
    pod = await control.opened()
    first = await pod.subscribe("event", "paid", step_key="0.1/wait#1")
    await pod.record("0.1/wait#1", None, kind="event", name="wait", outcome="Canceled")
    second = await pod.subscribe("event", "paid", step_key="0/wait#1", sequence=1)
    await pod.look(second)
    assert first not in await pod.look(first)


async def test_events_are_kept_for_their_time_and_longer_for_who_has_not_recorded_them(control: ControlPlane) -> None:
    pod, subject = await parked(control)
    await control.connection.execute(PUBLISH, "1")
    await control.connection.execute(PUBLISH, "2")
    delete = queries()["delete_old_events"].text
    assert await control.connection.fetchval(delete, 60.0, 10) == 0
    await control.connection.execute("update holdfast.events set published_at = published_at - interval '1 hour'")
    assert await control.connection.fetchval(delete, 60.0, 10) == 1
    again = await control.admit(pod.run_id)
    await again.open()
    assert await outcome(again, subject) == ("Completed", "1")
    await again.finish()
    assert await control.connection.fetchval(delete, 60.0, 10) == 1
