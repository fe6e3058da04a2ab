"""Waiting until a statement waits for a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


async def until_blocked(observer: Connection, blocked: Connection) -> None:
    """Return when the statement of ``blocked`` waits for a lock."""
    pid = blocked.get_server_pid()
    while not await observer.fetchval("select wait_event_type = 'Lock' from pg_stat_activity where pid = $1", pid):
        pass
