"""What the API server makes of the definitions: refusals in words that help, defaults, columns, explanations."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl, KubectlFailed
from tests.cluster.rig.namespace import fresh_namespace
from tests.support.pod_templates import ALLOWED, REFUSED

Spec = Mapping[str, Any]

COMMAND: Spec = {"image": "shop:1", "command": ["true"]}
RUN: Spec = {"task": COMMAND}
TASK: Spec = {"image": "shop:1", "entrypoint": "shop.orders:process_order"}

_numbers = itertools.count(1)


def manifest(kind: str, spec: Spec, name: str | None = None) -> dict[str, Any]:
    """One of our objects, by default with a name that no other has."""
    metadata = {"name": name or f"{kind.lower()}-{next(_numbers)}"}
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def kubectl(api_server: ControlPlane) -> Iterator[Kubectl]:
    """kubectl in one namespace for all of these tests: names keep them apart."""
    with fresh_namespace(api_server.kubectl) as within:
        yield within


async def create(kubectl: Kubectl, kind: str, spec: Spec, name: str | None = None) -> dict[str, Any]:
    """Create an object and return it as the API server stored it."""
    text = await kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(manifest(kind, spec, name)))
    created: dict[str, Any] = json.loads(text)
    return created


async def patch(kubectl: Kubectl, kind: str, name: str, body: Mapping[str, Any], *options: str) -> dict[str, Any]:
    """Patch an object and return it."""
    text = await kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(body), "-o", "json", *options)
    patched: dict[str, Any] = json.loads(text)
    return patched


def name_of(created: Mapping[str, Any]) -> str:
    return str(created["metadata"]["name"])


# --- what is refused ------------------------------------------------------------------------------------------------

REFUSED_SPECS: dict[str, tuple[str, Spec, str]] = {
    "no task": ("TaskRun", {}, 'spec: Invalid value: "object": exactly one of task and taskRef must be set'),
    "two tasks": (
        "TaskRun",
        {**RUN, "taskRef": {"name": "shop"}},
        'spec: Invalid value: "object": exactly one of task and taskRef must be set',
    ),
    "nothing to run": (
        "TaskRun",
        {"task": {"image": "shop:1"}},
        'spec.task: Invalid value: "object": exactly one of entrypoint and command must be set',
    ),
    "two things to run": (
        "Task",
        {**TASK, "command": ["true"]},
        'spec: Invalid value: "object": exactly one of entrypoint and command must be set',
    ),
    "no image": ("Task", {"command": ["true"]}, "spec.image: Required value"),
    "an unknown field": ("TaskRun", {**RUN, "colour": "red"}, 'unknown field "spec.colour"'),
    "a host field of a queue": (
        "TaskQueue",
        {"podDefaults": {"hostNetwork": True}},
        'unknown field "spec.podDefaults.hostNetwork"',
    ),
    "input of the wrong type": ("TaskRun", {**RUN, "input": "x"}, "spec.input in body must be of type object"),
    "too few attempts": (
        "TaskRun",
        {**RUN, "retry": {"maxAttempts": 0}},
        "spec.retry.maxAttempts in body should be greater than or equal to 1",
    ),
    "too high a priority": (
        "TaskRun",
        {**RUN, "priority": 2_000_000_000},
        "should be less than or equal to 1000000000",
    ),
    "a queue that is no name": ("TaskRun", {**RUN, "queueName": "My Queue"}, "spec.queueName in body should match"),
    "a time without a zone": (
        "TaskRun",
        {**RUN, "startAfter": "tomorrow"},
        "spec.startAfter in body must be of type date",
    ),
    "an unknown policy": (
        "Task",
        {**TASK, "versionPolicy": "Newest"},
        'spec.versionPolicy: Unsupported value: "Newest": supported values: "Pinned", "Latest"',
    ),
    "an entrypoint without a function": (
        "Task",
        {**TASK, "entrypoint": "shop"},
        "spec.entrypoint in body should match",
    ),
    "a reserved variable": (
        "Task",
        {**TASK, "env": [{"name": "HOLDFAST_TOKEN", "value": "x"}]},
        "names that start with HOLDFAST_ are reserved",
    ),
    "a variable from two sources": (
        "Task",
        {**TASK, "env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        'spec.env[0]: Invalid value: "object": value and valueFrom exclude each other',
    ),
    "a variable given twice": (
        "Task",
        {**TASK, "env": [{"name": "A", "value": "x"}, {"name": "A", "value": "y"}]},
        "spec.env[1]: Duplicate value",
    ),
    "a negative limit": (
        "TaskQueue",
        {"concurrency": -1},
        "spec.concurrency in body should be greater than or equal to 0",
    ),
    "a reserved label of a queue": (
        "TaskQueue",
        {"podDefaults": {"labels": {"holdfast.dev/queue": "other"}}},
        "spec.podDefaults.labels: Forbidden: must not have holdfast.dev/… or app.kubernetes.io/managed-by",
    ),
    "a name that is too long for a label": ("TaskRun", RUN, "metadata.name: Too long: may not be more than 63"),
}


@pytest.mark.parametrize("case", REFUSED_SPECS)
async def test_what_is_wrong_is_refused_with_its_place_and_the_reason(kubectl: Kubectl, case: str) -> None:
    kind, spec, words = REFUSED_SPECS[case]
    name = "x" * 64 if case.startswith("a name") else None

    with pytest.raises(KubectlFailed) as refusal:
        await create(kubectl, kind, spec, name)

    assert words in str(refusal.value)


@pytest.mark.parametrize("field", REFUSED)
async def test_a_pod_template_that_breaks_isolation_is_refused(kubectl: Kubectl, field: str) -> None:
    for kind, spec, path in (("Task", TASK, "spec"), ("TaskRun", None, "spec.task")):
        templated = {**TASK, "podTemplate": REFUSED[field]}

        with pytest.raises(KubectlFailed) as refusal:
            await create(kubectl, kind, templated if spec else {"task": templated})

        assert f"{path}.podTemplate.{field}: Forbidden: must " in str(refusal.value)


async def test_any_other_pod_template_is_passed_through(kubectl: Kubectl) -> None:
    template = {**ALLOWED, "spec": {**ALLOWED["spec"], "schedulerName": "other", "hostUsers": False}}

    created = await create(kubectl, "Task", {**TASK, "podTemplate": template})

    assert created["spec"]["podTemplate"] == template


# --- what may change ------------------------------------------------------------------------------------------------

CHANGES: dict[str, Any] = {
    "taskRef": {"name": "other"},
    "queueName": "other",
    "input": {"order": 2},
    "retry": {"maxAttempts": 9},
    "activeDeadlineSeconds": 9,
    "attemptDeadlineSeconds": 9,
    "pendingDeadlineSeconds": 9,
    "priority": 9,
    "concurrencyKey": "other",
    "idempotencyKey": "other",
    "startAfter": "2027-01-01T00:00:00Z",
    "expireAfterSeconds": 9,
}


async def test_of_a_run_nothing_changes_but_three_fields(kubectl: Kubectl) -> None:
    before = {"taskRef": {"name": "shop"}, "input": {"order": 1}, "queueName": "orders"}
    run = name_of(await create(kubectl, "TaskRun", before))

    for field, value in CHANGES.items():
        with pytest.raises(KubectlFailed) as refusal:
            await patch(kubectl, "taskrun", run, {"spec": {field: value}})
        message = str(refusal.value)
        assert f"spec.{field}: Forbidden: {field} cannot be changed once the run exists; create another run" in message

    wanted = {"suspend": True, "cancel": True, "ttlSecondsAfterFinished": 60}
    changed = await patch(kubectl, "taskrun", run, {"spec": wanted})
    assert {field: changed["spec"][field] for field in wanted} == wanted


async def test_a_field_that_was_not_set_cannot_be_added_nor_one_that_was_taken_away(kubectl: Kubectl) -> None:
    run = name_of(await create(kubectl, "TaskRun", {"taskRef": {"name": "shop"}, "queueName": "orders"}))

    for change in ({"queueName": None}, {"concurrencyKey": "ada"}, {"taskRef": None, "task": COMMAND}):
        with pytest.raises(KubectlFailed, match="cannot be changed once the run exists"):
            await patch(kubectl, "taskrun", run, {"spec": change})


async def test_the_inline_task_of_a_run_cannot_be_changed(kubectl: Kubectl) -> None:
    template = {"spec": {"containers": [{"securityContext": {"privileged": False}}]}}
    run = name_of(await create(kubectl, "TaskRun", {"task": {**COMMAND, "podTemplate": template}}))

    for change in ({"image": "shop:2"}, {"command": ["false"]}, {"podTemplate": {"spec": {"hostNetwork": False}}}):
        with pytest.raises(KubectlFailed, match=r"spec\.task: Forbidden"):
            await patch(kubectl, "taskrun", run, {"spec": {"task": change}})


async def test_a_canceled_run_stays_canceled(kubectl: Kubectl) -> None:
    run = name_of(await create(kubectl, "TaskRun", RUN))
    await patch(kubectl, "taskrun", run, {"spec": {"suspend": True}})
    await patch(kubectl, "taskrun", run, {"spec": {"suspend": False, "cancel": True}})

    for way_back in (False, None):
        with pytest.raises(KubectlFailed) as refusal:
            await patch(kubectl, "taskrun", run, {"spec": {"cancel": way_back}})
        assert "spec.cancel: Forbidden: a canceled run stays canceled; create another run" in str(refusal.value)


async def test_a_run_may_be_created_suspended_or_canceled(kubectl: Kubectl) -> None:
    created = await create(kubectl, "TaskRun", {**RUN, "suspend": True, "cancel": True})
    assert (created["spec"]["suspend"], created["spec"]["cancel"]) == (True, True)


async def test_tasks_and_queues_may_change(kubectl: Kubectl) -> None:
    task = name_of(await create(kubectl, "Task", TASK))
    queue = name_of(await create(kubectl, "TaskQueue", {"concurrency": 1}))

    assert (await patch(kubectl, "task", task, {"spec": {"image": "shop:2"}}))["spec"]["image"] == "shop:2"
    assert (await patch(kubectl, "tkq", queue, {"spec": {"paused": True}}))["spec"]["paused"] is True


# --- what the API server adds ---------------------------------------------------------------------------------------


async def test_defaults_appear(kubectl: Kubectl) -> None:
    run = (await create(kubectl, "TaskRun", RUN))["spec"]
    queue = (await create(kubectl, "TaskQueue", {}))["spec"]

    assert (run["priority"], run["suspend"], run["cancel"]) == (0, False, False)
    assert run["task"]["pendingDeadlineSeconds"] == 600
    assert run["task"]["versionPolicy"] == "Pinned"
    assert run["task"]["retry"] == {
        "maxAttempts": 3,
        "backoffSeconds": 1,
        "maxBackoffSeconds": 60,
        "multiplierPercent": 200,
        "disruptionLimit": 20,
    }
    assert (queue["concurrency"], queue["paused"], queue["network"]["management"]) == (10, False, "Managed")


async def test_part_of_a_retry_policy_gets_the_other_defaults(kubectl: Kubectl) -> None:
    task = (await create(kubectl, "Task", {**TASK, "retry": {"maxAttempts": 7}}))["spec"]
    assert (task["retry"]["maxAttempts"], task["retry"]["disruptionLimit"]) == (7, 20)


async def test_input_is_kept_as_it_is(kubectl: Kubectl) -> None:
    given = {"order": {"items": [1, "two", None, {"deep": [True]}], "price": 1.5}, "empty": {}}
    assert (await create(kubectl, "TaskRun", {**RUN, "input": given}))["spec"]["input"] == given


STATUS: dict[str, Any] = {
    "phase": "Running",
    "taskName": "process-order",
    "queueName": "orders",
    "attempt": 2,
    "checkpoint": {"step": "charge", "sequence": 3, "time": "2027-01-01T00:00:00Z"},
    "nextAttemptTime": "2027-01-01T00:01:00Z",
    "attempts": [{"number": 1, "nodeName": "node-a"}, {"number": 2, "nodeName": "node-b"}],
    "conditions": [
        {
            "type": "Succeeded",
            "status": "Unknown",
            "reason": "Running",
            "message": "",
            "lastTransitionTime": "2027-01-01T00:00:00Z",
        }
    ],
}


async def test_status_is_a_resource_of_its_own(kubectl: Kubectl) -> None:
    created = await create(kubectl, "TaskRun", RUN)
    run = name_of(created)

    ignored = await patch(kubectl, "taskrun", run, {"status": STATUS})
    written = await patch(kubectl, "taskrun", run, {"status": STATUS, "spec": {"cancel": True}}, "--subresource=status")

    assert "status" not in ignored
    assert written["status"] == {**STATUS, "failures": 0, "disruptions": 0}
    assert written["spec"]["cancel"] is False
    assert written["metadata"]["generation"] == created["metadata"]["generation"]


async def test_a_status_that_nobody_understands_is_refused(kubectl: Kubectl) -> None:
    run = name_of(await create(kubectl, "TaskRun", RUN))
    with pytest.raises(KubectlFailed, match=r'status\.phase: Unsupported value: "Happy"'):
        await patch(kubectl, "taskrun", run, {"status": {"phase": "Happy"}}, "--subresource=status")


# --- what people see ------------------------------------------------------------------------------------------------


async def test_columns_of_runs(kubectl: Kubectl) -> None:
    run = name_of(await create(kubectl, "TaskRun", RUN))
    await patch(kubectl, "taskrun", run, {"status": STATUS}, "--subresource=status")

    header, row = (await kubectl("get", "tkr", run)).splitlines()
    wide_header, wide_row = (await kubectl("get", "tkr", run, "-o", "wide")).splitlines()

    assert header.split() == ["NAME", "PHASE", "TASK", "QUEUE", "ATTEMPT", "CHECKPOINT", "AGE"]
    assert row.split()[:-1] == [run, "Running", "process-order", "orders", "2", "charge"]
    assert wide_header.split()[-3:] == ["REASON", "NODE", "NEXT"]
    assert wide_row.split()[-3:] == ["Running", "node-b", "2027-01-01T00:01:00Z"]


async def test_short_names_and_the_category(kubectl: Kubectl) -> None:
    task = name_of(await create(kubectl, "Task", TASK))
    queue = name_of(await create(kubectl, "TaskQueue", {}))
    run = name_of(await create(kubectl, "TaskRun", RUN))

    assert queue in await kubectl("get", "tkq")
    everything = await kubectl("get", "holdfast", "-o", "name")
    assert {f"task.holdfast.dev/{task}", f"taskqueue.holdfast.dev/{queue}", f"taskrun.holdfast.dev/{run}"} <= {
        *everything.split()
    }


async def test_kubectl_waits_for_the_condition(kubectl: Kubectl) -> None:
    run = name_of(await create(kubectl, "TaskRun", RUN))
    done = {**STATUS, "conditions": [{**STATUS["conditions"][0], "status": "True"}]}
    await patch(kubectl, "taskrun", run, {"status": done}, "--subresource=status")

    assert "condition met" in await kubectl("wait", "--for=condition=Succeeded", f"taskrun/{run}", "--timeout=10s")


async def test_kubectl_explains_every_field(kubectl: Kubectl) -> None:
    text = await kubectl("explain", "taskrun.spec.retry.disruptionLimit")
    assert "How often the run may lose its pod through nobody's fault." in " ".join(text.split())
    assert "must not" not in await kubectl("explain", "task.spec.podTemplate.spec.hostNetwork")

    served = json.loads(await kubectl("get", "--raw", "/openapi/v3/apis/holdfast.dev/v1alpha1"))
    for name in ("Task", "TaskRun", "TaskQueue"):
        ours = served["components"]["schemas"][f"dev.holdfast.v1alpha1.{name}"]["properties"]["spec"]
        assert [text for text in descriptions(ours) if "\n" in text or not text.endswith(".")] == []


def descriptions(schema: Mapping[str, Any]) -> list[str]:
    """What a schema says of itself and of everything inside."""
    inside = [*schema.get("properties", {}).values(), *(schema[key] for key in ("items",) if key in schema)]
    own = [schema["description"]] if "description" in schema else []
    return own + [text for part in inside for text in descriptions(part)]
