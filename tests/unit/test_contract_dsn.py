"""Addresses of databases: those that the driver takes, and those that it chokes on with the password in its mouth."""

from __future__ import annotations

import inspect
from urllib.parse import quote

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contract.dsn import check_dsn, dsn_problem
from holdfast.domain.errors import InputError
from holdfast_engine.database import EngineDatabase
from holdfast_engine.postgres.migrations import migrate

passwords = st.text("/?#@:[]%&=1a\u2100 ", min_size=1, max_size=12)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://",
        "postgresql:///runs",
        "postgres://app@/runs?host=/var/run/postgresql",
        "postgresql://app:s3cret@db:5432/runs?sslmode=require&role=holdfast_runner",
        "postgresql://app@one:5432,two:5433/runs?target_session_attrs=read-write",
        "postgresql://app@[::1]:5432/runs",
        "postgresql://app@%2Fvar%2Frun/runs",
        "postgresql://db/runs?user=a@b&password=c@d",
    ],
)
def test_what_the_driver_takes_is_taken(dsn: str) -> None:
    assert dsn_problem(dsn) is None


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("s3cret", "has no scheme"),
        ("host=db password=s3cret", "has no scheme"),
        ("app:s3cret@db/runs", "has no scheme"),
        ("mysql://app:s3cret@db/runs", "is that of no PostgreSQL"),
        ("postgresql://app:s3cret/w0rd@db/runs", "cannot be read"),
        ("postgresql://app:12/s3cret@db/runs", "cannot be read"),
        ("postgresql://app:12?a=s3cret@db/runs", "cannot be read"),
        ("postgresql://app:s3cret#w0rd@db/runs", "cannot be read"),
        ("postgresql://app:s3cret@w0rd@db/runs", "cannot be read"),
        ("postgresql://app:[s3cret@db/runs", "cannot be read"),
        ("postgresql://app:s3cret?w0rd@db/runs", "cannot be read"),
        ("postgresql://db:s3cret/runs", "as its port"),
        ("postgresql://db:99999/s3cret", "as its port"),
        ("postgresql://db/runs?s3cret", "name=value"),
        ("postgresql://db/runs?port=s3cret", "name=value"),
    ],
)
def test_what_is_wrong_is_said_and_not_repeated(dsn: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        check_dsn(dsn)
    message = str(caught.value)
    assert words in message
    assert "postgresql://user:password@host:5432/database" in message
    assert not any(secret in message for secret in ("s3cret", "w0rd"))


@given(passwords)
def test_an_encoded_password_is_taken_whatever_is_in_it(password: str) -> None:
    assert dsn_problem(f"postgresql://app:{quote(password, safe='')}@127.0.0.1:1/runs") is None


@given(passwords)
def test_no_connection_is_tried_that_the_driver_chokes_on(password: str) -> None:
    dsn = f"postgresql://app:{password}@127.0.0.1:1/runs"
    if dsn_problem(dsn) is None:
        parse = asyncpg.connect_utils._parse_connect_dsn_and_args
        parse(**{**dict.fromkeys(inspect.signature(parse).parameters), "dsn": dsn})


async def test_whoever_connects_looks_first() -> None:
    dsn = "postgresql://app:s3cret/w0rd@127.0.0.1:1/runs"
    for connecting in (migrate(dsn), EngineDatabase(dsn).open()):
        with pytest.raises(InputError, match="%2F") as caught:
            await connecting
        assert "s3cret" not in str(caught.value)
