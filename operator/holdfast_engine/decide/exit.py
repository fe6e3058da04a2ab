"""What the end of a process means for its attempt, if the attempt had not recorded an outcome."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from holdfast.contract.exit_codes import RunnerExit
from holdfast.contract.reasons import FailureClass, Reason
from holdfast_engine.launcher import Exit

OUTPUT_IN_MESSAGE_CHARACTERS = 4000

_SENT_FROM_OUTSIDE = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPWR}
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How an attempt ended whose process is gone."""

    failure: FailureClass
    reason: Reason
    #: For people: what happened, then the end of what the process printed.
    message: str
    exit_code: int | None
    #: Only if it was never opened: this process may not have been the one that opened it.
    only_unopened: bool = False


def judge(exit: Exit) -> Verdict:
    """Say what ``exit`` means. The database is asked before: it applies only to an attempt that has not ended."""
    if exit.cause is not None:
        return _verdict(exit, exit.cause.failure, exit.cause.reason, exit.cause.sentence)
    if exit.signal is not None:
        return _judge_signal(exit, exit.signal)
    if exit.exit_code is not None:
        return _judge_code(exit, exit.exit_code)
    return _verdict(exit, FailureClass.DISRUPTION, Reason.PROCESS_LOST, "the process is gone; nobody saw how it ended")


def _judge_signal(exit: Exit, number: int) -> Verdict:
    name = _signal_name(number)
    if number in _SENT_FROM_OUTSIDE:
        return _verdict(exit, FailureClass.DISRUPTION, Reason.PROCESS_LOST, f"the process was ended by {name}")
    return _verdict(exit, FailureClass.APP, Reason.SIGNALED, f"the process was ended by {name}")


def _judge_code(exit: Exit, code: int) -> Verdict:
    if exit.is_command:
        return _verdict(exit, FailureClass.APP, Reason.EXIT_CODE, f"the command ended with exit code {code}")
    if code == RunnerExit.FENCED:
        sentence = "the process was not let in"
        return _verdict(exit, FailureClass.START, Reason.LAUNCH_FAILED, sentence, only_unopened=True)
    if code == RunnerExit.USAGE:
        return _verdict(exit, FailureClass.START, Reason.LAUNCH_FAILED, "the process could not begin its attempt")
    if code == RunnerExit.DISRUPTED:
        sentence = "the process could not record its outcome"
        return _verdict(exit, FailureClass.DISRUPTION, Reason.DATABASE_UNREACHABLE, sentence)
    if code in (RunnerExit.PARKED, RunnerExit.CANCELED):
        sentence = f"the process ended with exit code {code}, and the database knows nothing of it"
        return _verdict(exit, FailureClass.DISRUPTION, Reason.PROCESS_LOST, sentence)
    sentence = f"the process ended with exit code {code} without recording an outcome"
    return _verdict(exit, FailureClass.APP, Reason.EXIT_CODE, sentence)


def _verdict(
    exit: Exit, failure: FailureClass, reason: Reason, sentence: str, *, only_unopened: bool = False
) -> Verdict:
    return Verdict(
        failure=failure,
        reason=reason,
        message=_with_output(sentence, exit.output_tail),
        exit_code=exit.exit_code,
        only_unopened=only_unopened,
    )


def _with_output(sentence: str, output: str) -> str:
    # Postgres' text knows no NUL
    tail = output.replace("\x00", "\N{REPLACEMENT CHARACTER}").strip()[-OUTPUT_IN_MESSAGE_CHARACTERS:]
    return f"{sentence}. It printed last:\n{tail}" if tail else sentence


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have numbers only
        return f"signal {number}"
