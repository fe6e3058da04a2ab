"""Where the SQL is, and the order in which a folder of it is read."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

#: The folder with `schema/`, `functions/`, `queries/` and `migrations/`.
SQL_FOLDER = Path(__file__).parents[1] / "sql"


def sql_files(folder: Path) -> list[Path]:
    """The ``.sql`` files of ``folder``, in the order of their names; none if there is no such folder."""
    return sorted(folder.glob("*.sql"))


def digest(*texts: str) -> str:
    """A short fingerprint of ``texts`` and of where each of them ends."""
    return sha256("\0".join(texts).encode()).hexdigest()[:32]
