"""The CustomResourceDefinitions of the four resources, built from their models.

`make generate` writes them to `crds/`. What a model says about one field is in the model; here is what
concerns a kind: its names, its columns in `kubectl get`, and which parts of a spec may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.contract.api_group import GROUP, VERSION
from holdfast.contract.resources.metadata import KubernetesObject
from holdfast.contract.resources.model import camel_case
from holdfast.contract.resources.task import Task
from holdfast.contract.resources.task_queue import TaskQueue
from holdfast.contract.resources.task_run import MUTABLE_FIELDS, TaskRun, TaskRunSpec
from holdfast.contract.resources.task_schedule import TaskSchedule
from holdfast.contract.structural_schema import structural_schema

Json = dict[str, Any]

CATEGORY = "holdfast"
"""`kubectl get holdfast` lists all kinds. Not `all`: that one is for what users expect there."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    #: Shown only with `-o wide`.
    wide: bool = False

    def to_json(self) -> Json:
        column: Json = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return column | {"priority": 1} if self.wide else column


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One kind, as the API server learns of it."""

    model: type[KubernetesObject]
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def kind(self) -> str:
        return self.model.__name__

    @property
    def plural(self) -> str:
        return f"{self.kind.lower()}s"

    def to_json(self) -> Json:
        """Return the CustomResourceDefinition."""
        names: Json = {
            "kind": self.kind,
            "listKind": f"{self.kind}List",
            "plural": self.plural,
            "singular": self.kind.lower(),
        }
        if self.short_names:
            names["shortNames"] = list(self.short_names)
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "names": {**names, "categories": [CATEGORY]},
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": VERSION,
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}},
                        "additionalPrinterColumns": [column.to_json() for column in self.columns],
                        "schema": {"openAPIV3Schema": self._schema()},
                    }
                ],
            },
        }

    def _schema(self) -> Json:
        schema = structural_schema(self.model)
        fields = schema["properties"]
        name = fields["metadata"]["properties"]["name"]
        return {
            "description": schema["description"],
            "type": "object",
            "required": ["metadata", "spec"],
            "properties": {
                "apiVersion": {"description": _API_VERSION, "type": "string", "maxLength": 256},
                "kind": {"description": _KIND, "type": "string", "maxLength": 63},
                # The API server allows nothing here but restrictions of the name.
                "metadata": {"type": "object", "properties": {"name": _without_description(name)}},
                "spec": self._spec(fields["spec"]),
                "status": fields["status"],
            },
        }

    def _spec(self, schema: Json) -> Json:
        if self.model is not TaskRun:
            return schema
        rules = [*schema["x-kubernetes-validations"], *immutability_rules()]
        return {**schema, "x-kubernetes-validations": rules}


def immutability_rules() -> list[Json]:
    """Return CEL rules that let nothing of a run's spec change but ``MUTABLE_FIELDS``.

    One rule per field, because CEL cannot compare an object without some of its fields, and because the
    message can then name the field. Below free-form objects CEL sees less than everything: it misses a
    change that only renames a key of `input`. The run itself cannot be changed by that: its row was written
    when the resource was first seen.
    """
    names = [camel_case(field) for field in TaskRunSpec.model_fields if field not in MUTABLE_FIELDS]
    return [
        {
            "rule": f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
            "message": f"{name} cannot be changed once the run exists; create another run",
            "reason": "FieldValueForbidden",
            "fieldPath": f".{name}",
        }
        for name in names
    ]


def _without_description(schema: Mapping[str, Any]) -> Json:
    return {name: value for name, value in schema.items() if name != "description"}


_API_VERSION = "Group and version of the resource."
_KIND = "Kind of the resource."
_AGE = Column(name="Age", type="date", path=".metadata.creationTimestamp")


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        model=Task,
        short_names=(),
        columns=(
            Column(name="Image", path=".spec.image"),
            Column(name="Entrypoint", path=".spec.entrypoint"),
            Column(name="Queue", path=".spec.queueName"),
            _AGE,
        ),
    ),
    Definition(
        model=TaskRun,
        short_names=("tkr",),
        columns=(
            Column(name="Phase", path=".status.phase"),
            Column(name="Task", path=".status.taskName"),
            Column(name="Queue", path=".status.queueName"),
            Column(name="Attempt", type="integer", path=".status.attempt"),
            Column(name="Checkpoint", path=".status.checkpoint.step"),
            _AGE,
            Column(name="Reason", path=_condition("Succeeded", "reason"), wide=True),
            Column(name="Node", path=".status.attempts[-1:].nodeName", wide=True),
            # Not of type date: that shows how long ago, and this lies ahead.
            Column(name="Next", path=".status.nextAttemptTime", wide=True),
        ),
    ),
    Definition(
        model=TaskQueue,
        short_names=("tkq",),
        columns=(
            Column(name="Depth", type="integer", path=".status.depth"),
            Column(name="Running", type="integer", path=".status.running"),
            Column(name="Concurrency", type="integer", path=".spec.concurrency"),
            Column(name="Paused", type="boolean", path=".spec.paused"),
            Column(name="Ready", path=_condition("Ready", "status")),
            _AGE,
            Column(name="Oldest", type="date", path=".status.oldestQueuedTime", wide=True),
        ),
    ),
    Definition(
        model=TaskSchedule,
        short_names=("tks",),
        columns=(
            Column(name="Task", path=".spec.taskRef.name"),
            Column(name="Cron", path=".spec.cron"),
            Column(name="Zone", path=".spec.timeZone"),
            Column(name="Suspend", type="boolean", path=".spec.suspend"),
            Column(name="Last", type="date", path=".status.lastScheduleTime"),
            _AGE,
            Column(name="Next", path=".status.nextScheduleTime", wide=True),
        ),
    ),
)
