"""The named queries of `sql/queries/`: every statement has a name, a one-line purpose and one home.

-- name: find_due_runs
-- Runs whose time has come, oldest first.
select …
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from holdfast.domain.errors import UnknownQueryError
from holdfast_engine.postgres.sql_files import SQL_FOLDER, sql_files

_HEADING = re.compile(r"^-- name: (?P<name>\w+)\n-- (?P<purpose>.+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Query:
    """One named statement."""

    name: str
    purpose: str
    text: str


class Queries(Mapping[str, Query]):
    """Queries by name; cannot be changed."""

    def __init__(self, queries: Mapping[str, Query]) -> None:
        self._queries = dict(queries)

    def __getitem__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise UnknownQueryError(
                f"No query is named {name!r}. There are: {', '.join(sorted(self._queries)) or 'none'}."
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._queries

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


def load_queries(folder: Path) -> Queries:
    """Read all queries of the ``.sql`` files in ``folder``.

    Raises:
        ValueError: two queries have one name, or a file does not begin with the heading of a query.
    """
    queries: dict[str, Query] = {}
    for file in sql_files(folder):
        text = file.read_text()
        headings = list(_HEADING.finditer(text))
        if not headings or headings[0].start() != 0 or len(headings) != text.count("-- name:"):
            raise ValueError(f"{file}: each query begins with a line `-- name: …` and a line with its purpose")
        ends = [heading.start() for heading in headings[1:]] + [len(text)]
        for heading, end in zip(headings, ends, strict=True):
            name = heading["name"]
            if name in queries:
                raise ValueError(f"{file}: the name {name} is taken by another query")
            queries[name] = Query(name, heading["purpose"], text[heading.end() : end].strip().rstrip(";"))
    return Queries(queries)


@cache
def queries() -> Queries:
    """Holdfast's own queries, read once."""
    return load_queries(SQL_FOLDER / "queries")
