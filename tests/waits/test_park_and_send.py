"""A signal that is sent while a run begins to wait, parks, gives up or is replaced: it is taken once, in its turn."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.databases import Database
from tests.support.locks import until_blocked
from tests.support.protocol import BAD_STATE, LIMIT, NOT_FOUND, ControlPlane, Pod, refused

SEND = "select holdfast.send_signal($1, 'go', $2)"

pytestmark = pytest.mark.postgres15


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


async def parked(control: ControlPlane, **changed: Any) -> tuple[Pod, UUID]:
    """A run that is parked for a signal."""
    pod = await control.opened()
    subject = await pod.subscribe("signal", "go", **changed)
    await pod.park("signal", changed.get("timeout_seconds"), subjects=[subject], groups=[0])
    return pod, subject


async def outcome(pod: Pod, subject: UUID) -> tuple[str | None, str | None]:
    row = (await pod.look(subject))[subject]
    return row["outcome"], row["value"]


async def test_a_run_parks_for_a_signal_and_has_no_time(control: ControlPlane) -> None:
    pod, subject = await parked(control)
    run = await control.run(pod.run_id)
    assert (run["state"], run["wait_kind"], run["due_at"], run["wake_at"]) == ("Waiting", "signal", None, None)
    await control.call("send_signal", pod.run_id, "go", '"now"')
    assert (await control.run(pod.run_id))["state"] == "Queued"
    again = await control.admit(pod.run_id)
    await again.open()
    assert await again.subscribe("signal", "go") == subject
    assert await outcome(again, subject) == ("Completed", '"now"')


async def test_what_was_sent_before_is_there_at_once(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.call("send_signal", pod.run_id, "go", "1")
    subject = await pod.subscribe("signal", "go")
    assert await outcome(pod, subject) == ("Completed", "1")
    assert await pod.park("signal", None, subjects=[subject], groups=[0]) == "Waiting"
    assert await control.call("queue_due_runs", [pod.run_id]) == 1


async def test_a_signal_that_is_not_committed_wakes_nobody_and_holds_nobody_up(
    control: ControlPlane, database: Database
) -> None:
    pod = await control.opened()
    other = await database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute(SEND, pod.run_id, "1")

    subject = await pod.subscribe("signal", "go")
    assert await outcome(pod, subject) == (None, None)
    assert await pod.park("signal", None, subjects=[subject], groups=[0]) == "Waiting"
    await transaction.commit()

    assert (await control.run(pod.run_id))["state"] == "Queued"


async def test_a_signal_that_is_rolled_back_was_never_sent(control: ControlPlane, database: Database) -> None:
    pod, _ = await parked(control)
    other = await database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute(SEND, pod.run_id, "1")
    await transaction.rollback()
    assert (await control.run(pod.run_id))["state"] == "Waiting"


async def test_a_delivery_that_is_not_committed_yet_is_waited_for(control: ControlPlane, database: Database) -> None:
    pod = await control.opened()
    subject = await pod.subscribe("signal", "go")
    other, observer = await database.connect(), await database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute("set constraints all immediate")
    await other.execute(SEND, pod.run_id, "1")

    park = asyncio.create_task(pod.park("signal", None, subjects=[subject], groups=[0]))
    await until_blocked(observer, pod.connection, park)
    await transaction.commit()

    assert await park == "Waiting"
    assert await control.call("queue_due_runs", [pod.run_id]) == 1


async def test_a_delivery_waits_for_a_park_that_is_not_committed_yet(control: ControlPlane, database: Database) -> None:
    pod = await control.opened()
    subject = await pod.subscribe("signal", "go")
    other, observer = await database.connect(), await database.connect()
    transaction = control.connection.transaction()
    await transaction.start()
    await pod.park("signal", None, subjects=[subject], groups=[0])

    sent = asyncio.create_task(other.execute(SEND, pod.run_id, "1"))
    await until_blocked(observer, other, sent)
    await transaction.commit()
    await sent

    assert (await control.run(pod.run_id))["state"] == "Queued"


async def test_a_delivery_waits_for_a_run_that_begins_to_wait(control: ControlPlane, database: Database) -> None:
    pod = await control.opened()
    other, observer = await database.connect(), await database.connect()
    transaction = control.connection.transaction()
    await transaction.start()
    subject = await pod.subscribe("signal", "go")

    sent = asyncio.create_task(other.execute(SEND, pod.run_id, "1"))
    await until_blocked(observer, other, sent)
    await transaction.commit()
    await sent

    assert await outcome(pod, subject) == ("Completed", "1")


async def test_senders_at_the_same_time_are_all_taken_once(control: ControlPlane, database: Database) -> None:
    pod = await control.opened()
    subjects = [await pod.subscribe("signal", "go", step_key=f"0.{number}/receive#1") for number in range(4)]
    connections = [await database.connect() for _ in range(8)]
    await asyncio.gather(*(each.execute(SEND, pod.run_id, str(number)) for number, each in enumerate(connections)))
    subjects += [await pod.subscribe("signal", "go", step_key=f"0.{number}/receive#1") for number in range(4, 8)]
    seen = await pod.look(*subjects)
    assert sorted(int(row["value"]) for row in seen.values()) == list(range(8))


async def test_the_oldest_wait_gets_the_oldest_signal(control: ControlPlane) -> None:
    pod = await control.opened()
    first, second = [await pod.subscribe("signal", "go", step_key=f"0.{number}/receive#1") for number in (1, 2)]
    await control.call("send_signal", pod.run_id, "go", "1")
    assert await outcome(pod, first) == ("Completed", "1")
    assert await outcome(pod, second) == (None, None)


# --- giving up -------------------------------------------------------------------------------------------------------


async def test_a_canceled_wait_gives_back_what_it_took(control: ControlPlane) -> None:
    pod = await control.opened()
    first = await pod.subscribe("signal", "go", step_key="0.1/receive#1")
    second = await pod.subscribe("signal", "go", step_key="0.2/receive#1")
    await control.call("send_signal", pod.run_id, "go", "1")
    await control.call("send_signal", pod.run_id, "go", "2")
    assert await outcome(pod, second) == ("Completed", "2")
    await pod.record("0.1/receive#1", None, kind="signal", name="receive", outcome="Canceled")
    third = await pod.subscribe("signal", "go", step_key="0/receive#1", sequence=1)
    assert await outcome(pod, third) == ("Completed", "1")
    assert first not in await pod.look(first)


async def test_a_wait_beside_a_canceled_one_gets_its_signal_when_it_looks(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.subscribe("signal", "go", step_key="0.1/receive#1")
    second = await pod.subscribe("signal", "go", step_key="0.2/receive#1")
    await control.call("send_signal", pod.run_id, "go", "1")
    await pod.record("0.1/receive#1", None, kind="signal", name="receive", outcome="Canceled")
    assert await outcome(pod, second) == ("Completed", "1")


async def test_a_run_does_not_park_for_a_signal_that_a_canceled_wait_has(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.subscribe("signal", "go", step_key="0.1/receive#1")
    second = await pod.subscribe("signal", "go", step_key="0.2/receive#1")
    await control.call("send_signal", pod.run_id, "go", "1")
    await pod.record("0.1/receive#1", None, kind="signal", name="receive", outcome="Canceled")
    await pod.park("signal", None, subjects=[second], groups=[0])
    assert await control.call("queue_due_runs", [pod.run_id]) == 1


async def test_a_signal_goes_past_a_wait_that_was_canceled(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.subscribe("signal", "go", step_key="0.1/receive#1")
    second = await pod.subscribe("signal", "go", step_key="0.2/receive#1")
    await pod.record("0.1/receive#1", None, kind="signal", name="receive", outcome="Canceled")
    await pod.park("signal", None, subjects=[second], groups=[0])
    await control.call("send_signal", pod.run_id, "go", "1")
    assert (await control.run(pod.run_id))["state"] == "Queued"


async def test_canceled_by_an_attempt_that_did_not_get_to_ask(control: ControlPlane) -> None:
    pod = await control.opened()
    # nine records were begun, none of which came through
    await pod.subscribe("signal", "go", step_key="0.1/receive#1", sequence=9)
    await control.call("send_signal", pod.run_id, "go", "1")
    again = await control.next_attempt(pod)
    await again.open()
    await again.record("0.1/receive#1", None, kind="signal", name="receive", outcome="Canceled")
    second = await again.subscribe("signal", "go", step_key="0/receive#1", sequence=1)
    assert await outcome(again, second) == ("Completed", "1")


async def test_canceled_while_it_was_being_recorded(control: ControlPlane) -> None:
    pod = await control.opened()
    key = "0.1/receive#1"
    await pod.subscribe("signal", "go", step_key=key)
    await control.call("send_signal", pod.run_id, "go", "1")
    await pod.record(key, "1", kind="signal", name="receive")
    await pod.record(f"{key}~canceled", None, sequence=2, position=0, kind="cancel", name="receive", outcome="Canceled")
    second = await pod.subscribe("signal", "go", step_key="0/receive#1", sequence=2)
    assert await outcome(pod, second) == ("Completed", "1")
    # should it be executed again: not with the value that somebody else has got
    steps = {step["key"]: (step["outcome"], step["value"]) for step in await control.steps(pod.run_id)}
    assert steps[key] == ("Retrying", None)


async def test_the_record_of_an_earlier_try_cancels_nothing(control: ControlPlane) -> None:
    pod = await control.opened()
    key = "0.1/receive#1"
    await pod.record(key, None, sequence=5, kind="signal", name="receive", outcome="Canceled")
    subject = await pod.subscribe("signal", "go", step_key=key, sequence=5)
    await control.call("send_signal", pod.run_id, "go", "1")
    assert await outcome(pod, subject) == ("Completed", "1")


async def test_what_was_recorded_is_looked_at_no_more(control: ControlPlane) -> None:
    pod = await control.opened()
    subject = await pod.subscribe("signal", "go")
    await control.call("send_signal", pod.run_id, "go", "1")
    await pod.record("0/go#1", "1", kind="signal", name="receive")
    await control.connection.execute("update holdfast.steps set recorded_at = recorded_at - interval '2 minutes'")
    await pod.subscribe("signal", "next", sequence=1)
    rows = await control.connection.fetch("select id from holdfast.subscriptions where not is_recorded")
    assert subject not in {row["id"] for row in rows}


# --- time ------------------------------------------------------------------------------------------------------------


async def _an_hour_passes(control: ControlPlane) -> None:
    await control.connection.execute("update holdfast.subscriptions set expires_at = expires_at - interval '1 hour'")


async def test_a_wait_whose_time_is_over_takes_nothing_more(control: ControlPlane) -> None:
    pod = await control.opened()
    subject = await pod.subscribe("signal", "go", timeout_seconds=60.0)
    await _an_hour_passes(control)
    await control.call("send_signal", pod.run_id, "go", "1")
    assert await outcome(pod, subject) == ("TimedOut", None)
    other = await pod.subscribe("signal", "go", step_key="0/receive#2")
    assert await outcome(pod, other) == ("Completed", "1")


async def test_a_wait_that_timed_out_before_a_crash_has_timed_out_behind_it(control: ControlPlane) -> None:
    pod = await control.opened()
    subject = await pod.subscribe("signal", "go", timeout_seconds=60.0)
    await _an_hour_passes(control)
    assert await outcome(pod, subject) == ("TimedOut", None)
    again = await control.next_attempt(pod)
    await again.open()
    await again.subscribe("signal", "go", timeout_seconds=3600.0)
    assert await outcome(again, subject) == ("TimedOut", None)


# --- who may ---------------------------------------------------------------------------------------------------------


async def test_a_place_sends_once_also_to_a_run_that_has_ended_since(control: ControlPlane) -> None:
    sender, pod, place = await control.opened(), await control.opened(), uuid4()
    assert await sender.send_signal(str(pod.run_id), place=place) == "Sent"
    assert await sender.send_signal(str(pod.run_id), place=place) == "Sent"
    await pod.finish()
    assert await sender.send_signal(str(pod.run_id), place=place) == "Sent"
    assert await sender.send_signal(str(pod.run_id)) == "Succeeded"
    assert await control.connection.fetchval("select count(*) from holdfast.signals") == 1


async def test_the_same_id_is_one_signal(control: ControlPlane) -> None:
    pod, signal_id = await control.opened(), uuid4()
    for _ in range(2):
        assert await control.call("send_signal", pod.run_id, "go", "1", signal_id) == signal_id
    assert await control.connection.fetchval("select count(*) from holdfast.signals") == 1


async def test_nobody_looks_at_the_waits_of_another_run(control: ControlPlane) -> None:
    pod, stranger = await control.opened(), await control.opened()
    subject = await pod.subscribe("signal", "go")
    assert await stranger.look(subject) == {}
    await stranger.park("signal", 3600.0, subjects=[subject], groups=[0])
    assert await control.connection.fetchval("select count(*) from holdfast.waits") == 0


async def test_a_run_waits_for_a_thousand_and_no_more(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.connection.execute(
        "insert into holdfast.subscriptions (id, run_id, namespace, kind, name, step_key, attempt, sequence) "
        "select gen_random_uuid(), $1, 'tests', 'event', 'other', n::text, 1, 0 from generate_series(1, 1000) n",
        pod.run_id,
    )
    async with refused(LIMIT, "1000 signals and events"):
        await pod.subscribe("signal", "go")


async def test_a_signal_to_nobody_is_refused(control: ControlPlane) -> None:
    async with refused(NOT_FOUND, "no run"):
        await control.call("send_signal", uuid4(), "go", "1")


async def test_with_an_old_snapshot_nothing_is_sent(control: ControlPlane) -> None:
    pod, _ = await parked(control)
    async with refused(BAD_STATE, "read committed"), control.connection.transaction(isolation="repeatable_read"):
        await control.call("send_signal", pod.run_id, "go", "1")
