"""Every error Holdfast raises, in one tree.

HoldfastError (Exception)
|-- DefinitionError         a task or step is declared in a way that cannot work
|   `-- DuplicateTaskError
|-- TaskImportError         a task's module cannot be imported
|-- UnknownTaskError        a module has no task of that name
|-- TaskExitedError         a task called sys.exit
|-- CommandFailedError      a task's command ended with an error
|-- CommandNotFoundError    a task's command cannot be run
|-- InputError              the input does not fit the task's parameters
|-- EncodingError           a value cannot be recorded, or not be rebuilt
|   `-- PayloadTooLargeError
|-- StepFailedError         a step failed with an exception that cannot be rebuilt by name
|-- StepTimeoutError        a step ran longer than its `timeout`
|-- TokenTimedOutError      nobody completed a token in time
|-- SignalTimedOutError     no signal came in time
|-- EventTimedOutError      no event came in time
|-- ChildFailedError        a run that was waited for did not succeed
|-- RetryAfter              raised by authors: try again after so many seconds
|-- NonRetryableError       raised by authors: trying again is pointless
|-- BranchError             a step was called from a place whose order cannot be recorded
|-- ManifestError           a file of manifests has problems; lists all of them
|-- AttemptEnvironmentError  variables of an attempt's process are missing or malformed
|-- ControlError            the control plane refused a request
|   |-- NotFoundError       no such run, task or queue
|   |-- ConflictError       it exists already and differs, or the request contradicts itself
|   |-- WrongStateError     the state of the run does not allow it
|   |-- LimitError          a limit is exceeded
|   |-- DeniedError         the role lacks the right
|   `-- UnavailableError    the database cannot be reached, or not now
|-- MissingExtraError       a part of Holdfast is used whose packages are not installed
|-- EmbeddedPostgresError   the embedded PostgreSQL cannot be started or stopped
|-- LaunchError             the process of an attempt cannot be made
|-- MigrationError          a database cannot be used, or not be brought up to date
|-- UnknownQueryError       no `.sql` file has a query of that name
`-- CrashNotReachedError    a test planned a crash at a point that its run never reached

ControlFlow (BaseException)  `except Exception` must not eat these: they end the attempt
|-- RunCanceled
|-- RunParked
|-- AttemptFenced            a newer attempt owns the run
|-- HistoryMismatch          the program and its recorded history disagree
|-- RecordRefused            the database refused a record for good
`-- AttemptDisrupted         this attempt cannot go on, through no fault of the code
    `-- DatabaseUnreachable  the database stayed away for too long
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class HoldfastError(Exception):
    """Root of all errors that authors and callers may catch."""


class DefinitionError(HoldfastError):
    """A task or step is declared in a way that cannot work; raised at import, before any run."""


class DuplicateTaskError(DefinitionError):
    """Two different functions claim one task name."""


class TaskImportError(HoldfastError):
    """The module of a task cannot be imported; ``__cause__`` is what happened in it."""


class UnknownTaskError(HoldfastError):
    """A module was imported, but has no task of that name."""


class TaskExitedError(HoldfastError):
    """The task called ``sys.exit``; ``__cause__`` is the ``SystemExit``."""


class CommandFailedError(HoldfastError):
    """The command that a task consists of ended with an exit code other than 0, or by a signal."""


class ScriptStepError(HoldfastError):
    """A step of a script failed.

    Attributes:
        exit_code: of its command, from 1 to 255.
    """

    exit_code: int = 1


class CommandNotFoundError(HoldfastError):
    """The command that a task consists of does not exist or may not be executed."""


class InputError(HoldfastError):
    """The input does not fit the task's parameters. Never retried."""


class EncodingError(HoldfastError):
    """A value cannot be recorded, or a recorded value cannot be rebuilt to the annotated type."""


class PayloadTooLargeError(EncodingError):
    """An encoded value is larger than its limit."""


class StepFailedError(HoldfastError):
    """A step failed with an exception whose class cannot be rebuilt from its record.

    Raised on the first pass as well as on replay, so that both take the same way.

    Attributes:
        error_type: the class of the step's own exception, ``module:QualName``.
        error_message: its text.
        error_traceback: where it was raised; the middle of a long one is cut.
    """

    error_type: str = ""
    error_message: str = ""
    error_traceback: str = ""


class StepTimeoutError(HoldfastError, TimeoutError):
    """A step ran longer than its ``timeout`` (seconds)."""


class TokenTimedOutError(HoldfastError, TimeoutError):
    """Nobody completed a token before its ``timeout`` (seconds) was over."""


class SignalTimedOutError(HoldfastError, TimeoutError):
    """Nobody sent a signal before the ``timeout`` (seconds) of a ``receive`` was over."""


class EventTimedOutError(HoldfastError, TimeoutError):
    """No event that matches was published before the ``timeout`` (seconds) of a wait was over."""


