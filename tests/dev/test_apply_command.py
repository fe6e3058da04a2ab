"""`holdfast apply`: the same YAML that a cluster takes."""

from __future__ import annotations

import pytest

from holdfast.contract.exit_codes import CliExit
from holdfast.contract.manifest import load_manifests
from holdfast.domain.errors import ConflictError, InputError
from holdfast.domain.states import State
from holdfast_engine.control.apply import apply as apply_resources
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


async def apply(plane: ControlPlane, text: str) -> list[tuple[str, str]]:
    """What the command does, without its process."""
    applied = await apply_resources(plane, load_manifests(text))
    return [(each.address, each.outcome) for each in applied]


async def test_a_run_and_its_queue_are_created_once(cli: Cli, plane: ControlPlane) -> None:
    for outcome in ("created", "unchanged"):
        result = await cli("apply", "-f", "-", "-o", "json", stdin=f"{RUN}---{QUEUE}")
        assert result.code == CliExit.OK, result.err
        done = [(each["resource"], each["outcome"]) for each in result.document]
        assert done == [("TaskQueue default/slow", outcome), ("TaskRun default/nightly", outcome)]
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
async def test_a_field_that_cannot_change_is_named(plane: ControlPlane, before: str, after: str, field: str) -> None:
    await apply(plane, RUN)

    with pytest.raises(ConflictError, match=rf"TaskRun default/nightly: {field} cannot change"):
        await apply(plane, RUN.replace(before, after))


async def test_suspend_cancel_and_ttl_are_applied(cli: Cli, plane: ControlPlane) -> None:
    await apply(plane, RUN)

    assert await apply(plane, f"{RUN}  suspend: true\n") == [("TaskRun default/nightly", "configured")]
    assert (await plane.get("nightly")).state is State.SUSPENDED
    assert await apply(plane, f"{RUN}  ttlSecondsAfterFinished: 60\n") == [("TaskRun default/nightly", "configured")]
    assert (await plane.get("nightly")).state is State.QUEUED
    await apply(plane, f"{RUN}  cancel: true\n")
    assert (await plane.get("nightly")).state is State.CANCELED
    refused = await cli("apply", "-f", "-", stdin=RUN)
    assert refused.code == CliExit.REFUSED
    assert "spec.cancel cannot be taken back" in refused.err


async def test_a_run_may_be_born_suspended_or_canceled(plane: ControlPlane) -> None:
    await apply(plane, f"{RUN}  suspend: true\n")
    await apply(plane, RUN.replace("nightly}", "other}") + "  cancel: true\n")

    assert (await plane.get("nightly")).state is State.SUSPENDED
    assert (await plane.get("other")).state is State.CANCELED


async def test_a_run_of_a_registered_task_takes_its_defaults_and_its_schema(plane: ControlPlane) -> None:
    run = RUN.partition("spec:")[0] + "spec: {taskRef: {name: order}, input: {id: '42'}}"

    assert await apply(plane, f"{run}\n---{TASK}") == [
        ("Task default/order", "created"),
        ("TaskRun default/nightly", "created"),
    ]
    detail = await plane.get("nightly")
    assert (detail.task, detail.entrypoint, detail.max_attempts) == ("order", "shop.orders:order", 9)
    assert detail.template["image"] == "registry.example/shop:1"
    with pytest.raises(InputError, match="id: 42 is not of type 'string'"):
        await apply(plane, run.replace("nightly", "bad").replace("'42'", "42"))


async def test_a_name_in_kubernetes_spelling_finds_the_function(plane: ControlPlane) -> None:
    await plane.put_task("process_order", entrypoint="shop:process_order")

    await apply(plane, RUN.partition("spec:")[0] + "spec: {taskRef: {name: process-order}}")

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


async def test_several_files_are_applied_as_one(cli: Cli, plane: ControlPlane) -> None:
    (cli.folder / "run.yaml").write_text(
        RUN.replace('task: {entrypoint: "jobs:nightly", retry: {maxAttempts: 5}}', "taskRef: {name: order}").replace(
            "day: 1", 'id: "7"'
        )
    )
    (cli.folder / "task.yaml").write_text(TASK)

    result = await cli("apply", "-f", "run.yaml", "-f", "task.yaml")

    assert result.out.splitlines() == ["Task default/order created", "TaskRun default/nightly created"], result.err


async def test_of_several_files_a_bad_one_leaves_all_unapplied(cli: Cli, plane: ControlPlane) -> None:
    (cli.folder / "queue.yaml").write_text(QUEUE)

    result = await cli("apply", "-f", "queue.yaml", "-f", "nowhere.yaml")

    assert result.code == CliExit.USAGE
    assert await plane.queues() == []


async def test_the_namespace_of_the_command_holds_for_manifests_without_one(cli: Cli, plane: ControlPlane) -> None:
    result = await cli("apply", "-n", "shop", "-f", "-", stdin=QUEUE)

    assert result.out == "TaskQueue shop/slow created\n", result.err
    assert [queue.name for queue in await plane.in_namespace("shop").queues()] == ["slow"]
