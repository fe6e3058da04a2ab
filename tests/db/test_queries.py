"""Every named query is accepted by a real server, and the loader is strict."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from holdfast.domain.errors import UnknownQueryError
from holdfast_engine.postgres.queries import load_queries, queries
from tests.support.databases import Database


async def test_the_server_accepts_every_query(database: Database) -> None:
    connection = await database.connect()
    refused = {}
    for name, query in queries().items():
        try:
            await connection.prepare(query.text)
        except asyncpg.PostgresError as error:
            refused[name] = str(error)
    assert refused == {}
    assert "list_migrations" in queries()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownQueryError, match=r"No query is named 'list_boats'. There are: .*list_migrations"):
        _ = queries()["list_boats"]


def test_a_file_is_split_at_its_headings(tmp_path: Path) -> None:
    (tmp_path / "boats.sql").write_text(
        "-- name: count_boats\n-- How many there are.\nselect count(*)\n-- all of them\nfrom boats;\n\n"
        "-- name: sink\n-- Sink one.\ndelete from boats where id = $1;\n"
    )
    loaded = load_queries(tmp_path)
    assert list(loaded) == ["count_boats", "sink"]
    assert loaded["count_boats"].purpose == "How many there are."
    assert loaded["count_boats"].text == "select count(*)\n-- all of them\nfrom boats"


@pytest.mark.parametrize(
    "text",
    [
        "select 1;",
        "-- name: without_purpose\nselect 1;",
        "-- name: one\n-- Purpose.\nselect 1;\n-- name: two\nselect 2;",
        "-- name: one\n-- Purpose.\nselect 1;\n-- name: one\n-- Purpose.\nselect 2;",
    ],
)
def test_a_careless_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "careless.sql").write_text(text)
    with pytest.raises(ValueError, match=r"careless\.sql"):
        load_queries(tmp_path)
