"""What a script and the runner that it runs under say to each other: lines of JSON over a connection of loopback.

One connection is one call. The script's side asks first; ``docs/reference/script-protocol.md`` tells all of it.
"""

from __future__ import annotations

from typing import Final

STEPS: Final = "HOLDFAST_STEPS"
"""Variable of the environment: where the runner listens and the secret that it wants to hear, ``HOST:PORT:SECRET``."""

STEP_KEY: Final = "HOLDFAST_STEP_KEY"
"""Variable of a step's command: the same in every try and attempt, for services that take such a key."""

LINE_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""Of one line; more than any result that may be recorded."""
