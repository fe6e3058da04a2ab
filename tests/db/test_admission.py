"""Which runs are admitted, and what admission writes."""

from __future__ import annotations

import asyncio
import random

import pytest

from holdfast_engine.postgres.queries import queries
from tests.support.databases import Database
from tests.support.runs import (
    admit,
    define_queue,
    finish,
    move_clock,
    open_attempt,
    run_of,
    state_of,
    trigger,
    trigger_many,
)


async def test_higher_priority_first_then_older(database: Database) -> None:
    connection = await database.connect()
    old = await trigger(connection)
    new = await trigger(connection)
    urgent = await trigger(connection, priority=1)
    assert await admit(connection) == [urgent, old, new]


async def test_a_queue_gives_as_many_slots_as_it_has(database: Database) -> None:
    connection = await database.connect()
    await define_queue(connection, concurrency=2)
    runs = [await trigger(connection) for _ in range(4)]
    assert await admit(connection) == runs[:2]
    assert await admit(connection) == []
    await open_attempt(connection, runs[0])
    assert await admit(connection) == []
    await finish(connection, runs[0])
    assert await admit(connection) == [runs[2]]


async def test_a_canceled_run_keeps_its_slot_until_its_process_is_gone(database: Database) -> None:
    connection = await database.connect()
    await define_queue(connection, concurrency=1)
    first, second = await trigger(connection), await trigger(connection)
    await admit(connection)
    await connection.execute("select holdfast.cancel_run($1)", first)
    assert await admit(connection) == []
    await connection.execute("select holdfast.end_attempt($1, 1, 'App', 'Canceled', '')", first)
    assert await admit(connection) == [second]


async def test_no_limit_a_paused_queue_and_the_limit_of_the_launcher(database: Database) -> None:
    connection = await database.connect()
    await define_queue(connection, "free", concurrency=None)
    await define_queue(connection, "paused", concurrency=None, paused=True)
    await define_queue(connection, "closed", concurrency=0)
    free = [await trigger(connection, queue="free") for _ in range(20)]
    await trigger(connection, queue="paused")
    await trigger(connection, queue="closed")
    assert await admit(connection, 15) == free[:15]
    assert await admit(connection, 15) == free[15:]


async def test_the_limit_of_the_launcher_is_shared_by_priority_and_age(database: Database) -> None:
    connection = await database.connect()
    runs = [await trigger(connection, queue=queue) for queue in ("a", "b", "a", "c")]
    urgent = await trigger(connection, queue="d", priority=5)
    assert await admit(connection, 3) == [urgent, runs[0], runs[1]]


async def test_what_is_written_at_the_first_admission(database: Database) -> None:
    connection = await database.connect()
    run_id = await trigger(
        connection, expire_after_seconds=60, active_deadline_seconds=3600, pending_deadline_seconds=600
    )
    (row,) = await connection.fetch(queries()["admit_runs"].text, ["", "here"], "here", 10)
    run = await run_of(connection, run_id)
    assert (run["state"], run["attempt"], run["expire_at"]) == ("Starting", 1, None)
    assert (run["run_deadline_at"] - run["started_at"]).total_seconds() == 3600
    assert (run["pending_deadline_at"] - run["started_at"]).total_seconds() == 600
    assert run["wake_at"] == run["pending_deadline_at"]
    attempt = await connection.fetchrow("select * from holdfast.attempts where run_id = $1", run_id)
    assert attempt is not None
    assert (attempt["number"], attempt["launched_at"], attempt["admitted_at"]) == (1, None, run["started_at"])
    assert row["token"] == await connection.fetchval("select holdfast.bootstrap_token($1, 1)", run_id)
    assert (row["attempt"], row["entrypoint"], row["queue"]) == (1, "tasks:work", "default")


