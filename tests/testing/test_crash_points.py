"""Crash points as text, and the process that kills itself at one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from holdfast.testing import CrashPlan, CrashPoint, FaultPoint, ProcessDied
from holdfast.testing.process import KILL_AT


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("after body|fetch|2", CrashPoint(FaultPoint.AFTER_BODY, "fetch", 2)),
        ("after record|=a|b|3", CrashPoint(FaultPoint.AFTER_RECORD, "=a|b", 3)),
        ("before park", CrashPoint(FaultPoint.BEFORE_PARK)),
        ("before body|fetch", CrashPoint(FaultPoint.BEFORE_BODY, "fetch")),
    ],
)
def test_a_crash_point_is_text(text: str, point: CrashPoint) -> None:
    assert CrashPoint.parse(text) == point
    assert CrashPoint.parse(str(point)) == point


@pytest.mark.parametrize("text", ["", "after lunch|fetch|1", "after body|fetch|second", "after body|fetch|0"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"moments are|the first one is 1"):
        CrashPoint.parse(text)


def test_a_plan_dies_once_at_each_of_its_points() -> None:
    plan = CrashPlan([CrashPoint(FaultPoint.AFTER_BODY, "fetch", 2), CrashPoint(FaultPoint.AFTER_BODY, "0/load#1")])
    plan.reach(FaultPoint.AFTER_BODY, "0/fetch#1")
    plan.reach(FaultPoint.BEFORE_BODY, "0/fetch#2")
    with pytest.raises(ProcessDied):
        plan.reach(FaultPoint.AFTER_BODY, "0.1/fetch#1")
    with pytest.raises(ProcessDied):
        plan.reach(FaultPoint.AFTER_BODY, "0/load#1")
    plan.reach(FaultPoint.AFTER_BODY, "0/load#1")
    assert plan.waiting == []
    assert len(plan.reached) == 5


def test_a_process_says_that_its_crash_point_is_none() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "holdfast.testing.process"],
        env=os.environ | {KILL_AT: "after lunch"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 64
    assert "moments are: before body" in ended.stderr
