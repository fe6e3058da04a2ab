"""What the measured steps return."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

PAYLOAD = "x" * 1024
"""1 KiB."""


def step_row(run_id: UUID | None = None, number: int = 1) -> tuple[object, ...]:
    """The columns of one recorded step, as the runner would fill them."""
    return (
        run_id or uuid4(), 1, f"0/store#{number}", number, number, "step", "store", "Succeeded", 1, 0, bytes(16),
        json.dumps(PAYLOAD),
    )  # fmt: skip
