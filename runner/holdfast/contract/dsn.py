"""The address of a PostgreSQL, looked at before anything connects to it.

What is wrong with one is said without repeating a word of it, because a password with a ``/`` or an ``@`` in it may be
anywhere: where a port should be, or a database.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from holdfast.domain.errors import InputError

EXAMPLE: Final = "postgresql://user:password@host:5432/database"

_SCHEMES = ("postgresql", "postgres")
_HIGHEST_PORT = 65_535
_LIKE = f"write it like {EXAMPLE}"
_ENCODE = (
    "in its user and its password, the characters / ? # @ : [ ] and % are written as %2F %3F %23 %40 %3A %5B %5D "
    f"and %25; otherwise {_LIKE}"
)
_HOST = re.compile(r"(?P<host>\[[^\]]+\]|/[^:]*|[^:\[\]/]*)(?::(?P<port>[^:]*))?")


def check_dsn(dsn: str) -> None:
    """Refuse what cannot be the address of a PostgreSQL.

    Raises:
        InputError: says what is wrong, with an example, and nothing of what was given.
    """
    problem = dsn_problem(dsn)
    if problem is not None:
        raise InputError(f"The database's DSN {problem}.")


def dsn_problem(dsn: str) -> str | None:
    """What is wrong with ``dsn``, to be said after its name; ``None`` if nothing is."""
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return f"cannot be read: {_ENCODE}"
    if not parts.scheme or (parts.scheme not in _SCHEMES and not dsn.startswith(f"{parts.scheme}://")):
        return f"has no scheme: {_LIKE}"
    if parts.scheme not in _SCHEMES:
        return f"is that of no PostgreSQL, which is all that is possible: {_LIKE}"
    if parts.netloc.count("@") > 1 or "@" in parts.path or parts.fragment or ("@" in parts.query and not parts.path):
        return f"cannot be read: {_ENCODE}"
    if not all(map(_is_host, parts.netloc.rpartition("@")[2].split(","))):
        return f"has no number from 1 to {_HIGHEST_PORT} as its port: {_ENCODE}"
    return None if _has_options(parts) else f"has something other than name=value joined by & behind its ?: {_ENCODE}"


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(unquote(text))
    return match is not None and (not match["port"] or _is_port(match["port"]))


def _is_port(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and 1 <= int(text) <= _HIGHEST_PORT


def _has_options(parts: SplitResult) -> bool:
    try:
        options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:
        return False
    return all(_is_port(port) for ports in options.get("port", ()) for port in ports.split(","))
