"""The pod of an attempt: restricted by default, the task's template on top, nothing that breaks isolation."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from holdfast.contract.environment import AttemptEnvironment
from holdfast.domain.errors import LaunchError
from holdfast_engine.launcher import AttemptId, Launch
from holdfast_operator.build.names import label_value, pod_name, task_run_name
from holdfast_operator.build.pod import PodSettings, build_pod
from holdfast_operator.pods import pod_view
from tests.operator.pod_samples import RUN_ID

OWNER = {"metadata": {"name": "order-42", "namespace": "shop", "uid": "u-1"}}


def launch(template: dict[str, Any] | None = None, **fields: Any) -> Launch:
    return Launch(
        **{
            "id": AttemptId(UUID(RUN_ID), 2),
            "namespace": "shop",
            "name": "order-42",
            "task": "process-order",
            "queue": "orders",
            "entrypoint": "shop:order",
            "template": {"image": "shop:1", **(template or {})},
            "token": "t0ken",
            "database": "",
            "database_grace_seconds": 300,
            "shutdown_grace_seconds": 25,
            **fields,
        }
    )


def build(template: dict[str, Any] | None = None, queue: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return build_pod(launch(template), OWNER, PodSettings(), queue_defaults=queue or {}, **more)


def container(pod: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = pod["spec"]["containers"][0]
    return first


def variables(pod: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container(pod)["env"]}


def test_it_is_restricted() -> None:
    pod = build()
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["restartPolicy"] == "Never"
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert {each["key"]: each["tolerationSeconds"] for each in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready": 30,
        "node.kubernetes.io/unreachable": 30,
    }
    assert "volumes" not in spec


def test_the_runner_reads_its_environment_from_it() -> None:
    given = variables(build())
    assert given.pop("HOLDFAST_DATABASE") == {"secretKeyRef": {"name": "holdfast-runner", "key": "dsn"}}
    environment = AttemptEnvironment.from_mapping({**given, "HOLDFAST_DATABASE": "postgresql://x"})
    assert (str(environment.run_id), environment.attempt, environment.token) == (RUN_ID, 2, "t0ken")
    assert environment.entrypoint == "shop:order"
    assert environment.shutdown_grace_seconds == 25


def test_what_was_built_is_recognized() -> None:
    pod = build({"podTemplate": {"spec": {"containers": [{"name": "main"}, {"name": "side", "image": "side:1"}]}}})
    pod["metadata"]["uid"] = "u-2"
    pod["status"] = {"containerStatuses": [{"name": "side", "state": {}}, {"name": "main", "state": {"running": {}}}]}
    view = pod_view(pod)
    assert view is not None
    assert (str(view.run_id), view.attempt) == (RUN_ID, 2)
    assert view.attempt_container is not None
    assert view.attempt_container.name == "main"
    assert not view.is_command
    assert pod["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] is False


def test_a_command_gets_no_secrets() -> None:
    pod = build({"command": ["make", "all"]}, input_text='{"n": 1}')
    assert container(pod)["command"] == ["make", "all"]
    assert set(variables(pod)) == {"HOLDFAST_RUN_ID", "HOLDFAST_ATTEMPT", "HOLDFAST_INPUT"}
    assert "t0ken" not in str(pod)
    assert "readOnlyRootFilesystem" not in container(pod)["securityContext"]


def test_an_input_that_no_variable_can_hold_is_refused() -> None:
    with pytest.raises(LaunchError, match="Pass a reference"):
        build({"command": ["make"]}, input_text='"' + "x" * 200_000 + '"')


def test_the_template_wins_over_the_queue_and_the_queue_over_us() -> None:
    template = {
        "env": [{"name": "LEVEL", "value": "task"}],
        "podTemplate": {
            "metadata": {"labels": {"team": "task"}, "annotations": {"note": "x"}},
            "spec": {
                "priorityClassName": "task",
                "nodeSelector": {"disk": "ssd"},
                "terminationGracePeriodSeconds": 60,
                "hostname": "passed-through",
                "containers": [
                    {
                        "env": [{"name": "LEVEL", "value": "template"}, {"name": "OTHER", "value": "1"}],
                        "resources": {"limits": {"memory": "2Gi"}},
                        "securityContext": {"readOnlyRootFilesystem": False},
                    }
                ],
            },
        },
    }
    queue = {
        "labels": {"team": "queue", "cost": "queue"},
        "priorityClassName": "queue",
        "nodeSelector": {"disk": "hdd", "zone": "a"},
        "runtimeClassName": "gvisor",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "resources": {"limits": {"memory": "1Gi", "cpu": "1"}},
    }
    pod = build(template, queue)
    spec = pod["spec"]
    assert pod["metadata"]["labels"] == {
        "team": "task",
        "cost": "queue",
        "holdfast.dev/run": "order-42",
        "holdfast.dev/attempt": "2",
        "holdfast.dev/queue": "orders",
        "holdfast.dev/task": "process-order",
        "app.kubernetes.io/managed-by": "holdfast",
    }
    assert (spec["priorityClassName"], spec["runtimeClassName"]) == ("task", "gvisor")
    assert spec["nodeSelector"] == {"disk": "ssd", "zone": "a"}
    assert spec["hostname"] == "passed-through"
    assert spec["tolerations"][0] == {"key": "gpu", "operator": "Exists"}
    assert container(pod)["resources"] == {"limits": {"memory": "2Gi", "cpu": "1"}}
    assert container(pod)["securityContext"]["readOnlyRootFilesystem"] is False
    assert variables(pod)["LEVEL"] == "task"
    assert "TMPDIR" not in variables(pod)
    assert variables(pod)["HOLDFAST_SHUTDOWN_GRACE_SECONDS"] == "55"


@pytest.mark.parametrize(
    "template",
    [
        {"spec": {"hostNetwork": True}},
        {"spec": {"hostPID": True}},
        {"spec": {"containers": [{"securityContext": {"privileged": True}}]}},
        {"metadata": {"labels": {"holdfast.dev/queue": "other"}}},
        {"spec": {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}},
    ],
)
def test_what_breaks_isolation_is_refused_also_from_code(template: dict[str, Any]) -> None:
    with pytest.raises(LaunchError, match="the pod template is refused"):
        build({"podTemplate": template})


def test_a_retry_keeps_the_image_of_the_first_attempt() -> None:
    assert container(build(pinned_image="shop@sha256:1f"))["image"] == "shop@sha256:1f"


def test_a_task_without_an_image_says_so() -> None:
    with pytest.raises(LaunchError, match="names no image"):
        build({"image": None})


def test_names_are_short_the_same_every_time_and_different() -> None:
    long = "n" * 63
    assert pod_name("order-42", 1) == "order-42-1"
    assert len(pod_name(long, 12)) == 63
    assert pod_name(long, 12).endswith("-12")
    assert pod_name(long, 1) == pod_name(long, 1) != pod_name(long, 2)
    assert pod_name("a.b", 1) != pod_name("a-b", 1)
    assert task_run_name("order-42") == "order-42"
    assert task_run_name("Order_42").startswith("order-42-")
    assert label_value("Team.A_1") == "Team.A_1"
    assert label_value("no spaces") != "no spaces"
