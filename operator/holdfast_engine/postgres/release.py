"""What this version of Holdfast wants in a database, and what a database lacks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.domain.errors import MigrationError
from holdfast_engine.postgres.migration_files import Migration, load_migrations
from holdfast_engine.postgres.sql_files import digest, sql_files


@dataclass(frozen=True)
class AppliedMigration:
    """A row of `holdfast.migrations`."""

    version: int
    name: str
    checksum: str

    @property
    def title(self) -> str:
        """The name of its file, without the ending."""
        return f"{self.version:04}_{self.name}"


@dataclass(frozen=True)
class Lack:
    """What a database lacks: migrations in order, and whether the functions are other ones."""

    migrations: tuple[Migration, ...]
    functions: bool

    @property
    def is_nothing(self) -> bool:
        """Whether the database is up to date."""
        return not self.migrations and not self.functions


@dataclass(frozen=True)
class Release:
    """The migrations and functions of one version of Holdfast."""

    migrations: tuple[Migration, ...]
    functions: tuple[str, ...]

    @classmethod
    def load(cls, folder: Path) -> Release:
        """Read `migrations/` and `functions/` of ``folder``."""
        functions = tuple(file.read_text() for file in sql_files(folder / "functions"))
        return cls(tuple(load_migrations(folder / "migrations")), functions)

    @property
    def version(self) -> int:
        """The number of the newest migration; 0 if there is none."""
        return len(self.migrations)

    @property
    def functions_digest(self) -> str:
        """The fingerprint of all functions together."""
        return digest(*self.functions)

    def lack_of(self, applied: Sequence[AppliedMigration], functions_digest: str | None) -> Lack:
        """Compare with what a database has.

        Raises:
            MigrationError: it was migrated by a newer version, or by a migration that has been edited since.
        """
        for row in applied:
            if row.version > self.version:
                raise MigrationError(
                    f"A newer Holdfast has migrated this database: it is at {applied[-1].title}, and this "
                    f"version knows migrations up to {self.version:04}. Upgrade Holdfast here too."
                )
            ours = self.migrations[row.version - 1]
            if row.checksum != ours.checksum:
                raise MigrationError(
                    f"Migration {ours.title} differs from what was applied to this database as {row.title}. "
                    "An applied migration must not be edited: restore its file, and write a new migration."
                )
        done = {row.version for row in applied}
        missing = tuple(migration for migration in self.migrations if migration.version not in done)
        return Lack(missing, functions_digest != self.functions_digest)
