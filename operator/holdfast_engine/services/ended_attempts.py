"""Tells the database of attempts that are over without success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from holdfast.contract.reasons import FailureClass, Reason
from holdfast_engine.database import EngineDatabase, columns


class EndedAttempt(NamedTuple):
    """The arguments of ``end_attempt`` for one attempt, in their order."""

    run_id: UUID
    attempt: int
    failure: FailureClass
    reason: Reason
    message: str
    exit_code: int | None = None
    only_unopened: bool = False


async def end_attempts(database: EngineDatabase, ended: Sequence[EndedAttempt]) -> int:
    """End attempts that have not ended; return how many runs were looked at.

    An attempt that has committed its outcome, or is not the newest any more, stays as it is.
    """
    if not ended:
        return 0
    return len(await database.rows("end_attempts", *columns(ended, len(EndedAttempt._fields))))
