"""What a pod template may not say, and that the schema of the API server names the same fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from holdfast.contract.resources.pod_template import refusals
from holdfast.contract.resources.task import InlineTask
from holdfast.contract.resources.task_queue import PodDefaults
from holdfast.contract.structural_schema import Schema, structural_schema
from tests.support.pod_templates import ALLOWED, REFUSED


@pytest.mark.parametrize("field", REFUSED)
def test_what_breaks_isolation_is_refused_by_the_path_of_its_field(field: str) -> None:
    (sentence,) = refusals(REFUSED[field])
    assert sentence.startswith(f"{field} must")
    with pytest.raises(ValidationError, match="must"):
        InlineTask(command=("true",), pod_template=REFUSED[field])


@pytest.mark.parametrize("field", REFUSED)
def test_the_api_server_has_a_rule_for_each(field: str) -> None:
    schema: Schema = structural_schema(InlineTask)["properties"]["podTemplate"]
    for name in field.split("."):
        schema = schema["properties"][name.split("[")[0]]
        schema = schema["items"] if "[" in name else schema
    (rule,) = schema["x-kubernetes-validations"]
    (sentence,) = refusals(REFUSED[field])
    assert sentence == f"{field} {rule['message']}"


def test_anything_else_is_passed_through() -> None:
    assert InlineTask(command=("true",), pod_template=ALLOWED).pod_template == ALLOWED


@pytest.mark.parametrize("template", [{"spec": "x"}, {"spec": {"containers": ["x"], "volumes": {}}}, {"metadata": []}])
def test_a_template_of_the_wrong_shape_is_left_to_the_api_server(template: dict[str, Any]) -> None:
    assert list(refusals(template)) == []


def test_a_queue_gives_no_reserved_labels() -> None:
    with pytest.raises(ValidationError, match="only Holdfast writes them"):
        PodDefaults(labels={"app.kubernetes.io/managed-by": "me"})
