"""Named queries in a namespace, whose refusals are errors of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from holdfast.domain.errors import InputError
from holdfast_engine.control.refusals import refusals
from holdfast_engine.postgres.queries import queries

if TYPE_CHECKING:
    from holdfast_engine.postgres.connections import Pool


class Statements:
    """What all parts of the control plane are made of.

    Args:
        pool: connections of a role that owns the schema, or has been granted it.
        namespace: where names are looked up and runs are made.
    """

    def __init__(self, pool: Pool, namespace: str) -> None:
        self.namespace = namespace
        self._pool = pool

    async def _row(self, name: str, *arguments: object) -> asyncpg.Record:
        return (await self._rows(name, *arguments))[0]

    async def _rows(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            with refusals():
                return await self._pool.fetch(queries()[name].text, *arguments)
        except UnicodeEncodeError as error:
            raise InputError(f"Not valid Unicode: {error.reason} at character {error.start}.") from None


def put_outcome(rows: list[asyncpg.Record]) -> str:
    """What became of something that was put: "created", "configured" or "unchanged"."""
    if not rows:
        return "unchanged"
    return "created" if rows[0]["created"] else "configured"
