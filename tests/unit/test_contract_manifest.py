"""Manifests: what is wrong is said completely, with its place and a way out; nothing is taken silently."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from holdfast.contract.limits import INPUT_LIMIT_BYTES, MANIFEST_LIMIT_BYTES
from holdfast.contract.manifest import Resource, dump_manifests, load_manifests
from holdfast.contract.resources.task_queue import TaskQueue
from holdfast.contract.resources.task_run import TaskRef, TaskRun
from holdfast.domain.errors import ManifestError

HEAD = "apiVersion: holdfast.dev/v1alpha1\n"
RUN = HEAD + "kind: TaskRun\nmetadata: {name: order-42}\nspec:\n  taskRef: {name: process-order}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load_manifests(text, "run.yaml")
    assert str(caught.value) == "\n".join(str(problem) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def only(text: str) -> Resource:
    (resource,) = load_manifests(text)
    return resource


def test_a_run_is_read() -> None:
    run = only(
        HEAD
        + """
kind: TaskRun
metadata: {name: order-42, namespace: shop, labels: {team: orders}}
spec:
  taskRef: {name: process-order}
  queueName: orders
  input: {order_id: "42", amounts: [1, 2.5, null]}
  retry: {maxAttempts: 5}
  startAfter: 2027-01-01T01:00:00+01:00
  priority: 0x10
  suspend: yes
"""
    )
    assert isinstance(run, TaskRun)
    assert run.address == "TaskRun shop/order-42"
    assert run.spec.task_ref == TaskRef(name="process-order")
    assert run.spec.input == {"order_id": "42", "amounts": [1, 2.5, None]}
    assert run.spec.retry is not None
    assert run.spec.retry.max_attempts == 5
    assert run.spec.retry.backoff_seconds is None
    assert run.spec.start_after == datetime(2027, 1, 1, tzinfo=UTC)
    assert (run.spec.priority, run.spec.suspend, run.spec.cancel) == (16, True, False)


def test_documents_are_read_in_their_order_and_empty_ones_passed_over() -> None:
    queue = HEAD + "kind: TaskQueue\nmetadata: {name: order-42}\nspec: {}\n"
    resources = load_manifests(f"# a comment\n---\n{RUN}---\n---\n{queue}")
    assert [resource.address for resource in resources] == ["TaskRun default/order-42", "TaskQueue default/order-42"]


def test_json_is_yaml() -> None:
    text = '{"apiVersion": "holdfast.dev/v1alpha1", "kind": "TaskQueue", "metadata": {"name": "q"}, "spec": {}}'
    assert isinstance(only(text), TaskQueue)


def test_null_means_not_set_as_in_a_cluster() -> None:
    run = only(RUN + "  queueName:\n  priority: null\n  input: {kept: null}\n")
    assert isinstance(run, TaskRun)
    assert (run.spec.queue_name, run.spec.priority, run.spec.input) == (None, 0, {"kept": None})


def test_every_problem_is_listed_with_its_place() -> None:
    text = """\
apiVersion: holdfast.dev/v1alpha1
kind: TaskRun
metadata: {name: Order_42}
spec:
  taskref: {name: process-order}
  queueName: yes
  maxAttempts: 5
  queue_name: x
  input: {x: 2027-01-01, y: 1}
  retry: {maxAttempt: 5, backoffSeconds: "1"}
  startAfter: 2027-01-01
---
apiVersion: holdfast.dev/v1
kind: TaskRuns
metadata: {name: a}
---
apiVersion: holdfast.dev/v1alpha1
kind: TaskQueue
metadata: {name: q, labels: {"a b": c}}
spec:
  network:
    management: managed
  concurrency: 99999999999
