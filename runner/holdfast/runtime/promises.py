"""Records, within the body of a step, that the step has a compensation, before its success is recorded.

A success that binds nobody any more (the try that it belongs to has failed, and is made again) may be replaced by what
stands at its place now. It happened nevertheless, and is to be undone like others: so it is kept under another key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holdfast.contract.limits import STEP_KEY_LIMIT
from holdfast.domain.errors import DefinitionError
from holdfast.domain.scopes import StepKey
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.sdk.compensation import COMPENSABLE_KIND
from holdfast.sdk.journal import Strand

if TYPE_CHECKING:
    from holdfast.runtime.blocking import BlockingSteps
    from holdfast.runtime.session import Session

REPLACED_KIND = "replaced"

_ROOM_CHARACTERS = 40
"""What the keys that follow from that of a compensable step are longer by."""

_SUFFIX = f"/{COMPENSABLE_KIND}#1"


def promise_key(step_key: str) -> StepKey:
    """Return the key under which the body of a step says whose compensation it has."""
    return StepKey(step_key + _SUFFIX)


def replaced_key(record: StepRecord) -> StepKey:
    """Return the key under which a success is kept that something else has replaced."""
    return StepKey(f"{record.key}~{record.sequence}")


class Promises:
    """What the bodies of compensable steps record first, for a session."""

    def __init__(self, session: Session, blocking: BlockingSteps) -> None:
        self._session = session
        self._blocking = blocking

    def promise(self, strand: Strand, reference: str) -> None:
        """See ``Journal.promise``."""
        session = self._session
        if session.is_closing:
            return  # what undoes, or tells of an end, is not undone
        _check_room(strand.branch.path)
        replaced = session.history.replaced.pop(StepKey(strand.branch.path), None)
        if replaced is not None and replaced.outcome is StepOutcome.SUCCEEDED:
            self._keep(replaced)
        place = strand.branch.next_step(COMPENSABLE_KIND)
        if session.claim(place, COMPENSABLE_KIND, COMPENSABLE_KIND, None) is None:
            record = StepRecord(
                place.key, session.next_sequence(), place.position, COMPENSABLE_KIND, COMPENSABLE_KIND,
                StepOutcome.SUCCEEDED, 1, 0, None, json.dumps(reference),
            )  # fmt: skip
            session.history.add(record)
            self._put(record)

    def _keep(self, replaced: StepRecord) -> None:
        promise = self._session.history.record_of(promise_key(replaced.key))
        if promise is None:
            return
        key = replaced_key(replaced)
        for record, its_key, kind in ((replaced, key, REPLACED_KIND), (promise, promise_key(key), COMPENSABLE_KIND)):
            text = record.value if record.value is not None else self._blocking.fetch(record.key)
            self._put(record._replace(key=its_key, kind=kind, position=0, value=text))

    def _put(self, record: StepRecord) -> None:
        # what is put first is stored first: it is there when the success of the step is
        self._blocking.on_home_loop(lambda: self._session.recorder.put(record))


def _check_room(key: str) -> None:
    """Refuse, before the body is executed, a step whose compensation could not be recorded."""
    limit = STEP_KEY_LIMIT - _ROOM_CHARACTERS
    if len(key) > limit:
        raise DefinitionError(
            f"the key of a step with a compensation has {len(key)} characters, and {limit} is the limit: it holds the "
            "names of all steps that it is inside of. Nest less, or use shorter names"
        )
