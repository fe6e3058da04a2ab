"""Why a pod that should run does not start, in Kubernetes' own words."""

from __future__ import annotations

from holdfast_operator.pods import PodTrouble, PodView

_ON_THE_WAY = frozenset({"ContainerCreating", "PodInitializing"})


def trouble_of(pod: PodView) -> PodTrouble | None:
    """What keeps ``pod`` from running; ``None`` if it runs, is over, or is on its way."""
    if pod.phase != "Pending":
        return None
    for container in pod.telling_containers:
        if container.waiting_reason is not None and container.waiting_reason not in _ON_THE_WAY:
            what = f"the container {container.name} of pod {pod.name} cannot start"
            details = container.waiting_message or container.waiting_reason
            return PodTrouble(reason=container.waiting_reason, sentence=f"{what}: {details}")
    if pod.unschedulable is not None:
        return PodTrouble(reason="Unschedulable", sentence=f"no node can take pod {pod.name}: {pod.unschedulable}")
    return None
