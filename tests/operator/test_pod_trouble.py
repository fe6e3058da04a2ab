"""Why a pod does not start, in words that help."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast_operator.decide.pod_trouble import trouble_of
from holdfast_operator.pods import pod_view
from tests.operator.pod_samples import pod, waiting

UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient memory.",
        }
    ],
}


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (waiting("ErrImagePull", "pull access denied"), "ErrImagePull", "pull access denied"),
        (waiting("ImagePullBackOff", "Back-off pulling image"), "ImagePullBackOff", "Back-off pulling image"),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), "CreateContainerConfigError", "secret"),
        (UNSCHEDULABLE, "Unschedulable", "Insufficient memory"),
    ],
)
def test_trouble_is_told(status: dict[str, Any], reason: str, words: str) -> None:
    view = pod_view(pod(status))
    assert view is not None
    trouble = trouble_of(view)
    assert trouble is not None
    assert trouble.reason == reason
    assert words in trouble.sentence
    assert "order-42-1" in trouble.sentence


@pytest.mark.parametrize(
    "status", [{}, {"phase": "Pending"}, waiting("ContainerCreating"), waiting("PodInitializing"), {"phase": "Running"}]
)
def test_a_pod_on_its_way_is_no_trouble(status: dict[str, Any]) -> None:
    view = pod_view(pod(status))
    assert view is not None
    assert trouble_of(view) is None
