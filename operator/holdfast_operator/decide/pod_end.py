"""Why a pod is over, from its conditions, container states, reasons and exit code together.

None of them says it alone: an eviction for disk comes without the condition DisruptionTarget, a container that was out
of memory with the exit code of a parent that lived on, a deleted pod as an error of its program. Rules are asked in
their order; the first that applies decides. None applies to a container that ended by itself: its exit code says all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from holdfast.contract.reasons import FailureClass, Reason
from holdfast_engine.launcher import AttemptId, Exit, ExitCause
from holdfast_operator.pods import ContainerView, PodView

_SIGNAL_BASE = 128
_HIGHEST_SIGNAL = 64

_OVER_OWN_LIMIT = ("exceed", "limit")
_SHUTDOWN = frozenset({"NodeShutdown", "Shutdown", "Terminated"})
_LOST = frozenset({"NodeLost", "NodeUnreachable"})
_REJECTED = frozenset(
    {
        "NodeAffinity",
        "NodeName",
        "NodePorts",
        "PodOSNotSupported",
        "PodOSSelectorNodeLabelDoesNotMatch",
        "PodFeatureUnsupported",
    }
)
_REJECTED_ENDINGS = ("AdmissionError", "AffinityError", "Unsupported")
_NOT_STARTED = frozenset(
    {"StartError", "ContainerCannotRun", "CreateContainerError", "RunContainerError", "InvalidImageName"}
)
_DISRUPTIONS = {
    "EvictionByEvictionAPI": (Reason.EVICTED, "the pod was evicted through the API, as a drain of its node does"),
    "PreemptionByScheduler": (Reason.PREEMPTED, "the pod made room for one of higher priority"),
    "DeletionByTaintManager": (
        Reason.NODE_TAINTED,
        "the pod's node got a taint that the pod does not tolerate, as a node does that is lost",
    ),
    "DeletionByPodGC": (Reason.NODE_LOST, "the pod's node is gone"),
    "TerminationByKubelet": (Reason.EVICTED, "the pod's node ended it"),
}

Rule = Callable[[PodView], ExitCause | None]


def exit_of(pod: PodView, *, is_gone: bool = False) -> Exit:
    """How the process of an attempt ended whose pod is over, or gone from the API.

    Args:
        pod: as it was last seen.
        is_gone: nobody will see more of it.
    """
    id = AttemptId(pod.run_id, pod.attempt)
    container = pod.attempt_container
    code = None if container is None else container.exit_code
    cause = cause_of(pod)
    if cause is None and code is None:
        cause = gone(pod) if is_gone else unexplained(pod)
    if cause is not None:
        return Exit(id=id, exit_code=code, cause=cause, is_command=pod.is_command)
    assert code is not None
    if _SIGNAL_BASE < code <= _SIGNAL_BASE + _HIGHEST_SIGNAL:
        return Exit(id=id, signal=code - _SIGNAL_BASE, is_command=pod.is_command)
    return Exit(id=id, exit_code=code, is_command=pod.is_command)


def cause_of(pod: PodView) -> ExitCause | None:
    """What ended the pod; ``None`` if the exit code of its container says all."""
    for rule in RULES:
        cause = rule(pod)
        if cause is not None:
            return cause
    return None


def out_of_memory(pod: PodView) -> ExitCause | None:
    """A container, or only a process in it, used more memory than it may. Its exit code may be anything."""
    for container in pod.telling_containers:
        if container.ended_reason == "OOMKilled":
            code = container.exit_code
            note = "" if code == 137 else f" (a process in it was; the container ended with exit code {code})"
            sentence = f"the container {container.name} was killed for using more memory than its limit{note}"
            return ExitCause(failure=FailureClass.OOM, reason=Reason.OUT_OF_MEMORY, sentence=sentence)
    return None


def out_of_disk(pod: PodView) -> ExitCause | None:
    """The pod used more disk than its own limits allow. There is no condition DisruptionTarget then."""
    message = pod.message.lower()
    if pod.reason == "Evicted" and all(word in message for word in _OVER_OWN_LIMIT):
        sentence = _with("the pod used more disk than it may", pod.message)
        return ExitCause(failure=FailureClass.OOM, reason=Reason.OUT_OF_DISK, sentence=sentence)
    return None


def deadline_of_the_pod(pod: PodView) -> ExitCause | None:
    """Its template has an ``activeDeadlineSeconds``."""
    if pod.reason == "DeadlineExceeded":
        sentence = _with("the pod ran longer than the activeDeadlineSeconds of its template", pod.message)
        return ExitCause(failure=FailureClass.DEADLINE, reason=Reason.ATTEMPT_DEADLINE_EXCEEDED, sentence=sentence)
    return None


def node_shut_down(pod: PodView) -> ExitCause | None:
    """The kubelet ended it because the machine goes down."""
    if pod.reason in _SHUTDOWN:
        return _disruption(Reason.NODE_SHUTDOWN, "the pod's node was shut down", pod.message)
    return None


def node_lost(pod: PodView) -> ExitCause | None:
    """The cluster gave its node up."""
    return _disruption(Reason.NODE_LOST, "the pod's node is lost", pod.message) if pod.reason in _LOST else None


def disruption_target(pod: PodView) -> ExitCause | None:
    """Kubernetes itself says that it ended the pod, and why."""
    if pod.disruption is None:
        return None
    its_reason, its_message = pod.disruption
    reason, sentence = _DISRUPTIONS.get(its_reason, (Reason.EVICTED, f"Kubernetes ended the pod ({its_reason})"))
    return _disruption(reason, sentence, pod.message or its_message)


def evicted(pod: PodView) -> ExitCause | None:
    """Its node ran short. A pod that comes at such a time is evicted without the condition."""
    if pod.reason == "Evicted":
        return _disruption(Reason.EVICTED, "the pod was evicted because its node ran short", pod.message)
    if pod.reason == "Preempting":
        return _disruption(Reason.PREEMPTED, "the pod made room for one that its node cannot do without", pod.message)
    return None


def rejected(pod: PodView) -> ExitCause | None:
    """Its node refused it before anything ran."""
    is_rejection = pod.reason in _REJECTED or pod.reason.startswith("OutOf") or pod.reason.endswith(_REJECTED_ENDINGS)
    if is_rejection and not pod.has_begun:
        sentence = _with(f"the node {pod.node} did not take the pod ({pod.reason})", pod.message)
        return ExitCause(failure=FailureClass.START, reason=Reason.POD_REJECTED, sentence=sentence)
    return None


def deleted(pod: PodView) -> ExitCause | None:
    """Somebody deleted it. What its program said after that is an echo of it; what it said before is not."""
    if pod.deleted_at is None or _ended_before(pod.attempt_container, pod.deleted_at):
        return None
    return _disruption(Reason.POD_DELETED, "the pod was deleted")


def not_started(pod: PodView) -> ExitCause | None:
    """The program of a container does not exist, or may not be executed."""
    for container in pod.telling_containers:
        if container.ended_reason in _NOT_STARTED:
            what = f"the program of the container {container.name} could not be started"
            sentence = _with(what, container.ended_message)
            return ExitCause(failure=FailureClass.START, reason=Reason.CONTAINER_CANNOT_RUN, sentence=sentence)
    return None


def another_container_failed(pod: PodView) -> ExitCause | None:
    """A container that has to end before the attempt begins has failed."""
    if pod.has_begun:
        return None
    for container in pod.containers:
        if container.exit_code:
            sentence = (
                f"the container {container.name} ended with exit code {container.exit_code} before the attempt began"
            )
            return ExitCause(failure=FailureClass.APP, reason=Reason.EXIT_CODE, sentence=sentence)
    return None


RULES: tuple[Rule, ...] = (
    out_of_memory,
    out_of_disk,
    deadline_of_the_pod,
    node_shut_down,
    node_lost,
    disruption_target,
    evicted,
    rejected,
    deleted,
    not_started,
    another_container_failed,
)


def gone(pod: PodView) -> ExitCause:
    """Nobody saw how its container ended."""
    return _disruption(Reason.POD_DELETED, "the pod is gone; nobody saw how it ended")


def unexplained(pod: PodView) -> ExitCause:
    """It is over, and nothing says how its container ended."""
    what = (
        f"the pod is {pod.phase}{f' ({pod.reason})' if pod.reason else ''}, and nothing tells how its container ended"
    )
    return _disruption(Reason.PROCESS_LOST, what, pod.message)


def _ended_before(container: ContainerView | None, moment: datetime) -> bool:
    return container is not None and container.ended_at is not None and container.ended_at < moment


def _disruption(reason: Reason, sentence: str, details: str = "") -> ExitCause:
    return ExitCause(failure=FailureClass.DISRUPTION, reason=reason, sentence=_with(sentence, details))


def _with(sentence: str, details: str) -> str:
    return f"{sentence}: {details.strip()}" if details.strip() else sentence
