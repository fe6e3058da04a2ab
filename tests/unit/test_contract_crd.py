"""The CRDs obey the rules of structural schemas, bound every cost, and are committed as generated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.contract.crd import DEFINITIONS, Definition, immutability_rules
from holdfast.contract.resources.model import camel_case
from holdfast.contract.resources.task_run import TaskRunSpec
from holdfast.contract.structural_schema import structural_schema
from holdfast_engine.generate import ROOT, generated_files, write

Schema = dict[str, Any]

KINDS = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.kind)
FREE_FORM = "x-kubernetes-preserve-unknown-fields"


def root(definition: Definition) -> Schema:
    (version,) = definition.to_json()["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}")
    for nested in ("items", "additionalProperties"):
        if nested in schema:
            yield from walk(schema[nested], f"{path}[]")


@KINDS
def test_every_value_has_one_type(definition: Definition) -> None:
    for path, schema in walk(root(definition)):
        assert {"$ref", "anyOf", "oneOf", "allOf", "not", "const", "title", "nullable"}.isdisjoint(schema), path
        assert "type" in schema or schema.get(FREE_FORM) is True, path
        assert schema.get("type") != "number", f"{path}: no floats"
        assert not ("properties" in schema and "additionalProperties" in schema), path


@KINDS
def test_everything_is_bounded(definition: Definition) -> None:
    for path, schema in walk(root(definition)):
        match schema.get("type"):
            case "string":
                assert "maxLength" in schema or "enum" in schema, path
            case "integer":
                assert {"minimum", "maximum", "format"} <= schema.keys(), path
            case "array":
                assert "maxItems" in schema, path
                assert schema["x-kubernetes-list-type"] in ("map", "set", "atomic"), path
            case "object" if "additionalProperties" in schema:
                assert "maxProperties" in schema, path
            case "object":
                assert "properties" in schema or schema.get(FREE_FORM) is True, path


@KINDS
def test_list_maps_have_required_keys(definition: Definition) -> None:
    for path, schema in walk(root(definition)):
        if schema.get("x-kubernetes-list-type") == "map":
            assert set(schema["x-kubernetes-list-map-keys"]) <= set(schema["items"]["required"]), path


@KINDS
def test_every_field_is_explained(definition: Definition) -> None:
    for path, schema in walk(root(definition)):
        for name, field in schema.get("properties", {}).items():
            if not f"{path}.{name}".startswith(".metadata"):
                assert field.get("description", "").endswith("."), f"{path}.{name}"


@KINDS
def test_required_fields_have_no_default_and_defaults_fit(definition: Definition) -> None:
    for path, schema in walk(root(definition)):
        for name in schema.get("required", []):
            assert "default" not in schema["properties"][name], f"{path}.{name}"
        if "enum" in schema and "default" in schema:
            assert schema["default"] in schema["enum"], path


@KINDS
def test_metadata_is_left_to_the_api_server(definition: Definition) -> None:
    metadata = root(definition)["properties"]["metadata"]
    assert metadata.keys() == {"type", "properties"}
    assert metadata["properties"].keys() == {"name"}


@KINDS
def test_columns_show_fields_that_exist(definition: Definition) -> None:
    fields = {path for path, _ in walk(root(definition))}
    for column in definition.columns:
        path = column.path.replace('?(@.type=="Succeeded")', "").replace('?(@.type=="Ready")', "").replace("-1:", "")
        assert path in fields or path == ".metadata.creationTimestamp", column


def test_names_of_the_kinds() -> None:
    names = {definition.kind: definition.to_json()["spec"]["names"] for definition in DEFINITIONS}
    assert {kind: (name["plural"], name.get("shortNames")) for kind, name in names.items()} == {
        "Task": ("tasks", None),
        "TaskRun": ("taskruns", ["tkr"]),
        "TaskQueue": ("taskqueues", ["tkq"]),
        "TaskSchedule": ("taskschedules", ["tks"]),
    }
    assert all(name["categories"] == ["holdfast"] for name in names.values())


def test_columns_of_runs() -> None:
    columns = {d.kind: d.columns for d in DEFINITIONS}["TaskRun"]
    assert [column.name for column in columns if not column.wide] == [
        *("Phase", "Task", "Queue", "Attempt", "Checkpoint", "Age")
    ]
    assert [column.name for column in columns if column.wide] == ["Reason", "Node", "Next"]


def test_all_of_a_runs_spec_but_three_fields_is_immutable() -> None:
    guarded = {rule["fieldPath"] for rule in immutability_rules()}
    every = {f".{camel_case(field)}" for field in TaskRunSpec.model_fields}
    assert every - guarded == {".cancel", ".suspend", ".ttlSecondsAfterFinished"}
    rules = root({d.kind: d for d in DEFINITIONS}["TaskRun"])["properties"]["spec"]["x-kubernetes-validations"]
    assert guarded == {rule["fieldPath"] for rule in rules if "oldSelf" in rule["rule"]}


def test_a_run_has_exactly_one_task() -> None:
    rules = structural_schema(TaskRunSpec)["x-kubernetes-validations"]
    assert rules == [
        {
            "rule": "(has(self.task) ? 1 : 0) + (has(self.taskRef) ? 1 : 0) == 1",
            "message": "exactly one of task and taskRef must be set",
        }
    ]


def test_what_is_not_structural_is_refused() -> None:
    from holdfast.contract.resources.model import Model

    class Either(Model):
        value: int | str

    with pytest.raises(ValueError, match="anyOf cannot be part of a structural schema"):
        structural_schema(Either)


@pytest.mark.parametrize("name", generated_files())
def test_committed_files_are_what_is_generated(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == generated_files()[name]()


def test_generated_yaml_is_the_definition_to_any_reader() -> None:
    for definition in DEFINITIONS:
        text = generated_files()[f"crds/holdfast.dev_{definition.plural}.yaml"]()
        assert yaml.safe_load(text) == definition.to_json()


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    files = {"a/b.txt": lambda: "one", "c.txt": lambda: "two"}
    assert write(tmp_path, files) == ["a/b.txt", "c.txt"]
    assert write(tmp_path, files) == []
    (tmp_path / "c.txt").write_text("changed")
    assert write(tmp_path, files) == ["c.txt"]
    assert (tmp_path / "c.txt").read_text() == "two"
