"""Whose fault the end of a pod was, for each way in which Kubernetes reports one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.contract.reasons import FailureClass, Reason
from holdfast_engine.decide.exit import judge
from holdfast_operator.decide.pod_end import exit_of
from holdfast_operator.kinds import PODS
from holdfast_operator.pods import PodView, pod_view
from holdfast_operator.trim import trimmed
from tests.operator.pod_samples import DELETED, ended, failed, pod, targeted

KILLED = ended(137)
MEMORY = "The node was low on resource: memory. Container attempt was using 30Mi, request is 0, which exceeds it."
DISK = "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "

Row = tuple[dict[str, Any], FailureClass, Reason]

ROWS: dict[str, Row] = {
    "eviction API": (
        pod(failed(KILLED, conditions=targeted("EvictionByEvictionAPI")), **DELETED),
        FailureClass.DISRUPTION,
        Reason.EVICTED,
    ),
    "preempted": (
        pod(failed(KILLED, conditions=targeted("PreemptionByScheduler")), **DELETED),
        FailureClass.DISRUPTION,
        Reason.PREEMPTED,
    ),
    "NoExecute taint": (
        pod(failed(KILLED, conditions=targeted("DeletionByTaintManager")), **DELETED),
        FailureClass.DISRUPTION,
        Reason.NODE_TAINTED,
    ),
    "node object deleted": (
        pod(failed(None, conditions=targeted("DeletionByPodGC")), **DELETED),
        FailureClass.DISRUPTION,
        Reason.NODE_LOST,
    ),
    "node memory pressure": (
        pod(failed(KILLED, reason="Evicted", message=MEMORY, conditions=targeted("TerminationByKubelet"))),
        FailureClass.DISRUPTION,
        Reason.EVICTED,
    ),
    "created during that pressure": (
        pod(failed(None, reason="Evicted", message="Pod was rejected: The node had condition: [MemoryPressure]. ")),
        FailureClass.DISRUPTION,
        Reason.EVICTED,
    ),
    "ephemeral-storage limit": (
        pod(failed(KILLED, reason="Evicted", message=DISK)),
        FailureClass.OOM,
        Reason.OUT_OF_DISK,
    ),
    "ephemeral-storage limit, no container told of": (
        pod(failed(None, reason="Evicted", message='Container attempt exceeded its local storage limit "1Mi". ')),
        FailureClass.OOM,
        Reason.OUT_OF_DISK,
    ),
    "emptyDir limit": (
        pod(failed(KILLED, reason="Evicted", message='Usage of EmptyDir volume "work" exceeds the limit "1Mi". ')),
        FailureClass.OOM,
        Reason.OUT_OF_DISK,
    ),
    "kubectl delete pod": (pod(failed(KILLED), **DELETED), FailureClass.DISRUPTION, Reason.POD_DELETED),
    "deleted, and its program gave up with an error": (
        pod(failed(ended(1)), **DELETED),
        FailureClass.DISRUPTION,
        Reason.POD_DELETED,
    ),
    "deleted after its program had failed": (
        pod(failed(ended(3)), **{**DELETED, "deletionTimestamp": "2026-11-21T10:06:25Z"}),
        FailureClass.APP,
        Reason.EXIT_CODE,
    ),
    "memory limit": (pod(failed(ended(137, "OOMKilled"))), FailureClass.OOM, Reason.OUT_OF_MEMORY),
    "memory limit, a child died, the parent exits 3": (
        pod(failed(ended(3, "OOMKilled"))),
        FailureClass.OOM,
        Reason.OUT_OF_MEMORY,
    ),
    "killed from the node": (pod(failed(KILLED)), FailureClass.DISRUPTION, Reason.PROCESS_LOST),
    "segmentation fault": (pod(failed(ended(139))), FailureClass.APP, Reason.SIGNALED),
    "program exits 3": (pod(failed(ended(3))), FailureClass.APP, Reason.EXIT_CODE),
    "activeDeadlineSeconds": (
        pod(failed(KILLED, reason="DeadlineExceeded", message="Pod was active on the node longer than specified")),
        FailureClass.DEADLINE,
        Reason.ATTEMPT_DEADLINE_EXCEEDED,
    ),
    "no such command": (
        pod(failed(ended(128, "StartError", 'exec: "nothing": executable file not found in $PATH'))),
        FailureClass.START,
        Reason.CONTAINER_CANNOT_RUN,
    ),
    "node shut down": (
        pod(failed(KILLED, reason="Terminated", message="Pod was terminated in response to imminent node shutdown.")),
        FailureClass.DISRUPTION,
        Reason.NODE_SHUTDOWN,
    ),
    "node lost, of old": (pod(failed(None, reason="NodeLost")), FailureClass.DISRUPTION, Reason.NODE_LOST),
    "rejected by the node": (
        pod(failed(None, reason="OutOfcpu", message="Pod was rejected: Node didn't have enough resource: cpu")),
        FailureClass.START,
        Reason.POD_REJECTED,
    ),
    "made room for a critical pod": (
        pod(failed(KILLED, reason="Preempting", message="Preempted in order to admit critical pod")),
        FailureClass.DISRUPTION,
        Reason.PREEMPTED,
    ),
    "an init container failed": (
        pod(
            {
                "phase": "Failed",
                "initContainerStatuses": [{"name": "fetch", "state": ended(2)}],
                "containerStatuses": [{"name": "attempt", "state": {"waiting": {"reason": "PodInitializing"}}}],
            }
        ),
        FailureClass.APP,
        Reason.EXIT_CODE,
    ),
    "nothing is said": (pod(failed(None)), FailureClass.DISRUPTION, Reason.PROCESS_LOST),
    "the runner handed over": (pod(failed(ended(75))), FailureClass.DISRUPTION, Reason.DATABASE_UNREACHABLE),
    "the runner was not let in": (pod(failed(ended(76))), FailureClass.START, Reason.LAUNCH_FAILED),
    "a command with the runner's number": (
        pod(failed(ended(75)), is_command=True),
        FailureClass.APP,
        Reason.EXIT_CODE,
    ),
}


@pytest.mark.parametrize("what", ROWS)
def test_each_way_to_lose_a_pod(what: str) -> None:
    sample, failure, reason = ROWS[what]
    view = pod_view(trimmed(PODS, sample))
    assert view is not None
    assert view.is_over
    verdict = judge(exit_of(view))
    assert (verdict.failure, verdict.reason) == (failure, reason), verdict.message
    assert not exit_of(view).is_success


def test_the_sentence_has_what_kubernetes_said() -> None:
    view = pod_view(pod(failed(ended(128, "StartError", 'exec: "nothing": not found'))))
    assert view is not None
    message = judge(exit_of(view)).message
    assert message == 'the program of the container attempt could not be started: exec: "nothing": not found'


def test_a_pod_that_is_gone_and_was_never_seen_to_end() -> None:
    view = pod_view(pod({"phase": "Running", "containerStatuses": [{"name": "attempt", "state": {"running": {}}}]}))
    assert view is not None
    verdict = judge(exit_of(view, is_gone=True))
    assert (verdict.failure, verdict.reason) == (FailureClass.DISRUPTION, Reason.POD_DELETED)


def test_a_command_with_exit_code_0_succeeded() -> None:
    state = {"phase": "Succeeded", "containerStatuses": [{"name": "attempt", "state": ended(0, "Completed")}]}
    view = pod_view(pod(state, is_command=True))
    assert view is not None
    assert exit_of(view).is_success


def test_a_command_that_was_evicted_and_said_0_did_not_succeed() -> None:
    state = {
        "phase": "Succeeded",
        "containerStatuses": [{"name": "attempt", "state": ended(0, "Completed")}],
        "conditions": targeted("EvictionByEvictionAPI"),
    }
    view = pod_view(pod(state, is_command=True, **DELETED))
    assert view is not None
    assert not exit_of(view).is_success
    assert judge(exit_of(view)).failure is FailureClass.DISRUPTION


@pytest.mark.parametrize(
    "others",
    [
        {"containerStatuses": [{"name": "helper", "state": {"running": {}}}]},
        {"containerStatuses": [{"name": "helper", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
        {"containerStatuses": [{"name": "helper", "state": ended(137, "OOMKilled")}]},
        {"containerStatuses": [{"name": "helper", "state": ended(128, "StartError")}]},
        {"containerStatuses": [], "initContainerStatuses": [{"name": "proxy", "state": {"running": {}}}]},
        {"containerStatuses": [], "initContainerStatuses": [{"name": "proxy", "state": ended(137, "OOMKilled")}]},
    ],
)
def test_other_containers_neither_prolong_an_attempt_nor_judge_it(others: dict[str, Any]) -> None:
    own = {"name": "attempt", "state": ended(0, "Completed")}
    view = view_of(pod({"phase": "Running", **others, "containerStatuses": [*others["containerStatuses"], own]}))
    assert view.has_ended
    assert not view.is_over
    assert exit_of(replace(view, is_command=True)).is_success


@pytest.mark.parametrize("list_", ["containerStatuses", "initContainerStatuses"])
def test_a_container_that_is_started_again_does_not_end_an_attempt(list_: str) -> None:
    own = {"name": "attempt", "state": {"running": {}}}
    again = {"name": "proxy", "state": ended(1), "restartCount": 3}
    status = {"phase": "Running", "containerStatuses": [own]}
    assert not view_of(pod({**status, list_: [again, *status.get(list_, ())]})).has_ended


def view_of(sample: dict[str, Any]) -> PodView:
    view = pod_view(trimmed(PODS, sample))
    assert view is not None
    return view


def test_a_runner_with_exit_code_0_proves_nothing() -> None:
    state = {"phase": "Succeeded", "containerStatuses": [{"name": "attempt", "state": ended(0, "Completed")}]}
    view = pod_view(pod(state))
    assert view is not None
    assert not exit_of(view).is_success
    assert judge(exit_of(view)).failure is FailureClass.APP


def test_what_is_no_attempt_is_passed_over() -> None:
    assert pod_view(pod({}, annotations={})) is None
    assert pod_view(pod({}, annotations={"holdfast.dev/run-id": "nonsense"})) is None
