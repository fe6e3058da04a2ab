"""What the end of a process means."""

from __future__ import annotations

import signal
from uuid import UUID

import pytest

from holdfast.contract.exit_codes import RunnerExit
from holdfast.contract.reasons import FailureClass, Reason
from holdfast_engine.decide.exit import OUTPUT_IN_MESSAGE_CHARACTERS, judge
from holdfast_engine.launcher import AttemptId, Exit

ID = AttemptId(UUID(int=1), 2)

_LOST = (FailureClass.DISRUPTION, Reason.PROCESS_LOST)
_CRASHED = (FailureClass.APP, Reason.SIGNALED)
_FAILED = (FailureClass.APP, Reason.EXIT_CODE)

CODES: dict[int, tuple[FailureClass, Reason]] = {
    0: _FAILED,
    1: _FAILED,
    2: _FAILED,
    255: _FAILED,
    RunnerExit.INTERNAL: _FAILED,
    RunnerExit.USAGE: (FailureClass.START, Reason.LAUNCH_FAILED),
    RunnerExit.DISRUPTED: (FailureClass.DISRUPTION, Reason.DATABASE_UNREACHABLE),
    RunnerExit.FENCED: (FailureClass.START, Reason.LAUNCH_FAILED),
    RunnerExit.PARKED: _LOST,
    RunnerExit.CANCELED: _LOST,
}

SIGNALS = {
    signal.SIGKILL: _LOST,
    signal.SIGTERM: _LOST,
    signal.SIGHUP: _LOST,
    signal.SIGINT: _LOST,
    signal.SIGSEGV: _CRASHED,
    signal.SIGABRT: _CRASHED,
    signal.SIGBUS: _CRASHED,
    signal.SIGFPE: _CRASHED,
    signal.SIGILL: _CRASHED,
    signal.SIGXCPU: _CRASHED,
}


@pytest.mark.parametrize("code", CODES)
def test_exit_codes(code: int) -> None:
    verdict = judge(Exit(id=ID, exit_code=code))
    assert (verdict.failure, verdict.reason) == CODES[code]
    assert verdict.exit_code == code


def test_every_exit_code_of_the_runner_is_judged() -> None:
    assert {code for code in RunnerExit if code not in (RunnerExit.SUCCEEDED, RunnerExit.FAILED)} <= CODES.keys()


@pytest.mark.parametrize("number", SIGNALS)
def test_signals(number: signal.Signals) -> None:
    verdict = judge(Exit(id=ID, signal=number))
    assert (verdict.failure, verdict.reason) == SIGNALS[number]
    assert number.name in verdict.message
    assert verdict.exit_code is None


def test_a_signal_without_a_name() -> None:
    assert "signal 40" in judge(Exit(id=ID, signal=40)).message


def test_an_end_that_nobody_saw() -> None:
    verdict = judge(Exit(id=ID))
    assert (verdict.failure, verdict.reason) == _LOST
    assert "nobody saw" in verdict.message


def test_only_a_process_that_was_not_let_in_may_leave_another_one_of_its_attempt_alone() -> None:
    assert judge(Exit(id=ID, exit_code=RunnerExit.FENCED)).only_unopened
    assert not any(judge(Exit(id=ID, exit_code=code)).only_unopened for code in CODES if code != RunnerExit.FENCED)


def test_the_end_of_the_output_is_in_the_message() -> None:
    output = "first\n" + "x" * OUTPUT_IN_MESSAGE_CHARACTERS + "\nValueError: nul \x00 here\n"
    message = judge(Exit(id=ID, exit_code=1, output_tail=output)).message
    assert message.startswith("the process ended with exit code 1")
    assert message.endswith("ValueError: nul \N{REPLACEMENT CHARACTER} here")
    assert "first" not in message
    assert len(message) < OUTPUT_IN_MESSAGE_CHARACTERS + 200


def test_no_output_no_mention_of_it() -> None:
    assert "printed" not in judge(Exit(id=ID, exit_code=1, output_tail=" \n")).message
