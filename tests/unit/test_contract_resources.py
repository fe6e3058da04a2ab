"""The models agree with the schema that the API server has, and survive being written and read."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from holdfast.contract import patterns
from holdfast.contract.manifest import KINDS, Resource, dump_manifests, load_manifests
from holdfast.contract.resources.retry import RetryOverrides, RetryPolicy
from holdfast.contract.resources.task import InlineTask, TaskSpec
from holdfast.contract.resources.task_queue import TaskQueueSpec
from holdfast.contract.resources.task_run import TaskRef, TaskRun, TaskRunSpec
from holdfast.contract.structural_schema import Schema, structural_schema

ONE_OF = (frozenset({"task", "taskRef"}), frozenset({"entrypoint", "command"}))

texts = st.text(max_size=8)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda nested: st.lists(nested, max_size=3) | st.dictionaries(texts, nested, max_size=3),
    max_leaves=5,
)
times = st.datetimes(timezones=st.integers(-839, 839).map(lambda minutes: timezone(timedelta(minutes=minutes))))


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Generate what the API server accepts under a structural schema."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return st.dictionaries(texts, json_values, max_size=3) if "type" in schema else json_values
    match schema["type"]:
        case "string" if schema.get("format") == "date-time":
            return times.map(lambda time: time.isoformat())
        case "string":
            return _strings(schema)
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "boolean":
            return st.booleans()
        case "array":
            return _lists(schema)
        case _ if "additionalProperties" in schema:
            keys = st.from_regex(patterns.QUALIFIED_NAME, fullmatch=True).filter(lambda key: len(key) <= 63)
            return st.dictionaries(keys, values(schema["additionalProperties"]), max_size=2)
        case _:
            return _objects(schema)


def _strings(schema: Schema) -> st.SearchStrategy[str]:
    shortest, longest = schema.get("minLength", 0), min(schema["maxLength"], 40)
    if "pattern" not in schema:
        return st.text(min_size=shortest, max_size=longest)
    matching = st.from_regex(schema["pattern"].removesuffix("$") + r"\Z")
    return matching.filter(lambda text: shortest <= len(text) <= longest and not text.startswith("HOLDFAST_"))


def _lists(schema: Schema) -> st.SearchStrategy[list[Any]]:
    keys = schema.get("x-kubernetes-list-map-keys", [])
    unique = (lambda item: tuple(item[key] for key in keys)) if keys else repr
    shortest = schema.get("minItems", 0)
    return st.lists(values(schema["items"]), min_size=shortest, max_size=shortest + 2, unique_by=unique)


def _objects(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: values(field) for name, field in schema.get("properties", {}).items()}
    required = set(schema.get("required", []))
    unions = [union for union in ONE_OF if union <= fields.keys()]

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        names = required | draw(st.sets(st.sampled_from(sorted(fields)), max_size=6))
        for union in unions:
            names = names - union | {draw(st.sampled_from(sorted(union)))}
        if names >= {"value", "valueFrom"}:
            names.remove("value")
        return {name: draw(fields[name]) for name in fields if name in names}

    return build()


def resources() -> st.SearchStrategy[Resource]:
    def build(model: type[Resource]) -> st.SearchStrategy[Resource]:
        fields = values(structural_schema(model))
        return fields.map(lambda given: model.model_validate(given, by_alias=True, by_name=False))

    return st.one_of([build(model) for model in KINDS.values()])


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(resources())
def test_what_the_schema_allows_is_taken_and_what_is_written_is_read(resource: Resource) -> None:
    assert load_manifests(dump_manifests([resource])) == [resource]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(), json_values))
def test_free_form_values_survive(fields: dict[str, Any]) -> None:
    run = TaskRun.model_validate(
        {"metadata": {"name": "a"}, "spec": {"taskRef": {"name": "b"}, "input": fields}}, by_alias=True, by_name=False
    )
    assert load_manifests(dump_manifests([run])) == [run]


def test_python_spells_fields_its_own_way_and_manifests_theirs() -> None:
    run = TaskRun.model_validate({"metadata": {"name": "a"}, "spec": {"task_ref": {"name": "b"}}})
    assert run.spec.task_ref == TaskRef(name="b")
    with pytest.raises(ValidationError):
        TaskRun.model_validate(
            {"metadata": {"name": "a"}, "spec": {"task_ref": {"name": "b"}}}, by_alias=True, by_name=False
        )


def test_resources_do_not_change() -> None:
    spec = TaskQueueSpec()
    with pytest.raises(ValidationError, match="frozen"):
        spec.paused = True


def test_defaults() -> None:
    assert RetryPolicy().model_dump(by_alias=True) == {
        "maxAttempts": 3,
        "backoffSeconds": 1,
        "maxBackoffSeconds": 60,
        "multiplierPercent": 200,
        "disruptionLimit": 20,
    }
    task = InlineTask(entrypoint="a:b")
    assert (task.pending_deadline_seconds, task.attempt_deadline_seconds, task.version_policy) == (600, None, "Pinned")
    run = TaskRunSpec(task=task)
    assert (run.priority, run.suspend, run.cancel, run.input, run.retry) == (0, False, False, {}, None)
    queue = TaskQueueSpec()
    assert (queue.concurrency, queue.paused, queue.network.management) == (10, False, "Managed")


def test_a_registered_task_needs_an_image_and_an_inline_one_does_not() -> None:
    assert InlineTask(entrypoint="a:b").image is None
    with pytest.raises(ValidationError, match="image"):
        TaskSpec.model_validate({"entrypoint": "a:b"})


def test_a_runs_retries_override_the_tasks_field_by_field() -> None:
    policy = RetryPolicy(max_attempts=7, backoff_seconds=9)
    assert policy.overridden_by(None) is policy
    assert policy.overridden_by(RetryOverrides(max_attempts=1)) == RetryPolicy(max_attempts=1, backoff_seconds=9)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a.b", "a" * 64, "a\n", "ä"])
def test_names_are_rfc_1123_labels(name: str) -> None:
    with pytest.raises(ValidationError):
        TaskRef(name=name)
    assert TaskRef(name="0-a" * 21).name == "0-a" * 21
