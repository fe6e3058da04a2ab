"""What the steps of a run did is undone, the latest first.

Each compensation is a step with a place of its own, so one that has succeeded is never executed again, whatever becomes
of the attempt. One that fails ends the attempt: those of earlier steps have to wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from holdfast.domain.retry import NO_RETRY
from holdfast.domain.scopes import CLOSING, StepKey, branch_of
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.runtime.promises import replaced_key
from holdfast.runtime.side_step import take_side_step
from holdfast.sdk.compensation import COMPENSABLE_KIND, find_compensable

if TYPE_CHECKING:
    from holdfast.runtime.session import Session

COMPENSATION_KIND = "compensation"
_COMPENSATE = "compensate"


class Undoing(NamedTuple):
    """A step to be undone, and the record in its body that says by whose compensation."""

    done: StepRecord
    promise: StepRecord


def steps_to_undo(history: Sequence[StepRecord]) -> list[Undoing]:
    """Return the steps that have succeeded and have a compensation, the latest first."""
    succeeded = {record.key: record for record in history if record.outcome is StepOutcome.SUCCEEDED}
    undoing = []
    for promise in history:
        done = succeeded.get(StepKey(branch_of(promise.key))) if promise.kind == COMPENSABLE_KIND else None
        # one that was about to be replaced is there twice
        if done is not None and replaced_key(done) not in succeeded:
            undoing.append(Undoing(done, promise))
    return sorted(undoing, key=lambda each: each.done.sequence, reverse=True)


async def compensate_all(session: Session, history: Sequence[StepRecord]) -> None:
    """Undo the steps of a run in the reverse order of their records.

    Raises:
        DefinitionError: the program has a compensation no more.
        Exception: what a compensation raised, after its retries.
    """
    for done, promise in steps_to_undo(history):
        compensable = find_compensable(json.loads(await _value(session, promise)))
        assert compensable.compensate is not None
        await take_side_step(
            compensable.compensate,
            compensable.codec.decode(await _value(session, done)),
            path=f"{CLOSING}/{done.key}",
            name=_COMPENSATE,
            kind=COMPENSATION_KIND,
            retry=NO_RETRY,
        )


async def _value(session: Session, record: StepRecord) -> str:
    text = record.value if record.value is not None else await session.dialogue.fetch(record.key)
    return text if text is not None else "null"
