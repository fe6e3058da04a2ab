"""A million finished runs, and a hundred thousand queued ones, change no plan.

Pages are what a query costs whatever the machine: a page is 8 KiB, and an index over a million rows is four pages deep.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from holdfast_engine.postgres.queries import queries
from tests.support.databases import Database, Servers
from tests.support.plans import explain, nodes, pages_of, read_in_full, sequential_scans
from tests.support.runs import move_clock, trigger, trigger_many

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

FINISHED = 1_000_000
QUEUED = 100_000
QUEUES = 100
LARGE_TABLES = frozenset({"runs", "attempts", "steps", "logs"})

_BEFORE = """
create temporary table indexes as
    select indexrelid::regclass as name, pg_get_indexdef(indexrelid) as definition from pg_index
    where indrelid = 'holdfast.runs'::regclass and not indisprimary;
do $$ declare i record; begin
    for i in select * from indexes loop execute format('drop index %s', i.name); end loop;
end $$;
alter table holdfast.runs disable trigger user;
alter table holdfast.runs set (autovacuum_enabled = false);
"""

_INDEXES_AGAIN = """
do $$ declare i record; begin
    for i in select * from indexes loop execute i.definition; end loop;
end $$
"""

_ANALYZE = "vacuum analyze holdfast.runs, holdfast.attempts, holdfast.queues"

_AFTER = "alter table holdfast.runs enable trigger user"

_QUEUES = f"""
insert into holdfast.queues (namespace, name, concurrency, concurrency_per_key)
    select 'shop', 'q' || i, 10, case when i % 2 = 0 then 2 end from generate_series(0, {QUEUES - 1}) i
"""

_ATTEMPTS = """
insert into holdfast.attempts (run_id, number, admitted_at, launched_at, ended_at, outcome, launch)
select id, 1, created_at, created_at, finished_at, case when finished_at is not null then 'Succeeded' end,
    '{"launcher": "here"}'
from holdfast.runs
"""

_FINISHED = f"""
select i, case when i % 5000 = 0 then 'Failed' when i % 7 = 0 then 'Canceled' else 'Succeeded' end as state,
    'q' || i % {QUEUES} as queue, 'key-' || i % 5000 as key, now() - i * interval '1 second' as at
from generate_series(1, {FINISHED}) i
"""

_UNDER_WAY = f"""
select i, case when i % 40 = 0 then 'Running' else 'Waiting' end as state, 'q' || (i / 40) % {QUEUES} as queue,
    'greedy' as key, now() as at
from generate_series({FINISHED} + 1, {FINISHED} + 20000) i
"""

# One queue has half of the backlog, and another begins with the backlog of one key whose slots are taken.
_QUEUED = f"""
select i, 'Queued' as state,
    case when i % 2 = 0 then 'q1' when i % 5 in (0, 1) then 'q2' else 'q' || i % {QUEUES} end as queue,
    case when i % 5 = 0 then 'greedy' else 'key-' || i % 5000 end as key,
    now() - case when i % 5 = 0 then interval '2 days' else interval '1 day' end as at