async def test_a_later_admission_keeps_the_first_times(database: Database) -> None:
    connection = await database.connect()
    run_id = await trigger(connection, active_deadline_seconds=3600)
    await admit(connection)
    first = await run_of(connection, run_id)
    await connection.execute("select holdfast.end_attempt($1, 1, 'Start', 'LaunchFailed', 'no')", run_id)
    await move_clock(connection, 60)
    await connection.execute("select holdfast.queue_due_runs(array[$1::uuid])", run_id)
    assert await admit(connection) == [run_id]
    second = await run_of(connection, run_id)
    assert second["attempt"] == 2
    for column in ("started_at", "run_deadline_at", "pending_deadline_at"):
        assert second[column] == first[column]


async def test_a_run_that_should_have_started_by_now_is_not_admitted(database: Database) -> None:
    connection = await database.connect()
    await trigger(connection, expire_after_seconds=60)
    late = await trigger(connection)
    await move_clock(connection, 61)
    assert await admit(connection) == [late]


async def test_a_run_that_names_a_launcher_is_left_to_it(database: Database) -> None:
    connection = await database.connect()
    await define_queue(connection, concurrency=2)
    theirs = [await trigger(connection, launcher="there", priority=9) for _ in range(3)]
    ours, anyones = await trigger(connection, launcher="here"), await trigger(connection)
    assert await admit(connection, 1, launchers=("", "here")) == [ours]
    assert await admit(connection, launchers=("",)) == [anyones]
    await connection.execute("update holdfast.queues set concurrency = null")
    assert await admit(connection, launchers=("there",), launcher="there") == theirs


async def test_a_run_that_someone_holds_is_passed_over(database: Database) -> None:
    connection, other = await database.connect(), await database.connect()
    held, free = await trigger(connection), await trigger(connection)
    async with other.transaction():
        await other.execute("select from holdfast.runs where id = $1 for update", held)
        assert await admit(connection) == [free]
    assert await admit(connection) == [held]


class TestKeys:
    """concurrency_per_key."""

    async def test_a_full_key_does_not_block_the_others(self, database: Database) -> None:
        connection = await database.connect()
        await define_queue(connection, concurrency=10, concurrency_per_key=1)
        ann = [await trigger(connection, concurrency_key="ann") for _ in range(3)]
        bob = await trigger(connection, concurrency_key="bob")
        nobody = [await trigger(connection) for _ in range(2)]
        assert await admit(connection) == [ann[0], bob, *nobody]
        assert await admit(connection) == []
        await open_attempt(connection, ann[0])
        await finish(connection, ann[0])
        assert await admit(connection) == [ann[1]]

    async def test_a_key_gets_all_its_slots_at_once(self, database: Database) -> None:
        connection = await database.connect()
        await define_queue(connection, concurrency=10, concurrency_per_key=2)
        ann = [await trigger(connection, concurrency_key="ann") for _ in range(3)]
        assert await admit(connection) == ann[:2]

    @pytest.mark.parametrize("backlog", [600, 1700])
    async def test_a_backlog_of_one_key_at_the_head_does_not_block_the_others(
        self, database: Database, backlog: int
    ) -> None:
        connection = await database.connect()
        await define_queue(connection, concurrency=4, concurrency_per_key=1)
        await trigger_many(connection, backlog, concurrency_key="ann")
        others = [await trigger(connection, concurrency_key=key) for key in ("zoe", "bob", "mia", "tim")]
        plain = await trigger(connection)
        assert len(await admit(connection)) == 1  # ann's first
        admitted = await admit(connection)
        assert set(admitted) < {*others, plain}
        assert len(admitted) == 3

    async def test_behind_such_a_backlog_the_keys_take_turns(self, database: Database) -> None:
        connection = await database.connect()
        await define_queue(connection, concurrency=2, concurrency_per_key=1)
        await trigger_many(connection, 600, concurrency_key="ann")
        await admit(connection)
        keys = ["bob", "tim", "zoe"]
        for key in keys * 2:
            await trigger(connection, concurrency_key=key)
        served = []
        for _ in range(6):
            (run_id,) = await admit(connection)
            served.append((await run_of(connection, run_id))["concurrency_key"])
            await open_attempt(connection, run_id)
            await finish(connection, run_id)
        assert served == keys * 2


