"""What a pod tells, as values: the one place that knows where the Kubernetes API keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from holdfast.contract import labels
from holdfast_operator.build.names import pod_name
from holdfast_operator.kinds import Object
from holdfast_operator.objects import uid_of

DEFAULT_CONTAINER = "attempt"
"""Name of the container that is the attempt, where its template gives none."""

_HIGHEST_ATTEMPT = 2**31 - 1
"""What the database takes. Anybody may write anything into the labels of a pod of his own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """A container of a pod; what has not happened is ``None``."""

    name: str
    is_running: bool = False
    waiting_reason: str | None = None
    waiting_message: str = ""
    exit_code: int | None = None
    ended_reason: str | None = None
    ended_message: str = ""
    ended_at: datetime | None = None
    image_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """A pod of an attempt."""

    namespace: str
    name: str
    uid: str
    run_id: UUID
    #: Number of the attempt.
    attempt: int
    #: Pending, Running, Succeeded, Failed or Unknown.
    phase: str
    #: Why the pod as a whole is in its phase, such as Evicted.
    reason: str = ""
    message: str = ""
    node: str | None = None
    created_at: datetime | None = None
    #: When its deletion was asked for; ``None`` if it was not.
    deleted_at: datetime | None = None
    #: Reason and message of the condition DisruptionTarget, if it holds.
    disruption: tuple[str, str] | None = None
    #: Message of the scheduler that finds no node for it.
    unschedulable: str | None = None
    #: The container that is the attempt; ``None`` until the kubelet tells of it.
    attempt_container: ContainerView | None = None
    #: All containers that the kubelet tells of, those for the beginning first.
    containers: tuple[ContainerView, ...] = ()
    #: The container is the task's own command.
    is_command: bool = False

    @property
    def is_over(self) -> bool:
        """Whether none of its containers will run again."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def has_ended(self) -> bool:
        """Whether the attempt is over: its own container ended, whatever the others do."""
        return self.is_over or (self.attempt_container is not None and self.attempt_container.exit_code is not None)

    @property
    def has_begun(self) -> bool:
        """Whether the attempt's own container runs, or did."""
        container = self.attempt_container
        return container is not None and (container.is_running or container.exit_code is not None)

    @property
    def ended_at(self) -> datetime | None:
        """When the attempt ended; ``None`` if nothing of it ran."""
        return max((each.ended_at for each in self.telling_containers if each.ended_at is not None), default=None)

    @property
    def telling_containers(self) -> tuple[ContainerView, ...]:
        """The containers whose fate is the attempt's: its own, and before that has begun, all."""
        own = self.attempt_container
        return (own,) if own is not None and self.has_begun else self.containers


@dataclass(frozen=True, kw_only=True)
class PodTrouble:
    """Why a pod does not start: a reason in CamelCase and a sentence, for the condition Succeeded."""

    reason: str
    sentence: str


def pod_view(pod: Object) -> PodView | None:
    """What ``pod`` tells; ``None`` if it is no attempt's, as one is not that has another name: a copy of its pod."""
    metadata = pod["metadata"]
    annotations, its_labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    try:
        run_id, attempt = UUID(annotations[labels.RUN_ID]), int(its_labels[labels.ATTEMPT])
        is_own_name = metadata["name"] == pod_name(its_labels[labels.RUN], attempt)
    except (KeyError, ValueError):
        return None
    if not is_own_name or annotations[labels.RUN_ID] != str(run_id) or not 1 <= attempt <= _HIGHEST_ATTEMPT:
        return None
    status = pod.get("status") or {}
    containers = _containers(status)
    name = annotations.get(labels.CONTAINER, DEFAULT_CONTAINER)
    return PodView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=uid_of(pod),
        run_id=run_id,
        attempt=attempt,
        phase=status.get("phase", "Pending"),
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        node=(pod.get("spec") or {}).get("nodeName"),
        created_at=_time(metadata.get("creationTimestamp")),
        deleted_at=_deleted_at(metadata),
        disruption=_condition(status, "DisruptionTarget", "True"),
        unschedulable=_unschedulable(status),
        attempt_container=next((each for each in containers if each.name == name), None),
        containers=containers,
        is_command=annotations.get(labels.COMMAND) == "true",
    )


def _deleted_at(metadata: Mapping[str, Any]) -> datetime | None:
    # The API server adds the grace period to the moment of the request.
    end = _time(metadata.get("deletionTimestamp"))
    return None if end is None else end - timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)


def _condition(status: Mapping[str, Any], type: str, value: str) -> tuple[str, str] | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == type and condition["status"] == value:
            return condition.get("reason") or "", condition.get("message") or ""
    return None


def _unschedulable(status: Mapping[str, Any]) -> str | None:
    condition = _condition(status, "PodScheduled", "False")
    return condition[1] if condition is not None and condition[0] == "Unschedulable" else None


def _containers(status: Mapping[str, Any]) -> tuple[ContainerView, ...]:
    both: Iterable[Mapping[str, Any]] = (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    )
    return tuple(_container(each) for each in both)


def _container(status: Mapping[str, Any]) -> ContainerView:
    state = status.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    return ContainerView(
        name=status["name"],
        is_running="running" in state,
        waiting_reason=waiting.get("reason"),
        waiting_message=waiting.get("message") or "",
        exit_code=ended.get("exitCode"),
        ended_reason=ended.get("reason"),
        ended_message=ended.get("message") or "",
        ended_at=_time(ended.get("finishedAt")),
        image_id=status.get("imageID") or None,
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
