"""What a query costs, as the server itself tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

Node = dict[str, Any]


async def explain(connection: Connection, query: str, *arguments: object) -> Node:
    """The plan of ``query`` and what happened when it ran; what it changed is rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        text = await connection.fetchval(f"explain (analyze, buffers, timing off, format json) {query}", *arguments)
    finally:
        await transaction.rollback()
    plan: Node = json.loads(text)[0]["Plan"]
    return plan


def nodes(plan: Node) -> Iterator[Node]:
    """All nodes of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def read_in_full(plan: Node, tables: frozenset[str]) -> set[str]:
    """Those of ``tables`` of which the plan may read every row."""
    return {
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in tables
    }


def pages_of(plan: Node) -> int:
    """How many pages were visited, in functions that the query calls too."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def sequential_scans(connection: Connection, query: str, *arguments: object) -> int:
    """How often ``query``, and the functions it calls, began to read the table of runs in full."""
    counter = "select coalesce(sum(seq_scan), 0) from pg_stat_xact_user_tables where relname in ('runs', 'attempts')"
    transaction = connection.transaction()
    await transaction.start()
    try:
        before = await connection.fetchval(counter)
        await connection.fetch(query, *arguments)
        return int(await connection.fetchval(counter) - before)
    finally:
        await transaction.rollback()
