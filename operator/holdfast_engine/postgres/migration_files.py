"""The files of `sql/migrations/`, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from holdfast.domain.errors import MigrationError
from holdfast_engine.postgres.sql_files import digest, sql_files

_FILE_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)")
_NON_TRANSACTIONAL = "-- non-transactional"
_END_OF_STATEMENT = re.compile(r";[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Migration:
    """One file ``NNNN_name.sql``."""

    version: int
    name: str
    text: str

    @property
    def title(self) -> str:
        """Its file name without the ending, for messages."""
        return f"{self.version:04}_{self.name}"

    @property
    def checksum(self) -> str:
        """The fingerprint of its text: what was applied must not be edited."""
        return digest(self.text)

    @property
    def is_transactional(self) -> bool:
        """Whether it runs in a transaction; a first line ``-- non-transactional`` says that it must not."""
        return not self.text.startswith(_NON_TRANSACTIONAL)

    @property
    def statements(self) -> list[str]:
        """What to send one by one: outside a transaction each statement, which must end at a line's end."""
        if self.is_transactional:
            return [self.text]
        return [part for part in _END_OF_STATEMENT.split(self.text) if part.strip()]


def load_migrations(folder: Path) -> list[Migration]:
    """The migrations in ``folder``, in order.

    Raises:
        MigrationError: a file is named otherwise, or the numbers do not run 1, 2, 3, … .
    """
    migrations = [_load(file) for file in sql_files(folder)]
    for position, migration in enumerate(migrations, start=1):
        if migration.version != position:
            raise MigrationError(f"{folder} has {migration.title}.sql where number {position:04} should be.")
    return migrations


def _load(file: Path) -> Migration:
    match = _FILE_NAME.fullmatch(file.stem)
    if match is None:
        raise MigrationError(f"{file} is no migration: its name must look like 0001_first_tables.sql.")
    return Migration(int(match["version"]), match["name"], file.read_text())
