"""Why an attempt or a run ended: classes decide what happens next, reasons tell people.

Both are spelled in CamelCase everywhere: in the database, in conditions, in metrics, in the CLI.
"""

from __future__ import annotations

from enum import StrEnum


class FailureClass(StrEnum):
    """Whose failure it was, which decides what it counts against."""

    meaning: str
    """One sentence for people, for tables and for the docs."""

    def __new__(cls, value: str, meaning: str = "") -> FailureClass:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    APP = "App", "The task raised, or its process exited with an error. Counts against `maxAttempts`."
    NON_RETRYABLE = "NonRetryable", "Trying again is pointless. The run fails at once."
    OOM = "OOM", "Killed for memory, or for disk above the pod's own limit. Counts against `maxAttempts`."
    DISRUPTION = "Disruption", "Lost through nobody's fault. Counts against `disruptionLimit`."
    START = "Start", "The attempt could not start. Bounded by `pendingDeadlineSeconds`."
    DEADLINE = (
        "Deadline",
        "A deadline passed. An attempt's counts against `maxAttempts`; the run's ends the run.",
    )


class Reason(StrEnum):
    """What happened, in one word."""

    meaning: str
    """One sentence for people, for tables and for the docs."""

    def __new__(cls, value: str, meaning: str = "") -> Reason:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    # the run goes well
    SUCCEEDED = "Succeeded", "The task returned and its result is recorded."
    PARKED = "Parked", "The run waits without a process."

    # App and NonRetryable
    EXCEPTION_RAISED = "ExceptionRaised", "The task raised an exception."
    EXIT_CODE = "ExitCode", "The process exited with a code other than 0."
    SIGNALED = "Signaled", "The process was ended by a signal that nobody here sent."
    IMPORT_FAILED = "ImportFailed", "The task's module could not be imported."
    UNKNOWN_TASK = "UnknownTask", "The module has no task of that name."
    INPUT_INVALID = "InputInvalid", "The input does not fit the task's parameters."
    RESULT_NOT_RECORDABLE = "ResultNotRecordable", "A value cannot be written as JSON, or is above its limit."
    HISTORY_MISMATCH = "HistoryMismatch", "The program asks for something else than what was recorded."
    STEP_LIMIT_REACHED = "StepLimitReached", "The run recorded as many steps as a run may have."

    # OOM
    OUT_OF_MEMORY = "OutOfMemory", "The process was killed because it used more memory than it may."
    OUT_OF_DISK = "OutOfDisk", "The pod was evicted because it used more disk than it may."

    # Disruption
    LEASE_EXPIRED = "LeaseExpired", "The attempt was not heard of for longer than its lease."
    PROCESS_LOST = "ProcessLost", "The process or its pod is gone without an outcome."
    DATABASE_UNREACHABLE = "DatabaseUnreachable", "The attempt could not record for longer than its grace."
    EVICTED = "Evicted", "The pod was evicted: through the API, by a drain, or because its node ran short."
    PREEMPTED = "Preempted", "The pod made room for one of higher priority."
    NODE_TAINTED = "NodeTainted", "The pod's node got a taint that the pod does not tolerate, as a lost node does."
    NODE_LOST = "NodeLost", "The pod's node is gone."
    NODE_SHUTDOWN = "NodeShutdown", "The pod's node was shut down."
    POD_DELETED = "PodDeleted", "Someone deleted the pod."
    SHUTDOWN_REQUESTED = "ShutdownRequested", "The process was asked to stop (drain, eviction, deletion)."
    FENCED = "Fenced", "A newer attempt owns the run."

    # Start
    LAUNCH_FAILED = "LaunchFailed", "The process or pod could not be created, or never opened its attempt."

    POD_REJECTED = "PodRejected", "The node did not take the pod."
    CONTAINER_CANNOT_RUN = "ContainerCannotRun", "The container's program could not be started."

    # Deadline
    ATTEMPT_DEADLINE_EXCEEDED = (
        "AttemptDeadlineExceeded",
        "The attempt ran longer than `attemptDeadlineSeconds`.",
    )
    RUN_DEADLINE_EXCEEDED = "RunDeadlineExceeded", "The run took longer than `activeDeadlineSeconds`."
    PENDING_DEADLINE_EXCEEDED = (
        "PendingDeadlineExceeded",
        "No attempt could start within `pendingDeadlineSeconds`.",
    )

    # the end of a run
    DISRUPTION_LIMIT_REACHED = (
        "DisruptionLimitReached",
        "The run was disrupted more often than `disruptionLimit`.",
    )
    COMPENSATION_FAILED = "CompensationFailed", "What the run did could not be undone; the message says what is left."
    CANCELED = "Canceled", "Someone canceled the run."
    EXPIRED = "Expired", "The run had not started within `expireAfterSeconds`."

    # while a run is active
    DELAYED = "Delayed", "The run starts later."
    QUEUED = "Queued", "The run waits for a slot of its queue."
    STARTING = "Starting", "An attempt is being launched."
    RUNNING = "Running", "An attempt is running."
    WAITING_FOR_RETRY = "WaitingForRetry", "The last attempt failed; the next one has its time."
    SUSPENDED = "Suspended", "Someone suspended the run."
    CANCELING = "Canceling", "The run was canceled, and its attempt cleans up."
    TASK_NOT_FOUND = "TaskNotFound", "The TaskRun's task does not exist (yet)."

    # what became of a TaskRun without a run
    NAME_TAKEN = "NameTaken", "An active run that was triggered from code has the name."
    RUN_MISSING = "RunMissing", "The run that the TaskRun shows was removed from the database."
    REFUSED = "Refused", "The database refused the run; the message says why."
