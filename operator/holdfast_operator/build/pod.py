"""The pod of an attempt: the task's template under the platform's rules.

What the task's pod template says wins over the queue's defaults, and these over ours. What would break the isolation
between runs is refused wherever it comes from: not every template has passed the API server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from holdfast.contract import labels
from holdfast.contract.environment import DATABASE, AttemptEnvironment
from holdfast.contract.resources.pod_template import refusals
from holdfast.domain.errors import LaunchError
from holdfast_engine.launcher import Launch
from holdfast_operator.build.names import is_label_value, label_value, pod_name
from holdfast_operator.build.owner import owner_reference
from holdfast_operator.kinds import PODS, Object
from holdfast_operator.pods import DEFAULT_CONTAINER

RUNNER: Sequence[str] = ("python", "-m", "holdfast.runtime")
"""What an image with the SDK runs, unless its template has a command."""

INPUT = "HOLDFAST_INPUT"
_INPUT_LIMIT_BYTES = 128 * 1024 - len(INPUT) - 2
"""Of one variable: the kernel's limit for a string of the environment."""

GRACE_SECONDS = 30
_GRACE_MARGIN_SECONDS = 5
"""What is left of a pod's grace when the attempt must have recorded."""

_TOLERATED_SECONDS = 30
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TEMPORARY_DIRECTORY = "/dev/shm"
"""Writable in every container, and needs no volume, which would cost a third of a second at the start of each pod."""

_LISTS_OF_QUEUE = ("topologySpreadConstraints", "imagePullSecrets")
_FIELDS_OF_QUEUE = ("affinity", "priorityClassName", "runtimeClassName", "serviceAccountName")


@dataclass(frozen=True, kw_only=True)
class PodSettings:
    """What all pods of an installation have in common."""

    #: Secret in the run's namespace with the connection string of attempts.
    runner_secret_name: str = "holdfast-runner"
    runner_secret_key: str = "dsn"


def build_pod(
    launch: Launch,
    owner: Object,
    settings: PodSettings,
    *,
    queue_defaults: Mapping[str, Any],
    pinned_image: str | None = None,
    input_text: str | None = None,
) -> dict[str, Any]:
    """The manifest of the pod of an attempt.

    Args:
        launch: the attempt.
        owner: its TaskRun.
        settings: see there.
        queue_defaults: ``podDefaults`` of its queue.
        pinned_image: the image of the run's first attempt; ``None``: the task's.
        input_text: the run's input, for a command.

    Raises:
        LaunchError: the template cannot be a pod, or would break isolation; says why.
    """
    template = launch.template.get("podTemplate") or {}
    if found := "; ".join(refusals(template)):
        raise LaunchError(f"the pod template is refused: {found}")
    spec = _spec(deepcopy(dict(template.get("spec") or {})), queue_defaults)
    containers = spec["containers"]
    containers[0] = _attempt_container(launch, containers[0], settings, queue_defaults, pinned_image, input_text, spec)
    return {
        "apiVersion": PODS.api_version,
        "kind": PODS.name,
        "metadata": _metadata(launch, owner, template.get("metadata") or {}, queue_defaults, containers[0]["name"]),
        "spec": spec,
    }


def _metadata(
    launch: Launch,
    owner: Object,
    template: Mapping[str, Any],
    queue_defaults: Mapping[str, Any],
    container: str,
) -> dict[str, Any]:
    run = owner["metadata"]["name"]
    ours = {
        labels.RUN: run,
        labels.ATTEMPT: str(launch.id.attempt),
        labels.QUEUE: label_value(launch.queue),
        labels.MANAGED_BY: labels.MANAGER,
    }
    if is_label_value(launch.task):
        ours[labels.TASK] = launch.task
    annotations = {labels.RUN_ID: str(launch.id.run_id)}
    if container != DEFAULT_CONTAINER:
        annotations[labels.CONTAINER] = container
    if launch.template.get("command"):
        annotations[labels.COMMAND] = "true"
    return {
        "name": pod_name(run, launch.id.attempt),
        "namespace": launch.namespace,
        "labels": {**(queue_defaults.get("labels") or {}), **(template.get("labels") or {}), **ours},
        "annotations": {**(template.get("annotations") or {}), **annotations},
        "ownerReferences": [owner_reference(owner)],
    }


