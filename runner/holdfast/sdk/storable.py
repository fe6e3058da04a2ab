"""What the database has as a text."""

from __future__ import annotations

import re
from typing import TypeGuard


def is_storable(value: object) -> TypeGuard[str]:
    """Whether it is a text that the database has: none with NUL, nor with a half of a surrogate pair."""
    return isinstance(value, str) and not re.search("[\0\ud800-\udfff]", value)
