"""The kinds of the Kubernetes API that the operator reads and writes, and how one of their objects is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from holdfast.contract import api_group

Object: TypeAlias = Mapping[str, Any]
"""An object of the Kubernetes API as parsed JSON."""


@dataclass(frozen=True)
class Kind:
    """A kind of object: where it is in the API, and what manifests call it."""

    #: "" for the core group.
    group: str
    version: str
    #: As in URLs: "taskruns".
    plural: str
    #: As in manifests: "TaskRun".
    name: str

    @property
    def api_version(self) -> str:
        """As in manifests: "holdfast.dev/v1alpha1", or "v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def version_path(self) -> str:
        """Where the API lists the kinds of this group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of one object, of a namespace's objects, or (no namespace) of all of them."""
        parts = [self.version_path]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)

    def __str__(self) -> str:
        return self.name


class Key(NamedTuple):
    """Which object: what the work queue holds."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.name} {self.namespace}/{self.name}"


TASK_RUNS: Final = Kind(api_group.GROUP, api_group.VERSION, "taskruns", "TaskRun")
TASKS: Final = Kind(api_group.GROUP, api_group.VERSION, "tasks", "Task")
TASK_QUEUES: Final = Kind(api_group.GROUP, api_group.VERSION, "taskqueues", "TaskQueue")
PODS: Final = Kind("", "v1", "pods", "Pod")
EVENTS: Final = Kind("events.k8s.io", "v1", "events", "Event")
LEASES: Final = Kind("coordination.k8s.io", "v1", "leases", "Lease")

WATCHED: Final = (TASK_RUNS, TASKS, TASK_QUEUES, PODS)
"""What the operator keeps in its store."""
