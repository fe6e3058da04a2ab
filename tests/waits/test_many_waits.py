"""What a message costs grows with those that it concerns, not with those that wait for others or have been taken."""

from __future__ import annotations

import pytest

from tests.support.databases import Database
from tests.support.protocol import ControlPlane

MANY = 20_000
FEW_ROWS = 100
TABLES = ["runs", "steps", "waits", "subscriptions", "signals", "events"]

_ROWS_READ = """
    select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint from pg_stat_xact_user_tables
    where schemaname = 'holdfast' and relname = any($1::text[])
"""

_WAITS_FOR_OTHER_ORDERS = f"""
    insert into holdfast.subscriptions (
        id, run_id, namespace, kind, name, match, match_field, step_key, attempt, sequence)
    select gen_random_uuid(), gen_random_uuid(), 'tests', 'event', 'paid', jsonb_build_object('order', n::text),
        (select digest from holdfast.field_digests(jsonb_build_object('order', n::text))), '0/wait_for_event#1', 1, 0
    from generate_series(1, {MANY}) n
"""

_SIGNALS_THAT_WERE_TAKEN = f"""
    insert into holdfast.signals (id, run_id, name, value, sent_at, is_taken)
    select gen_random_uuid(), $1, 'go', '1', now(), true from generate_series(1, {MANY})
"""

_WAITS_THAT_ARE_RECORDED = f"""
    insert into holdfast.subscriptions (
        id, run_id, namespace, kind, name, step_key, attempt, sequence, is_recorded, outcome, message_id)
    select gen_random_uuid(), $1, 'tests', 'signal', 'go', '0/receive#' || n, 1, n, true, 'Completed', gen_random_uuid()
    from generate_series(1, {MANY}) n
"""


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


async def _rows_read(control: ControlPlane, statement: str, *arguments: object) -> int:
    async with control.connection.transaction():
        await control.connection.execute("set constraints all immediate")
        before = await control.connection.fetchval(_ROWS_READ, TABLES)
        await control.connection.execute(statement, *arguments)
        return int(await control.connection.fetchval(_ROWS_READ, TABLES) - before)


async def test_an_event_reads_only_the_waits_that_may_fit(control: ControlPlane) -> None:
    await control.connection.execute(_WAITS_FOR_OTHER_ORDERS)
    pod = await control.opened()
    subject = await pod.subscribe("event", "paid", match='{"order": "mine", "cents": 1200}')
    await pod.park("event", None, subjects=[subject], groups=[0])
    await control.connection.execute("analyze")
    publish = "select holdfast.publish_event('tests', 'paid', $1)"

    rows = await _rows_read(control, publish, '{"order": "mine", "cents": 1200, "by": "ada"}')

    assert (await control.run(pod.run_id))["state"] == "Queued"
    assert 0 < rows < FEW_ROWS


async def test_a_signal_reads_nothing_that_was_taken(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.connection.execute(_SIGNALS_THAT_WERE_TAKEN, pod.run_id)
    await control.connection.execute(_WAITS_THAT_ARE_RECORDED, pod.run_id)
    subject = await pod.subscribe("signal", "go")
    await pod.park("signal", None, subjects=[subject], groups=[0])
    await control.connection.execute("analyze")

    rows = await _rows_read(control, "select holdfast.send_signal($1, 'go', '2')", pod.run_id)

    assert (await control.run(pod.run_id))["state"] == "Queued"
    assert 0 < rows < FEW_ROWS
