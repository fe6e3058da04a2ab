"""Waiting until a statement waits for a lock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


async def until_blocked(observer: Connection, blocked: Connection, statement: asyncio.Task[Any]) -> None:
    """Return when ``statement``, which runs on ``blocked``, waits for a lock; fail if it ends without."""
    pid = blocked.get_server_pid()
    while not await observer.fetchval("select wait_event_type = 'Lock' from pg_stat_activity where pid = $1", pid):
        assert not statement.done(), "it did not wait"
