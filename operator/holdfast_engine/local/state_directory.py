"""Where a local control plane keeps what must survive it.

.holdfast/            in the working directory, unless told otherwise: a project's runs stay with the project
  postgres/           the embedded server (see `postgres.data_directory`)
  server.lock         whoever holds the lock on it keeps the server up
  dev.lock            held by `holdfast dev`
  launcher/           the processes of `holdfast dev`, and what they print
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from holdfast.domain.errors import EmbeddedPostgresError

DEFAULT_NAME = ".holdfast"


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """The directory at ``path``; made when first needed."""

    path: Path

    @classmethod
    def at(cls, path: Path | None) -> StateDirectory:
        """The one at ``path``; default: `.holdfast` in the working directory."""
        return cls((path or Path(DEFAULT_NAME)).absolute())

    @property
    def postgres(self) -> Path:
        """Directory of the embedded server."""
        return self.path / "postgres"

    @property
    def server_lock(self) -> Path:
        """Held by whoever keeps the embedded server up."""
        return self.path / "server.lock"

    @property
    def dev_lock(self) -> Path:
        """Held by `holdfast dev`."""
        return self.path / "dev.lock"

    @property
    def launcher(self) -> Path:
        """Where `holdfast dev` writes its processes down."""
        return self.path / "launcher"

    def create(self) -> None:
        """Make it, invisible to git.

        Raises:
            EmbeddedPostgresError: it cannot be made here.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / ".gitignore").write_text("*\n")
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The state directory {self.path} cannot be made ({error.strerror}). "
                "Choose another with --state-directory, or give a database with --database."
            ) from None