---
[1, 2]
"""
    assert problems(text) == [
        "run.yaml:3 (document 1): metadata.name must be an RFC 1123 label: a-z, 0-9 and '-', with a letter or digit "
        'at both ends, got "Order_42"',
        "run.yaml:5 (document 1): spec.taskref is not a field here; did you mean taskRef?",
        "run.yaml:6 (document 1): spec.queueName must be a string, got true; put it in quotes if it is meant as text",
        "run.yaml:7 (document 1): spec.maxAttempts is not a field here, got 5; did you mean spec.retry.maxAttempts?",
        'run.yaml:8 (document 1): spec.queue_name is not a field here, got "x"; did you mean queueName?',
        "run.yaml:9 (document 1): spec.input has the field name y, which kubectl reads as true: quote it",
        'run.yaml:10 (document 1): spec.retry.backoffSeconds must be an integer, got "1"; leave the quotes out',
        "run.yaml:10 (document 1): spec.retry.maxAttempt is not a field here, got 5; did you mean maxAttempts?",
        "run.yaml:11 (document 1): spec.startAfter must be a time with its zone (RFC 3339), such as "
        "'2027-01-01T00:00:00Z', got \"2027-01-01\"",
        'run.yaml:13 (document 2): apiVersion must be holdfast.dev/v1alpha1, got "holdfast.dev/v1"',
        'run.yaml:14 (document 2): kind must be one of Task, TaskRun, TaskQueue, TaskSchedule, got "TaskRuns"; '
        "did you mean TaskRun?",
        "run.yaml:19 (document 3): metadata.labels[\"a b\"] must be a label key, such as 'team' or "
        "'example.com/team', got \"a b\"",
        "run.yaml:22 (document 3): spec.network.management must be 'Managed', 'External' or 'None', "
        'got "managed"; did you mean Managed?',
        "run.yaml:23 (document 3): spec.concurrency must be at most 2147483647, got 99999999999",
        "run.yaml:25 (document 4): must be a mapping with apiVersion, kind, metadata and spec, got [1, 2]",
    ]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("{}", "spec exactly one of task and taskRef must be set (neither given)"),
        (
            "{taskRef: {name: a}, task: {command: [a]}}",
            "spec exactly one of task and taskRef must be set (task and taskRef given)",
        ),
        ("{task: {}}", "spec.task exactly one of entrypoint and command must be set (neither given)"),
        ("{task: {command: []}}", "spec.task.command must have at least 1 entries"),
        (
            "{task: {entrypoint: tasks.f}}",
            "spec.task.entrypoint must have the form 'package.module:function', got \"tasks.f\"",
        ),
        (
            "{task: {command: [a], env: [{name: HOLDFAST_TOKEN, value: x}]}}",
            "spec.task.env[0] names that start with HOLDFAST_ are reserved",
        ),
        (
            "{task: {command: [a], env: [{name: A, value: x, valueFrom: {}}]}}",
            "spec.task.env[0] value and valueFrom exclude each other",
        ),
        ("{taskRef: {}}", "spec.taskRef.name is required"),
        ("[]", "spec must be a mapping, got []"),
        (
            "{taskRef: {name: a}, suspend: 'true'}",
            'spec.suspend must be true or false, got "true"; leave the quotes out',
        ),
        ("{taskRef: {name: a}, priority: 1.5}", "spec.priority must be an integer, got 1.5"),
        ("{taskRef: {name: a}, input: [1]}", "spec.input must be a mapping, got [1]"),
        ("{taskRef: {name: a}, retry: {maxAttempts: 0}}", "spec.retry.maxAttempts must be at least 1, got 0"),
        (
            '{taskRef: {name: a}, idempotencyKey: "a\\nb"}',
            'spec.idempotencyKey must not contain control characters, got "a\\nb"',
        ),
        (
            "{taskRef: {name: a}, startAfter: 1}",
            "spec.startAfter must be a time with its zone (RFC 3339), such as '2027-01-01T00:00:00Z', got 1",
        ),
    ],
)
def test_a_bad_spec_says_what_is_wrong(spec: str, problem: str) -> None:
    text = HEAD + "kind: TaskRun\nmetadata: {name: a}\nspec: " + spec
    assert problems(text) == [f"run.yaml:4 (document 1): {problem}"]


def test_the_same_name_twice() -> None:
    assert problems(f"{RUN}---\n{RUN}") == [
        "run.yaml:9 (document 2): metadata.name is given twice, first in document 1: TaskRun default/order-42"
    ]


def test_pythons_spelling_of_a_field_is_not_the_manifests() -> None:
    assert problems(RUN + "  queue_name: orders\n") == [
        'run.yaml:6 (document 1): spec.queue_name is not a field here, got "orders"; did you mean queueName?'
    ]


def test_the_same_field_twice() -> None:
    assert problems(RUN + "  priority: 1\n  priority: 2\n") == [
        "run.yaml:7 (document 1): spec.priority is given twice, first in line 6"
    ]


def test_an_input_above_its_limit_names_the_limit() -> None:
    (problem,) = problems(RUN + f"  input: {{x: {'a' * (INPUT_LIMIT_BYTES - 7)}}}")
    assert "spec.input is 1048577 bytes of JSON, above the limit of 1048576" in problem
    assert isinstance(only(RUN + f"  input: {{x: {'a' * (INPUT_LIMIT_BYTES - 8)}}}"), TaskRun)


def test_a_file_above_its_limit_is_not_even_parsed() -> None:
    (problem,) = problems("[" + "a" * MANIFEST_LIMIT_BYTES)
    assert problem == "run.yaml: is 4194305 bytes, above the limit of 4194304: split it"


@pytest.mark.parametrize("text", ["", "# nothing", "---\n---\n"])
def test_no_resources_at_all(text: str) -> None:
    assert problems(text) == ["run.yaml: has no resources: every document is empty"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a: [1",
            "run.yaml:1: is not YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'",
        ),
        (
            "a:\n\t- b",
            "run.yaml:2: is not YAML: while scanning for the next token, "
            "found character '\\t' that cannot start any token",
        ),
        ("a: *nope", "run.yaml:1: is not YAML: found undefined alias 'nope'"),
        ("a: b\nc: \x00", "run.yaml:2: is not YAML text: special characters are not allowed"),
    ],
)
def test_what_is_not_yaml(text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_what_was_read_before_the_text_broke_is_still_checked() -> None:
    assert problems(RUN + "  priorty: 1\n---\na: [1") == [
        "run.yaml:8: is not YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'",
        "run.yaml:6 (document 1): spec.priorty is not a field here, got 1; did you mean priority?",
    ]


def _laughs(first: str, line: str) -> str:
    return "\n".join(
        [f"a0: &a0 {first}", *(line.format(n=n, aliases=", ".join([f"*a{n - 1}"] * 9)) for n in range(1, 12))]
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (_laughs("[x]", "a{n}: &a{n} [{aliases}]"), "has more than 200000 values once its aliases are expanded"),
        (
            _laughs("{k: 1}", "a{n}: &a{n} {{<<: [{aliases}]}}"),
            "has more than 200000 values once its aliases are expanded",
        ),
        ("[" * 500, "is nested more than 100 levels deep"),
        ("a: &a [*a]", "is nested more than 100 levels deep (does an alias contain itself?)"),
        ("a: &a {<<: *a}", "a merges (<<) more than 100 levels deep (does a mapping merge itself?)"),
    ],
    ids=["aliases", "merges", "depth", "endless alias", "endless merge"],
)
def test_small_texts_that_mean_endless_values_are_refused(text: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.endswith(problem)


def test_aliases_and_merges_are_expanded() -> None:
    run = only(
        RUN + "  input:\n    base: &base {a: 1, b: 2}\n    again: *base\n    more: {<<: [*base, {b: 3, c: 4}], a: 5}\n"
    )
    assert isinstance(run, TaskRun)
    assert run.spec.input == {"base": {"a": 1, "b": 2}, "again": {"a": 1, "b": 2}, "more": {"a": 5, "b": 2, "c": 4}}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("!python/object:os.system {}", "has the tag !python/object:os.system, which JSON does not have"),
        ("!!binary aGk=", "has the tag !!binary, which does not fit 'aGk='"),
        ("!!set {a, b}", "has the tag !!set, which JSON does not have"),
        ('"\\ud800"', "has half of a surrogate pair, which is no character"),
    ],
)
def test_what_json_does_not_have_is_refused(value: str, problem: str) -> None:
    assert problems(RUN + f"  input: {{x: {value}}}") == [f"run.yaml:6 (document 1): spec.input.x {problem}"]


def test_yaml_that_is_written_leaves_defaults_out() -> None:
    run = only(RUN + "  priority: 0\n  input: {x: 'yes', y-axis: '010', date: '2027-01-01'}\n")
    assert dump_manifests([run]) == (
        HEAD + "kind: TaskRun\nmetadata:\n  name: order-42\nspec:\n  taskRef:\n    name: process-order\n"
        "  input:\n    x: 'yes'\n    y-axis: '010'\n    date: 2027-01-01\n"
    )


def test_the_given_namespace_is_that_of_resources_that_name_none() -> None:
    named = RUN.replace("name: order-42", "name: order-42, namespace: default")

    addresses = [each.address for each in load_manifests(f"{RUN}---\n{named}", "run.yaml", "shop")]

    assert addresses == ["TaskRun shop/order-42", "TaskRun default/order-42"]


def test_an_object_whose_name_is_to_be_made_up_cannot_be_applied() -> None:
    assert problems(RUN.replace("name: order-42", "generateName: order-")) == [
        "run.yaml:3 (document 1): metadata.name is required; what is applied is found again by its name; "
        "generateName is for kubectl create"
    ]
