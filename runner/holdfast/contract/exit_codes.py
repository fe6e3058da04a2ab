"""What the two kinds of process say when they end.

Codes from 64 follow `sysexits.h` where it has a word for it. Codes from 128 are the shell's for signals.
"""

from __future__ import annotations

from enum import IntEnum


class RunnerExit(IntEnum):
    """Exit code of the process of one attempt.

    It is a hint for people and for `kubectl`: the outcome is what the database says.
    """

    meaning: str
    """One sentence for people, for the docs."""

    def __new__(cls, value: int, meaning: str = "") -> RunnerExit:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    SUCCEEDED = 0, "The task's result is recorded."
    FAILED = 1, "The task failed, and that is recorded."
    USAGE = 64, "The environment of the attempt is missing or malformed; nothing was opened."
    INTERNAL = 70, "A defect of the runner itself; standard error has the traceback."
    DISRUPTED = 75, "The attempt ended through nobody's fault (shutdown, database outage); the run goes on."
    FENCED = 76, "A newer attempt owns the run, or this one's token was used before; nothing was recorded."
    PARKED = 77, "The run waits without a process, or was suspended, and that is recorded."
    CANCELED = 78, "The run was canceled, and that is recorded."


class CliExit(IntEnum):
    """Exit code of the `holdfast` command."""

    meaning: str
    """One sentence for people, for the docs."""

    def __new__(cls, value: int, meaning: str = "") -> CliExit:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "The command did what it says; a run that was followed Succeeded."
    RUN_FAILED = (
        1,
        "A run that was followed is Failed, TimedOut or Expired; a local replay differs; a check has findings.",
    )
    USAGE = 2, "Bad usage or bad input; nothing was changed."
    RUN_CANCELED = 3, "The run that was followed ended as Canceled."
    NOT_FOUND = 4, "There is no such run, task, queue or schedule."
    DATABASE = 5, "The database cannot be reached, or cannot be used as it is."
    REFUSED = 6, "The request does not fit the state it meets, such as resuming a run that is active."
    MISSING_EXTRA = 7, "Packages of an extra are not installed; the message has the command."
    INTERNAL = 70, "A defect of Holdfast; standard error has the traceback."
    INTERRUPTED = 130, "Interrupted (Ctrl-C)."
