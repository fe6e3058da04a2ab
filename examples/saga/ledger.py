"""Three services of other people, as folders: what is in them is what they hold. Named by SAGA_FOLDER.

An entry is made once per id, and taken out once; each request leaves a line in the file ``requests``, so that what was
asked twice can be seen. Nothing in here knows how a run survives.
"""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_FOLDER = "saga-ledger"


class SoldOut(Exception):
    """There is none left, and will be none."""


def folder() -> Path:
    """Where everything is."""
    return Path(os.environ.get("SAGA_FOLDER", DEFAULT_FOLDER))


def put(service: str, id: str, text: str) -> None:
    """Make an entry; the same id again changes nothing."""
    _note(f"put {service} {id}")
    entries = folder() / service
    entries.mkdir(parents=True, exist_ok=True)
    (entries / id).write_text(text)


def take_out(service: str, id: str) -> None:
    """Take an entry out; one that is gone stays gone."""
    _note(f"take out {service} {id}")
    (folder() / service / id).unlink(missing_ok=True)


def held(service: str) -> list[str]:
    """What a service holds."""
    return sorted(path.read_text() for path in (folder() / service).glob("*"))


def _note(request: str) -> None:
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "requests").open("a") as requests:
        requests.write(request + "\n")
