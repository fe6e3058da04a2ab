"""``python -m holdfast.testing.process``: the process of one attempt, which kills itself at a planned moment.

It is ``python -m holdfast.runtime`` otherwise. ``HOLDFAST_TEST_KILL_AT`` says where, as ``after body|fetch|2``: the
moment, the name or key of the step, and the how manieth time in this process. There it sends itself SIGKILL: nothing is
flushed, closed or said goodbye to. ``HOLDFAST_TEST_PARK_AFTER_SECONDS`` says how long it waits before it leaves.
Without these variables it is an attempt like any other.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from holdfast.contract.exit_codes import RunnerExit
from holdfast.runtime.__main__ import main
from holdfast.runtime.session import DEFAULT_SETTINGS, SessionSettings
from holdfast.testing.crashes import CrashPlan, CrashPoint

KILL_AT = "HOLDFAST_TEST_KILL_AT"
PARK_AFTER_SECONDS = "HOLDFAST_TEST_PARK_AFTER_SECONDS"


def kill_this_process(why: str) -> NoReturn:
    """Die as after ``kill -9``."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(why)


def _plan() -> CrashPlan:
    text = os.environ.get(KILL_AT)
    try:
        return CrashPlan([CrashPoint.parse(text)] if text else (), kill_this_process)
    except ValueError as error:
        sys.stderr.write(f"holdfast: {KILL_AT}: {error}\n")
        raise SystemExit(RunnerExit.USAGE) from None


def _settings() -> SessionSettings:
    seconds = os.environ.get(PARK_AFTER_SECONDS)
    return DEFAULT_SETTINGS if seconds is None else SessionSettings(park_threshold_seconds=float(seconds))


if __name__ == "__main__":
    main(_plan(), _settings())
