"""Where letters and releases go: a folder, named by APPROVAL_FOLDER. Nothing in here knows how a run survives.

What has an id is put there once: whole or not at all, and a second time changes nothing. A mail service or a rollout
does the same with an idempotency key.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

DEFAULT_FOLDER = "approval-outbox"


def put(kind: str, id: str, text: str) -> None:
    """Put ``text`` into the file ``kind/id``, unless it is there."""
    folder = Path(os.environ.get("APPROVAL_FOLDER", DEFAULT_FOLDER)) / kind
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".unfinished-") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, folder / id)
