"""What the measured steps return, and the row that records it."""

from __future__ import annotations

import json
from uuid import UUID

PAYLOAD = "x" * 1024
"""1 KiB."""

_TEXT = json.dumps(PAYLOAD)


def step_row(run_id: UUID, number: int) -> tuple[object, ...]:
    """The columns of the recorded step ``number``, from 1, as the runner would fill them."""
    return (run_id, 1, f"0/store#{number}", number, number, "step", "store", "Succeeded", 1, 0, bytes(16), _TEXT)
