"""Values that are recorded while the code goes on: they are durable before the next step's body begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast.contract.limits import RESULT_LIMIT_BYTES
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.sdk.codec import Codec, check_size
from holdfast.sdk.journal import Strand

if TYPE_CHECKING:
    from holdfast.runtime.blocking import BlockingSteps
    from holdfast.runtime.session import Session


class Notes:
    """What a session has noted.

    Attributes:
        are_unsettled: whether a value was noted that may not be durable yet.
    """

    def __init__(self, session: Session, blocking: BlockingSteps) -> None:
        self._session = session
        self._blocking = blocking
        self._last: asyncio.Future[None] | None = None
        self.are_unsettled = False

    def take(
        self,
        strand: Strand,
        kind: str,
        name: str,
        produce: Callable[[], Any],
        codec: Codec[Any],
        key: str | None = None,
    ) -> tuple[Any, StepRecord]:
        """Return a recorded value and its record; make and record it if there is none.

        Its place identifies it, or an explicit ``key``.
        """
        session = self._session
        session.departure.check()
        place = strand.branch.next_step(name) if key is None else strand.branch.explicit_step(key)
        recorded = session.claim(place, kind, name, None)
        if recorded is not None:
            text = recorded.value if recorded.value is not None else self._blocking.fetch(recorded.key)
            return session.decoded(codec, recorded, text), recorded
        text, settled = codec.settle(produce())
        check_size(text, RESULT_LIMIT_BYTES, f"the value of {name}", setting="RESULT_LIMIT_BYTES")
        record = StepRecord(
            place.key, session.next_sequence(), place.position, kind, name, StepOutcome.SUCCEEDED, 1, 0, None, text
        )
        # while the attempt leaves no step begins any more, and a held one may have led the code astray (a timeout)
        if not session.departure.is_draining:
            session.history.add(record)
            self._blocking.on_home_loop(lambda: self.put(record))
        return settled, record

    def put(self, record: StepRecord) -> None:
        """Have a record recorded, on the session's loop."""
        self._last = self._session.recorder.record(record)
        self.are_unsettled = True

    async def settle(self) -> None:
        """Wait until every value that was noted so far is durable."""
        last = self._last
        if last is not None:
            await asyncio.shield(last)
            if self._last is last:
                self._last = None
                self.are_unsettled = False
