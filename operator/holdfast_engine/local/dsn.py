"""The address of a given database, looked at before anything connects to it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from holdfast.domain.errors import InputError

EXAMPLE = "postgresql://user@host:5432/database"

_SCHEMES = ("postgresql", "postgres")
_DEFAULT_PORT = 5432


def check_dsn(dsn: str) -> None:
    """Refuse what cannot be the address of a PostgreSQL; a password in it is not repeated.

    Raises:
        InputError: says what is wrong, with an example.
    """
    try:
        parts = urlsplit(dsn)
        scheme, _ = parts.scheme, parts.port
    except ValueError as error:
        raise InputError(f"The database's DSN is not valid: {error}. Write it like {EXAMPLE}.") from None
    if scheme not in _SCHEMES:
        got = f"begins with {scheme}:" if scheme else "has no scheme"
        raise InputError(f"The database's DSN {got}: only PostgreSQL is possible. Write it like {EXAMPLE}.")


def socket_of(dsn: str) -> str | None:
    """The path of the socket that ``dsn`` names as its host; None if it names a machine or nothing."""
    parts = urlsplit(dsn)
    options = parse_qs(parts.query)
    host = options.get("host", [""])[0]
    port = options.get("port", [str(parts.port or _DEFAULT_PORT)])[0]
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else None
