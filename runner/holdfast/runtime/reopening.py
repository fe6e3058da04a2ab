"""What has to be executed again when a failure is to be tried again: the failed steps, and those canceled by it. Pure.

A canceled call is remembered, so that a later attempt waits for the same cancellation instead of racing with it. But a
call that was canceled *because of* a failure must not wait: the failure may not come again, and then nobody cancels.
"""

from __future__ import annotations

from holdfast.domain.scopes import StepKey
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.runtime.failures import FailedSteps
from holdfast.runtime.history import History

_OPEN_AGAIN = (StepOutcome.FAILED, StepOutcome.CANCELED)


def records_to_reopen(
    history: History, failures: FailedSteps, error: BaseException, inside: StepKey | None = None
) -> list[StepRecord]:
    """Return the records that must not be replayed when what ended with ``error`` is tried again.

    Args:
        history: what is recorded.
        failures: which steps and branches failed with what.
        error: how the attempt ended, or the body of a step.
        inside: the step of that body; None for the attempt.
    """
    within = history.records(inside)
    behind = set(failures.behind(error))
    failed = [record for record in within if record.key in behind and record.outcome in _OPEN_AGAIN]
    # cancellations that nothing was recorded after cannot have mattered to anyone
    last = max((record.sequence for record in within if record.outcome is not StepOutcome.CANCELED), default=0)
    since = min([last, *(record.sequence for record in failed), *failures.branches_behind(error)])
    canceled = [
        record
        for record in within
        if record.outcome is StepOutcome.CANCELED and record.sequence > since and record.key not in behind
    ]
    return [*failed, *canceled]
