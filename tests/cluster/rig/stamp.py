"""Whether a file is still what its inputs make: the digest of the inputs is kept beside it."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stamp:
    """The mark that a file was made from these inputs."""

    made: Path
    digest: str

    @classmethod
    def of(cls, made: Path, inputs: Iterable[Path], *words: str) -> Stamp:
        """The stamp of `made` by the contents of `inputs` and by `words`, such as flags and versions."""
        digest = hashlib.sha256("\0".join(words).encode())
        for path in inputs:
            digest.update(b"\0")
            digest.update(path.read_bytes())
        return cls(made, digest.hexdigest())

    def is_current(self) -> bool:
        """Whether the file is there and was made from these inputs."""
        return self.made.exists() and self._note.exists() and self._note.read_text() == self.digest

    def put(self, fresh: Path) -> None:
        """Let `fresh` take the file's place at once, and note its inputs."""
        self._note.unlink(missing_ok=True)
        fresh.replace(self.made)
        self._note.write_text(self.digest)

    @contextmanager
    def being_made(self) -> Iterator[None]:
        """Alone: whoever else makes the same file waits, and then finds it current."""
        self.made.parent.mkdir(parents=True, exist_ok=True)
        with self.made.with_name(f"{self.made.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def _note(self) -> Path:
        return self.made.with_name(f"{self.made.name}.made-from")