class TestRate:
    """starts_per_minute."""

    async def test_starts_are_spread_over_the_minute(self, database: Database) -> None:
        connection = await database.connect()
        await define_queue(connection, starts_per_minute=30)
        for _ in range(40):
            await trigger(connection)
        admitted = 0
        for second in range(61):
            await move_clock(connection, 1000 + second)
            admitted += len(await admit(connection))
        # one each two seconds, whenever the engine looks, and one at the very beginning
        assert 30 <= admitted <= 31

    async def test_an_idle_queue_saves_nothing_up(self, database: Database) -> None:
        connection = await database.connect()
        await define_queue(connection, starts_per_minute=60)
        await trigger(connection)
        assert len(await admit(connection)) == 1
        await move_clock(connection, 3600)
        for _ in range(10):
            await trigger(connection)
        assert len(await admit(connection)) == 1
        assert await admit(connection) == []

    async def test_the_next_start_is_known(self, database: Database) -> None:
        connection = await database.connect()
        await define_queue(connection, starts_per_minute=1)
        await trigger(connection)
        await admit(connection)
        next_start = queries()["next_start"].text
        assert await connection.fetchval(next_start, ["", "here"]) is None
        await trigger(connection)
        assert 50 < await connection.fetchval(next_start, ["", "here"]) <= 60
        assert await connection.fetchval(next_start, ["there"]) is None


@pytest.mark.parametrize("seed", [random.randrange(10**9)])
async def test_engines_that_admit_at_once_never_exceed_a_limit(database: Database, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    connection = await database.connect()
    await define_queue(connection, "a", concurrency=5, concurrency_per_key=2)
    await define_queue(connection, "b", concurrency=3)
    for _ in range(60):
        await trigger(connection, queue=chance.choice("ab"), concurrency_key=chance.choice("xyz"))
    engines = [await database.connect() for _ in range(4)]
    admitted: list[object] = []
    while await connection.fetchval("select count(*) from holdfast.runs where state <> 'Succeeded'"):
        rounds = await asyncio.gather(*(admit(engine, chance.randint(1, 10)) for engine in engines))
        admitted += [run_id for run_ids in rounds for run_id in run_ids]
        held = await connection.fetch(
            "select queue, concurrency_key, count(*) as slots from holdfast.runs where state = 'Starting' group by 1, 2"
        )
        assert sum(row["slots"] for row in held if row["queue"] == "a") <= 5
        assert sum(row["slots"] for row in held if row["queue"] == "b") <= 3
        assert all(row["slots"] <= 2 for row in held if row["queue"] == "a")
        starting = await connection.fetch("select id from holdfast.runs where state = 'Starting' order by id")
        assert starting, "there was room, and nobody was admitted"
        for row in chance.sample(starting, chance.randint(1, len(starting))):
            await open_attempt(connection, row["id"])
            await finish(connection, row["id"])
    assert len(admitted) == len(set(admitted)) == 60


async def test_admission_waits_for_another_and_sees_what_it_did(database: Database) -> None:
    """Whoever waited for the lock must count the slots that were taken meanwhile."""
    connection, first, second = [await database.connect() for _ in range(3)]
    await define_queue(connection, concurrency=1)
    for _ in range(2):
        await trigger(connection)
    async with first.transaction():
        assert len(await admit(first)) == 1
        waiting = asyncio.create_task(admit(second))
        waiting_for_lock = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
        while not await connection.fetchval(waiting_for_lock):
            pass
    assert await waiting == []


async def test_of_a_run_that_is_canceled_meanwhile_nothing_is_launched(database: Database) -> None:
    connection = await database.connect()
    run_id = await trigger(connection)
    await connection.execute("select holdfast.cancel_run($1)", run_id)
    assert await admit(connection) == []
    assert await state_of(connection, run_id) == "Canceled"
