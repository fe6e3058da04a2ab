"""Which run is meant: by its id, the beginning of its id, or its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

_HEX_DIGITS = 32
_SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class IdRange:
    """All ids that begin with certain digits."""

    first: UUID
    last: UUID


def id_range(reference: str) -> IdRange | None:
    """The ids that ``reference`` is the beginning of; None if it cannot be one."""
    digits = reference.replace("-", "").lower()
    if not _SHORTEST_PREFIX <= len(digits) <= _HEX_DIGITS or not re.fullmatch("[0-9a-f]+", digits):
        return None
    return IdRange(UUID(digits.ljust(_HEX_DIGITS, "0")), UUID(digits.ljust(_HEX_DIGITS, "f")))


def near_names(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: what could have been meant."""
    from difflib import get_close_matches

    names = list(known)
    near = get_close_matches(name, names, n=3, cutoff=0.7)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"There are: {shown}." if names else "There are none yet."
