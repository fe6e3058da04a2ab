"""What the address of a given database says of where it is."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

_DEFAULT_PORT = 5432


def socket_of(dsn: str) -> str | None:
    """The path of the socket that ``dsn`` names as its host; None if it names a machine or nothing."""
    parts = urlsplit(dsn)
    options = parse_qs(parts.query)
    host = options.get("host", [""])[0]
    port = options.get("port", [str(parts.port or _DEFAULT_PORT)])[0]
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else None