def _spec(spec: dict[str, Any], queue_defaults: Mapping[str, Any]) -> dict[str, Any]:
    for field in _FIELDS_OF_QUEUE:
        if queue_defaults.get(field) is not None:
            spec.setdefault(field, queue_defaults[field])
    for field in _LISTS_OF_QUEUE:
        if queue_defaults.get(field):
            spec[field] = [*(spec.get(field) or ()), *queue_defaults[field]]
    if queue_defaults.get("nodeSelector"):
        spec["nodeSelector"] = {**queue_defaults["nodeSelector"], **(spec.get("nodeSelector") or {})}
    spec["tolerations"] = _tolerations([*(spec.get("tolerations") or ()), *(queue_defaults.get("tolerations") or ())])
    spec["restartPolicy"] = "Never"
    spec["automountServiceAccountToken"] = False
    spec.setdefault("enableServiceLinks", False)
    spec.setdefault("terminationGracePeriodSeconds", GRACE_SECONDS)
    context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec["securityContext"] = {**context, **(spec.get("securityContext") or {})}
    spec["containers"] = [_restricted(each) for each in spec.get("containers") or [{}]]
    if spec.get("initContainers"):
        spec["initContainers"] = [_restricted(each) for each in spec["initContainers"]]
    return spec


def _tolerations(given: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    keys = {each.get("key") for each in given}
    return given + [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_SECONDS}
        for key in _TOLERATED
        if key not in keys
    ]


def _restricted(container: Mapping[str, Any]) -> dict[str, Any]:
    given = container.get("securityContext") or {}
    context = {"allowPrivilegeEscalation": False, **given}
    context["capabilities"] = {"drop": ["ALL"], **(given.get("capabilities") or {})}
    return {**container, "securityContext": context}


def _attempt_container(
    launch: Launch,
    given: dict[str, Any],
    settings: PodSettings,
    queue_defaults: Mapping[str, Any],
    pinned_image: str | None,
    input_text: str | None,
    spec: Mapping[str, Any],
) -> dict[str, Any]:
    container = dict(given)
    container.setdefault("name", DEFAULT_CONTAINER)
    container["image"] = pinned_image or launch.template.get("image") or container.get("image")
    if not container["image"]:
        raise LaunchError(f"the task {launch.task} names no image: set spec.image of the Task, or spec.task.image")
    if queue_defaults.get("resources"):
        container["resources"] = _resources(queue_defaults["resources"], container.get("resources") or {})
    command = launch.template.get("command")
    if command:
        container["command"] = list(command)
        container.pop("args", None)
        variables = _command_variables(launch, input_text or "{}")
    else:
        if not container.get("command") and not container.get("args"):
            container["command"] = list(RUNNER)
        context = container["securityContext"]
        context.setdefault("readOnlyRootFilesystem", True)
        variables = _runner_variables(launch, settings, spec["terminationGracePeriodSeconds"])
    container["env"] = _variables(container, launch, variables)
    return container


def _resources(queue: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**queue, **own}
    for part in ("requests", "limits"):
        if queue.get(part) or own.get(part):
            merged[part] = {**(queue.get(part) or {}), **(own.get(part) or {})}
    return merged


def _variables(
    container: Mapping[str, Any], launch: Launch, ours: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    given = [*(container.get("env") or ()), *(launch.template.get("env") or ())]
    by_name: dict[str, Mapping[str, Any]] = {}
    if container["securityContext"].get("readOnlyRootFilesystem"):
        by_name["TMPDIR"] = {"name": "TMPDIR", "value": _TEMPORARY_DIRECTORY}
    # A later variable may refer to an earlier one, so the order is kept.
    by_name.update({each["name"]: each for each in (*given, *ours)})
    return list(by_name.values())


def _runner_variables(launch: Launch, settings: PodSettings, grace_seconds: int) -> list[Mapping[str, Any]]:
    environment = AttemptEnvironment(
        database="",
        run_id=launch.id.run_id,
        attempt=launch.id.attempt,
        token=launch.token,
        entrypoint=launch.entrypoint,
        database_grace_seconds=launch.database_grace_seconds,
        shutdown_grace_seconds=max(1, grace_seconds - _GRACE_MARGIN_SECONDS),
    )
    secret = {"name": settings.runner_secret_name, "key": settings.runner_secret_key}
    return [
        {"name": DATABASE, "valueFrom": {"secretKeyRef": secret}},
        *({"name": name, "value": value} for name, value in environment.to_mapping().items() if name != DATABASE),
    ]


def _command_variables(launch: Launch, input_text: str) -> list[Mapping[str, Any]]:
    """What a command sees. It records nothing, so it gets neither the token nor the database."""
    size_bytes = len(input_text.encode())
    if size_bytes > _INPUT_LIMIT_BYTES:
        raise LaunchError(
            f"the input has {size_bytes:,} bytes, too many for the variable {INPUT}, in which a command gets it. "
            "Pass a reference to the data instead: a path, a key in object storage"
        )
    return [
        {"name": "HOLDFAST_RUN_ID", "value": str(launch.id.run_id)},
        {"name": "HOLDFAST_ATTEMPT", "value": str(launch.id.attempt)},
        {"name": INPUT, "value": input_text},
    ]
