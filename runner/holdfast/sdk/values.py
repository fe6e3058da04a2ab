"""Values that would differ from attempt to attempt, recorded so that they do not.

They return at once: the record is on its way, and it is there before the next step's body begins.
"""

from __future__ import annotations

import random as _random
import uuid as _uuid
from datetime import UTC, datetime
from typing import Any, TypeVar

from holdfast.sdk.codec import codec_for
from holdfast.sdk.journal import current_strand
from holdfast.sdk.step import check_step_name

T = TypeVar("T")

_DATETIME = codec_for(datetime, "now()")
_FLOAT = codec_for(float, "random()")
_UUID = codec_for(_uuid.UUID, "uuid4()")
_ANY = codec_for(Any, "the value of a checkpoint")


def now() -> datetime:
    """Return the time of day (UTC) at which this line was first reached: the same in every attempt.

    Inside a run it is the database's time; a wrong clock of the machine does no harm.
    """
    strand = current_strand()
    if strand is None:
        return datetime.now(UTC)
    value: datetime = strand.journal.note(strand, "now", "now", strand.journal.database_now, _DATETIME)
    return value


def random() -> float:
    """Return a number in [0, 1) that is the same in every attempt."""
    strand = current_strand()
    if strand is None:
        return _random.random()
    value: float = strand.journal.note(strand, "random", "random", _random.random, _FLOAT)
    return value


def uuid4() -> _uuid.UUID:
    """Return a random UUID that is the same in every attempt."""
    strand = current_strand()
    if strand is None:
        return _uuid.uuid4()
    value: _uuid.UUID = strand.journal.note(strand, "uuid4", "uuid4", _uuid.uuid4, _UUID)
    return value


def checkpoint(name: str, value: T) -> T:
    """Record ``value`` under ``name`` and return it; later attempts get the value recorded first, whatever they
    compute.

    Raises:
        EncodingError: the value cannot be recorded.
    """
    check_step_name(name)
    strand = current_strand()
    if strand is None:
        return value
    recorded: T = strand.journal.note(strand, "checkpoint", name, lambda: value, _ANY)
    return recorded