class ChildFailedError(HoldfastError):
    """A run that this one triggered and waited for did not succeed.

    Attributes:
        run_id: which one.
        state: its final state.
        error_type: the class of what its last attempt raised, ``module:QualName``; empty if it raised nothing.
        error_message: its text.
    """

    run_id: str = ""
    state: str = ""
    error_type: str = ""
    error_message: str = ""


class BranchError(HoldfastError):
    """A step was called from a place whose order cannot be recorded."""


@dataclass(frozen=True, kw_only=True)
class ManifestProblem:
    """One thing that is wrong in a file of manifests, and where."""

    #: File, as the caller named it.
    source: str
    #: Line in the file, from 1; ``None`` if it concerns the file as a whole.
    line: int | None
    #: Document in the file, from 1; ``None`` if it concerns the file as a whole.
    document: int | None
    #: Path of the field in camelCase, such as ``spec.retry.maxAttempts``; empty for the document itself.
    field: str
    #: What is wrong.
    message: str
    #: The offending value as JSON, shortened; ``None`` if there is none.
    value: str | None = None
    #: What was probably meant.
    suggestion: str | None = None

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        document = "" if self.document is None else f" (document {self.document})"
        subject = f" {self.field}" if self.field else ""
        value = "" if self.value is None else f", got {self.value}"
        suggestion = "" if self.suggestion is None else f"; {self.suggestion}"
        return f"{place}{document}:{subject} {self.message}{value}{suggestion}"


class ManifestError(HoldfastError):
    """A file of manifests has problems. Nothing of it was applied; ``problems`` lists all of them."""

    def __init__(self, problems: Sequence[ManifestProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class AttemptEnvironmentError(HoldfastError):
    """Variables of an attempt's process are missing or malformed; ``problems`` has one sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            f"this process is not an attempt: {'; '.join(problems)}. "
            "Launchers set these variables; to run a task by hand use: holdfast run MODULE:TASK"
        )
        self.problems = tuple(problems)


class ControlError(HoldfastError):
    """The control plane refused a request; the message says why and what to do."""


class NotFoundError(ControlError):
    """No run, task or queue is meant by what was given."""


class ConflictError(ControlError):
    """What was asked for exists already and differs, or the request contradicts itself."""


class WrongStateError(ControlError):
    """The state of the run does not allow the request; nothing was changed."""


class LimitError(ControlError):
    """The request exceeds a limit; the message names it."""


class DeniedError(ControlError):
    """The role of this connection lacks the right; the message names it."""


class UnavailableError(ControlError):
    """The database cannot be reached, or not now. The same request may succeed later."""


class MissingExtraError(HoldfastError):
    """A part of Holdfast is used whose packages are not installed; the message has the command."""

    def __init__(self, *, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the package {package}, which is not installed. "
            f"Install it with: pip install 'holdfast[{extra}]'"
        )
        self.package = package
        self.extra = extra


class EmbeddedPostgresError(HoldfastError):
    """The embedded PostgreSQL cannot be started or stopped; the message says why and what to do."""


class MigrationError(HoldfastError):
    """A database cannot be used, or not be brought up to date; the message says why and what to do."""


class LaunchError(HoldfastError):
    """The process of an attempt, or what launches processes, cannot be made; the message says why."""


class UnknownQueryError(HoldfastError):
    """No ``.sql`` file has a query of that name."""


class CrashNotReachedError(HoldfastError):
    """A test planned a crash at a point that its run never reached; the message lists the points it did reach."""


class RetryAfter(HoldfastError):
    """Raise in a step or task to be tried again after ``seconds``, whatever the backoff says."""

    def __init__(self, seconds: float, message: str = "") -> None:
        if seconds < 0:
            raise ValueError(f"RetryAfter(seconds={seconds}): the delay must not be negative")
        super().__init__(seconds, message)
        self.seconds = seconds
        self.message = message

    def __str__(self) -> str:
        return self.message or f"try again after {self.seconds:g} s"


class NonRetryableError(HoldfastError):
    """Raise in a step or task when trying again is pointless: the run fails at once."""


class ControlFlow(BaseException):
    """Root of what ends an attempt from outside the author's code.

    Not an ``Exception``: an ``except Exception`` around a step must not eat it.
    """


class RunCanceled(ControlFlow):
    """Someone canceled this run; clean up and let it pass."""


class RunParked(ControlFlow):
    """The run waits without a process; it goes on here in a later attempt."""


class AttemptFenced(ControlFlow):
    """A newer attempt owns this run: nothing this process does can be recorded any more."""


class HistoryMismatch(ControlFlow):
    """The program asks for something else than what was recorded. The run stays resumable."""


class RecordRefused(ControlFlow):
    """The database refused a record, and will refuse it again."""


class AttemptDisrupted(ControlFlow):
    """This attempt cannot go on, through no fault of the code: the process was asked to stop."""


class DatabaseUnreachable(AttemptDisrupted):
    """The database stayed away for longer than ``databaseGraceSeconds``: nothing can be recorded any more."""
