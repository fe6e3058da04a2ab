"""One call of one step: what it is, how it is tried, and the records that come of it. No waiting, no I/O."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

from holdfast.contract.limits import RESULT_LIMIT_BYTES
from holdfast.domain.errors import BranchError, EncodingError
from holdfast.domain.scopes import Place, StepKey
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.runtime.history import CANCEL_KIND, CANCEL_MARK
from holdfast.sdk.codec import check_size
from holdfast.sdk.failure import describe
from holdfast.sdk.step import Step


@dataclass(slots=True)
class StepCall:
    """A call that was not found finished in the history.

    Attributes:
        tries: executions that came to an end so far, earlier attempts included.
        started: monotonic time of the current try, in seconds.
    """

    step: Step[..., Any]
    place: Place
    input_digest: bytes
    tries: int = 0
    started: float = 0.0

    def begin_try(self) -> None:
        """Count the try that begins now."""
        self.tries += 1
        self.started = time.monotonic()

    def success(self, value: object, sequence: int) -> tuple[StepRecord, Any]:
        """Return the record of ``value``, and the value as every later attempt will see it.

        Raises:
            EncodingError: the value cannot be recorded, or is too large.
        """
        text, settled = self.step.codec.settle(value)
        check_size(text, RESULT_LIMIT_BYTES, f"the result of step {self.step.name}", setting="RESULT_LIMIT_BYTES")
        return self._record(StepOutcome.SUCCEEDED, sequence, text), settled

    def wait_seconds(self, error: Exception) -> float | None:
        """Return how long to wait before the next try after ``error``; None to give up."""
        if isinstance(error, (BranchError, EncodingError)):
            return None
        return self.step.retry.wait_seconds(error, self.tries, random.random)

    def retrying(self, error: Exception, sequence: int) -> StepRecord:
        """Return the record that keeps the count of tries."""
        return self._record(StepOutcome.RETRYING, sequence, describe(error).to_json())

    def failure(self, error: Exception, sequence: int) -> StepRecord:
        """Return the record of the final failure of this call."""
        return self._record(StepOutcome.FAILED, sequence, describe(error).to_json())

    def canceled(self, sequence: int) -> StepRecord:
        """Return the record of a call whose caller was canceled before there was a result."""
        return self._record(StepOutcome.CANCELED, sequence, None)

    def cancel_mark(self, sequence: int) -> StepRecord:
        """Return the record that says: the result is there, but its caller was canceled before it got it."""
        return cancel_mark_of(self.place.key, self.step.name, sequence)

    def _record(self, outcome: StepOutcome, sequence: int, value: str | None) -> StepRecord:
        elapsed_ms = int((time.monotonic() - self.started) * 1000)
        return StepRecord(
            self.place.key, sequence, self.place.position, self.step.kind, self.step.name, outcome, self.tries,
            elapsed_ms, self.input_digest, value,
        )  # fmt: skip


def cancel_mark_of(key: StepKey, name: str, sequence: int) -> StepRecord:
    """Return the record that marks the recorded success ``key`` as one whose caller was canceled."""
    return StepRecord(
        key=StepKey(key + CANCEL_MARK),
        sequence=sequence,
        position=0,
        kind=CANCEL_KIND,
        name=name,
        outcome=StepOutcome.CANCELED,
        tries=0,
        elapsed_ms=0,
        input_digest=None,
        value=None,
    )
