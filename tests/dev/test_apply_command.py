"""`holdfast apply`: the same YAML that a cluster takes."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.contract.exit_codes import CliExit
from holdfast.domain.states import State
from holdfast_engine.control.plane import ControlPlane
from tests.support.cli import Cli

RUN = """
apiVersion: holdfast.dev/v1alpha1
kind: TaskRun
metadata: {name: nightly}
spec:
  task: {entrypoint: "jobs:nightly", retry: {maxAttempts: 5}}
  queueName: slow
  input: {day: 1}
  priority: 7
"""

QUEUE = """
apiVersion: holdfast.dev/v1alpha1
kind: TaskQueue
metadata: {name: slow}
spec: {concurrency: 2, startsPerMinute: 30}
"""

TASK = """
apiVersion: holdfast.dev/v1alpha1
kind: Task
metadata: {name: order}
spec:
  image: registry.example/shop:1
  entrypoint: shop.orders:order
  inputSchema: {type: object, properties: {id: {type: string}}, required: [id]}
  retry: {maxAttempts: 9}
"""


SCHEDULE = """
apiVersion: holdfast.dev/v1alpha1
kind: TaskSchedule
metadata: {name: mornings}
spec: {taskRef: {name: order}, cron: "0 9 * * 1-5"}
"""


async def apply(cli: Cli, text: str) -> Any:
    result = await cli("apply", "-f", "-", "-o", "json", stdin=text)
    assert result.code == CliExit.OK, result.err
    return [(each["resource"], each["outcome"]) for each in result.document]


async def test_a_run_and_its_queue_are_created_once(cli: Cli, plane: ControlPlane) -> None:
    both = f"{RUN}---{QUEUE}"

    assert await apply(cli, both) == [("TaskQueue default/slow", "created"), ("TaskRun default/nightly", "created")]
    assert await apply(cli, both) == [("TaskQueue default/slow", "unchanged"), ("TaskRun default/nightly", "unchanged")]
    run = await plane.get("nightly")
    assert (run.state, run.queue, run.entrypoint, run.max_attempts, run.priority, run.launcher, run.input) == (
        State.QUEUED,
        "slow",
        "jobs:nightly",
        5,
        7,
        None,
        {"day": 1},
    )
    (queue,) = await plane.queues()
    assert (queue.concurrency, queue.starts_per_minute) == (2, 30)


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ("priority: 7", "priority: 8", "spec.priority"),
        ("day: 1", "day: 2", "spec.input.day"),
        ("maxAttempts: 5", "maxAttempts: 6", "spec.task.retry.maxAttempts"),
        ("queueName: slow", "queueName: fast", "spec.queueName"),
    ],
)
async def test_a_field_that_cannot_change_is_named(cli: Cli, before: str, after: str, field: str) -> None:
    await apply(cli, RUN)

    result = await cli("apply", "-f", "-", stdin=RUN.replace(before, after))

    assert result.code == CliExit.REFUSED
    assert f"TaskRun default/nightly: {field} cannot change" in result.err


async def test_suspend_cancel_and_ttl_are_applied(cli: Cli, plane: ControlPlane) -> None:
    await apply(cli, RUN)

    assert await apply(cli, f"{RUN}  suspend: true\n") == [("TaskRun default/nightly", "configured")]
    assert (await plane.get("nightly")).state is State.SUSPENDED
    assert await apply(cli, f"{RUN}  ttlSecondsAfterFinished: 60\n") == [("TaskRun default/nightly", "configured")]
    assert (await plane.get("nightly")).state is State.QUEUED
    await apply(cli, f"{RUN}  cancel: true\n")
    assert (await plane.get("nightly")).state is State.CANCELED
    refused = await cli("apply", "-f", "-", stdin=RUN)
    assert refused.code == CliExit.REFUSED
    assert "spec.cancel cannot be taken back" in refused.err


async def test_a_run_may_be_born_suspended_or_canceled(cli: Cli, plane: ControlPlane) -> None:
    await apply(cli, f"{RUN}  suspend: true\n")
    await apply(cli, RUN.replace("nightly}", "other}") + "  cancel: true\n")

    assert (await plane.get("nightly")).state is State.SUSPENDED
    assert (await plane.get("other")).state is State.CANCELED


async def test_a_run_of_a_registered_task_takes_its_defaults_and_its_schema(cli: Cli, plane: ControlPlane) -> None:
    run = RUN.partition("spec:")[0] + "spec: {taskRef: {name: order}, input: {id: '42'}}"

    assert await apply(cli, f"{run}\n---{TASK}") == [
        ("Task default/order", "created"),
        ("TaskRun default/nightly", "created"),
    ]
    detail = await plane.get("nightly")
    assert (detail.task, detail.entrypoint, detail.max_attempts) == ("order", "shop.orders:order", 9)
    assert detail.template["image"] == "registry.example/shop:1"
    bad = await cli("apply", "-f", "-", stdin=run.replace("nightly", "bad").replace("'42'", "42"))
    assert bad.code == CliExit.USAGE
    assert "id: 42 is not of type 'string'" in bad.err


async def test_a_name_in_kubernetes_spelling_finds_the_function(cli: Cli, plane: ControlPlane) -> None:
    await plane.put_task("process_order", entrypoint="shop:process_order")

    await apply(cli, RUN.partition("spec:")[0] + "spec: {taskRef: {name: process-order}}")

    assert (await plane.get("nightly")).task == "process_order"


async def test_an_unknown_task_is_refused(cli: Cli) -> None:
    result = await cli("apply", "-f", "-", stdin=RUN.partition("spec:")[0] + "spec: {taskRef: {name: nowhere}}")

    assert result.code == CliExit.NOT_FOUND
    assert "No task 'nowhere'" in result.err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (RUN.replace("queueName", "queueNmae"), "queueNmae"),
        (RUN.replace("day: 1", "day: ["), "YAML"),
        ("kind: TaskRun", "apiVersion"),
        ("", "no resources"),
        (RUN.replace("priority: 7", "priority: high"), "priority"),
    ],
)
async def test_a_bad_manifest_is_refused_with_its_line(
    cli: Cli, plane: ControlPlane, text: str, complaint: str
) -> None:
    (cli.folder / "bad.yaml").write_text(text)

    result = await cli("apply", "-f", "bad.yaml")

    assert result.code == CliExit.USAGE
    assert "bad.yaml" in result.err
    assert complaint in result.err
    assert "Traceback" not in result.err
    assert await plane.runs() == []


async def test_a_schedule_is_refused_before_anything_is_applied(cli: Cli, plane: ControlPlane) -> None:
    result = await cli("apply", "-f", "-", stdin="---".join([QUEUE, TASK, RUN, SCHEDULE]))

    assert (result.code, result.out) == (CliExit.REFUSED, "")
    assert "TaskSchedule default/mornings: this version of Holdfast does not run schedules yet" in result.err
    assert (await plane.runs(), await plane.queues(), await plane.task_names()) == ([], [], [])


async def test_a_missing_file_is_one_sentence(cli: Cli) -> None:
    result = await cli("apply", "-f", "nowhere.yaml")

    assert (result.code, result.err) == (CliExit.USAGE, "nowhere.yaml cannot be read: No such file or directory.\n")