from generate_series({FINISHED} + 20001, {FINISHED} + 20000 + {QUEUED}) i
"""


def _insert(rows: str) -> str:
    return f"""
    insert into holdfast.runs (
        id, namespace, name, task, queue, state, entrypoint, input, max_attempts, backoff_seconds, max_backoff_seconds,
        multiplier_percent, disruption_limit, pending_deadline_seconds, lease_seconds, ttl_seconds, concurrency_key,
        created_at, queued_at, finished_at, due_at, wait_kind, session_hash, lease_expires_at, attempt)
    select (lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000')::uuid, 'shop', 'run-' || i, 'work', queue, state,
        'tasks:work', '{{}}', 3, 1, 60, 200, 20, 600, 30, case when i % 2 = 0 then 86400 * (1 + i % 3) end, key,
        at, at, case when state in ('Succeeded', 'Failed', 'Canceled') then at end,
        case when state = 'Waiting' then now() + interval '1 hour' + i * interval '1 ms' end,
        case when state = 'Waiting' then 'timer' end,
        case when state = 'Running' then 'x'::bytea end,
        case when state = 'Running' then now() + interval '1 hour' end, 1
    from ({rows}) as seed
    """


async def seed(connection: Connection) -> None:
    """Fill the tables. The backlog comes last: the statistics say that there is none, as after a burst of triggers."""
    await connection.execute(_BEFORE)
    for statement in (_QUEUES, _insert(_FINISHED), _insert(_UNDER_WAY), _ATTEMPTS):
        await connection.execute(statement)
    for statement in (_INDEXES_AGAIN, _ANALYZE, _insert(_QUEUED), _AFTER):
        await connection.execute(statement)


class SeededDatabases:
    """One large database per version of PostgreSQL, made when first asked for."""

    def __init__(self, servers: Servers, stack: AsyncExitStack) -> None:
        self._servers = servers
        self._stack = stack
        self._databases: dict[int, Database] = {}

    async def of_version(self, version: int) -> Database:
        """The large database on this major version."""
        if version not in self._databases:
            server = await self._servers.of_version(version)
            database = await self._stack.enter_async_context(server.database())
            connection = await asyncpg.connect(database.dsn)
            await seed(connection)
            await connection.close()
            self._databases[version] = database
        return self._databases[version]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seeded_databases(postgres_servers: Servers) -> AsyncIterator[SeededDatabases]:
    async with AsyncExitStack() as stack:
        yield SeededDatabases(postgres_servers, stack)


@pytest_asyncio.fixture(loop_scope="session")
async def seeded(seeded_databases: SeededDatabases, postgres_version: int) -> Database:
    return await seeded_databases.of_version(postgres_version)


@pytest.fixture(params=["with its parameters", "for any parameters"])
async def connection(seeded: Database, request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    """A connection whose plans are made for the parameters at hand, or for any."""
    connection = await asyncpg.connect(seeded.dsn)
    if request.param == "for any parameters":
        await connection.execute("set plan_cache_mode = force_generic_plan")
    yield connection
    await connection.close()


HERE = "here"
LAUNCHERS = ["", HERE]

#: Query, parameters, and how many pages it may visit.
HOT_QUERIES: dict[str, tuple[tuple[object, ...], int]] = {
    "next_start": ((LAUNCHERS,), 50),
    "due_runs": ((500,), 50),
    "next_wake": ((), 10),
    "unlaunched_runs": ((HERE,), 1000),
    "launched_attempts": ((HERE,), 4000),
    "abandoned_attempts": ((HERE, 60.0), 1000),
    "check_attempts": (([uuid4() for _ in range(50)], [1] * 50), 600),
    "mark_launched": (([uuid4()], [1]), 20),
    "delete_finished_runs": ((None, 10), 500),
    "read_resource_runs": ((["uid"] * 10, ["shop"] * 10, [f"run-{n * 1000}" for n in range(10)], [uuid4()] * 10), 300),
    "read_queue": (("shop", "q3"), 4000),
    "list_runs": (("shop", None, None, None, 50), 20),
    "list_runs_in_state": (("shop", None, None, None, 50, "Failed"), 20),
    "list_dead_letters": (("shop", 50), 100),
}


@pytest.mark.timeout(600)  # the first one waits for the seed
@pytest.mark.parametrize("name", HOT_QUERIES)
async def test_a_hot_query_reads_what_it_needs(connection: Connection, name: str) -> None:
    arguments, pages = HOT_QUERIES[name]
    plan = await explain(connection, queries()[name].text, *arguments)
    assert read_in_full(plan, LARGE_TABLES) == set()
    assert pages_of(plan) <= pages


async def test_a_batch_of_due_runs(connection: Connection) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await move_clock(connection, 7200)
    plan = await explain(connection, queries()["due_runs"].text, 500)
    await transaction.rollback()
    assert plan["Actual Rows"] == 500
    assert read_in_full(plan, LARGE_TABLES) == set()
    assert pages_of(plan) <= 1000


@pytest.mark.parametrize(("limit", "pages"), [(1, 4000), (20, 8000)])
async def test_admission_reads_what_it_admits(connection: Connection, limit: int, pages: int) -> None:
    await assert_admission(connection, limit, admitted=limit, pages=pages)


async def test_admission_to_the_longest_queue(connection: Connection) -> None:
    """Half of the backlog is in one queue; all others are full."""
    async with changed_queues(connection, "set concurrency = 0 where name <> 'q1'"):
        await assert_admission(connection, 1, admitted=1, pages=1000)


async def test_admission_behind_the_backlog_of_a_full_key(connection: Connection) -> None:
    async with changed_queues(connection, "set concurrency = 0 where name <> 'q2'"):
        await assert_admission(connection, 3, admitted=3, pages=8000)


async def test_nothing_to_admit_costs_little(connection: Connection) -> None:
    async with changed_queues(connection, "set concurrency = 5"):
        await assert_admission(connection, 50, admitted=0, pages=1000)


async def test_a_plan_that_was_made_for_empty_tables(database: Database) -> None:
    """An engine plans its admission once, on its first day."""
    connection = await database.connect()
    admit = queries()["admit_runs"].text
    await trigger(connection)
    await connection.execute("vacuum analyze holdfast.runs")
    for _ in range(10):
        await trigger(connection)
        await connection.fetch(admit, LAUNCHERS, HERE, 1)
    await connection.execute("alter table holdfast.runs set (autovacuum_enabled = false)")
    await trigger_many(connection, 5000, queue="later")
    assert await sequential_scans(connection, admit, LAUNCHERS, HERE, 1) == 0
    assert pages_of(await explain(connection, admit, LAUNCHERS, HERE, 1)) < 500


@asynccontextmanager
async def changed_queues(connection: Connection, change: str) -> AsyncIterator[None]:
    """Queues with other limits while the context lasts."""
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(f"update holdfast.queues {change}")
    try:
        yield
    finally:
        await transaction.rollback()


async def assert_admission(connection: Connection, limit: int, *, admitted: int, pages: int) -> None:
    """Admission gives so many slots, visits at most so many pages, and reads no table in full."""
    admit = queries()["admit_runs"].text
    await explain(connection, admit, LAUNCHERS, HERE, limit)  # a first call also reads the catalog
    plan = await explain(connection, admit, LAUNCHERS, HERE, limit)
    assert plan["Actual Rows"] == admitted
    assert pages_of(plan) <= pages
    assert await sequential_scans(connection, admit, LAUNCHERS, HERE, limit) == 0


async def test_the_measure_notices_a_table_that_is_read_in_full(connection: Connection) -> None:
    everything = "select count(*) from holdfast.runs where message like '%a%'"
    plan = await explain(connection, everything)
    assert "runs" in read_in_full(plan, LARGE_TABLES)
    assert pages_of(plan) > 10_000
    assert await sequential_scans(connection, everything) > 0
    assert any(node["Node Type"].endswith("Scan") for node in nodes(plan))
