"""Runs in a database, as the tests of the engine need them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from holdfast_engine.postgres.queries import queries

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

LAUNCHER = "here"


async def trigger(connection: Connection, task: str = "work", **options: Any) -> UUID:
    """Accept a run with these trigger options; the entrypoint is of no meaning unless given."""
    wanted = json.dumps({"entrypoint": "tasks:work", **options})
    run_id: UUID = await connection.fetchval(
        "select run_id from holdfast.trigger_run('shop', $1, '{}', $2)", task, wanted
    )
    return run_id


async def trigger_many(connection: Connection, count: int, **options: Any) -> None:
    """Accept so many runs in one transaction, so that they are equally old."""
    await connection.execute(
        "select holdfast.trigger_run('shop', 'work', '{}', $1) from generate_series(1, $2::integer)",
        json.dumps({"entrypoint": "tasks:work", **options}),
        count,
    )


async def define_queue(connection: Connection, name: str = "default", **limits: Any) -> None:
    """Define or change a queue."""
    await connection.execute(
        """
        insert into holdfast.queues (namespace, name, concurrency, concurrency_per_key, starts_per_minute, paused)
        values ('shop', $1, $2, $3, $4, $5)
        on conflict (namespace, name) do update set
            concurrency = excluded.concurrency, concurrency_per_key = excluded.concurrency_per_key,
            starts_per_minute = excluded.starts_per_minute, paused = excluded.paused
        """,
        name,
        limits.get("concurrency"),
        limits.get("concurrency_per_key"),
        limits.get("starts_per_minute"),
        limits.get("paused", False),
    )


async def admit(
    connection: Connection, limit: int = 100, *, launchers: tuple[str, ...] = ("", LAUNCHER), launcher: str = LAUNCHER
) -> list[UUID]:
    """Admit runs; return their ids in the order of admission."""
    rows = await connection.fetch(queries()["admit_runs"].text, list(launchers), launcher, limit)
    return [row["run_id"] for row in rows]


async def open_attempt(connection: Connection, run_id: UUID, session: bytes = b"s" * 16) -> None:
    """Open the newest attempt of a run, as its process does."""
    await connection.execute(
        """
        select o.* from holdfast.runs r, lateral holdfast_v1.open(
            r.id, r.attempt, holdfast.bootstrap_token(r.id, r.attempt), $2, '{}') o
        where r.id = $1
        """,
        run_id,
        session,
    )


async def finish(connection: Connection, run_id: UUID, session: bytes = b"s" * 16) -> None:
    """Let the newest attempt of a run succeed."""
    await connection.execute(
        """
        select f.* from holdfast.runs r,
            lateral holdfast_v1.finish(r.id, r.attempt, $2, 'Succeeded', null, null, null, '1', null, null) f
        where r.id = $1
        """,
        run_id,
        session,
    )


async def run_of(connection: Connection, run_id: UUID) -> asyncpg.Record:
    """The row of a run."""
    row = await connection.fetchrow("select * from holdfast.runs where id = $1", run_id)
    assert row is not None
    return row


async def state_of(connection: Connection, run_id: UUID) -> str:
    """The state of a run."""
    return str((await run_of(connection, run_id))["state"])


async def wait_for_state(connection: Connection, run_id: UUID, *states: str) -> asyncpg.Record:
    """Wait until a run is in one of ``states``; return its row."""
    changed = asyncio.Event()

    def hear(*_: object) -> None:
        changed.set()

    await connection.add_listener("holdfast", hear)
    try:
        while (run := await run_of(connection, run_id))["state"] not in states:
            await changed.wait()
            changed.clear()
        return run
    finally:
        await connection.remove_listener("holdfast", hear)


async def move_clock(connection: Connection, seconds: float) -> None:
    """Set the database's clock so many seconds ahead of the real one."""
    await connection.execute(
        "create or replace function holdfast.now() returns timestamptz language sql stable parallel safe "
        f"return pg_catalog.now() + interval '{seconds} seconds'"
    )


async def jump_clock_at_restart(connection: Connection, seconds: float) -> None:
    """Let the database's clock be so many seconds ahead once the server was started anew."""
    started = await connection.fetchval("select pg_postmaster_start_time()::text")
    await connection.execute(
        "create or replace function holdfast.now() returns timestamptz language sql stable parallel safe "
        f"return pg_catalog.now() + case when pg_postmaster_start_time() > '{started}' "
        f"then interval '{seconds} seconds' else interval '0' end"
    )
