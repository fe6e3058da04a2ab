"""The SQL of the benchmarks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from holdfast_engine.postgres.queries import Queries, load_queries


def statement(name: str) -> str:
    """The text of a named statement of `sql/queries.sql`."""
    return _all()[name].text


@cache
def _all() -> Queries:
    return load_queries(Path(__file__).parent / "sql")
