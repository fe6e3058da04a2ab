"""A database that is not there, for what works on memory alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

import asyncpg


class NoDatabase:
    """A ``Database`` that is not there."""

    async def row(self, query: str, *arguments: object) -> asyncpg.Record:
        """Refuse."""
        _refuse()

    async def rows(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Refuse."""
        _refuse()

    async def listen(self, channels: Iterable[str], heard: Callable[[], None]) -> None:
        """Refuse."""
        _refuse()

    def drop(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


def _refuse() -> NoReturn:
    raise AssertionError("a local replay asks nothing of any database")
