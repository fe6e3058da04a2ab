"""What an attempt reports, from how its task ended. Pure."""

from __future__ import annotations

from holdfast.contract.reasons import FailureClass, Reason
from holdfast.domain.errors import (
    AttemptDisrupted,
    BranchError,
    CommandFailedError,
    CommandNotFoundError,
    ControlFlow,
    DefinitionError,
    EncodingError,
    HistoryMismatch,
    HoldfastError,
    InputError,
    NonRetryableError,
    RecordRefused,
    RetryAfter,
    RunCanceled,
    TaskExitedError,
    TaskImportError,
    UnknownTaskError,
)
from holdfast.domain.scopes import StepKey
from holdfast.protocol.messages import AttemptOutcome, Ending
from holdfast.sdk.failure import describe

_MESSAGE_CHARACTERS = 2000

_NON_RETRYABLE: dict[type[BaseException], Reason] = {
    TaskImportError: Reason.IMPORT_FAILED,
    UnknownTaskError: Reason.UNKNOWN_TASK,
    CommandNotFoundError: Reason.UNKNOWN_TASK,
    InputError: Reason.INPUT_INVALID,
    EncodingError: Reason.RESULT_NOT_RECORDABLE,
    HistoryMismatch: Reason.HISTORY_MISMATCH,
    RecordRefused: Reason.RESULT_NOT_RECORDABLE,
    DefinitionError: Reason.EXCEPTION_RAISED,
    BranchError: Reason.EXCEPTION_RAISED,
    NonRetryableError: Reason.EXCEPTION_RAISED,
}


def ending_of(error: BaseException, reopen_keys: tuple[StepKey, ...] = ()) -> Ending:
    """Return what to report for a task that ended with ``error``."""
    if isinstance(error, RunCanceled):
        return Ending(AttemptOutcome.CANCELED, FailureClass.APP, Reason.CANCELED, str(error))
    if isinstance(error, AttemptDisrupted):
        return Ending(
            AttemptOutcome.DISRUPTED,
            FailureClass.DISRUPTION,
            Reason.SHUTDOWN_REQUESTED,
            str(error),
            retry_after_seconds=0.0,
        )
    failure_class, reason = FailureClass.APP, Reason.EXCEPTION_RAISED
    for kind, its_reason in _NON_RETRYABLE.items():
        if isinstance(error, kind):
            failure_class, reason = FailureClass.NON_RETRYABLE, its_reason
            break
    if isinstance(error, (SystemExit, TaskExitedError, CommandFailedError)):
        reason = Reason.EXIT_CODE
    shown = error.__cause__ if isinstance(error, TaskImportError) and error.__cause__ is not None else error
    return Ending(
        outcome=AttemptOutcome.FAILED,
        failure_class=failure_class,
        reason=reason,
        message=_message(error),
        value=describe(shown).to_json(),
        retry_after_seconds=error.seconds if isinstance(error, RetryAfter) else None,
        reopen_keys=reopen_keys,
    )


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # an author's __str__ may raise anything
        text = ""
    if not isinstance(error, (HoldfastError, ControlFlow)):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    # Postgres cannot hold a NUL in a text
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()[:_MESSAGE_CHARACTERS]
