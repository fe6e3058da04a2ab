"""The fault points: where, and the how many-th time."""

from __future__ import annotations

import pytest

from holdfast_operator.faults import Fault


def test_it_is_due_once_at_the_planned_time() -> None:
    fault = Fault("before:create:pods:2")
    points = ["before:create:pods", "after:create:pods", "before:create:pods", "before:create:pods"]
    assert [fault.is_due(point) for point in points] == [False, False, True, False]


def test_without_a_plan_it_is_never_due() -> None:
    assert not Fault("").is_due("before:create:pods")


@pytest.mark.parametrize("plan", ["before:create:pods", "before:create:pods:0", "3", ":3"])
def test_a_plan_that_names_no_time_is_refused(plan: str) -> None:
    with pytest.raises(ValueError, match="a point and a number"):
        Fault(plan)
