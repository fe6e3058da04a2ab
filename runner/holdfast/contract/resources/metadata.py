"""The metadata that every Kubernetes object has, and the object around it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from holdfast.contract.api_group import API_VERSION
from holdfast.contract.resources.model import Model
from holdfast.contract.resources.scalar import Annotations, Count, Generation, JsonObject, Labels, Name, Time


class Metadata(Model):
    """Name and labels of an object, and what the API server writes there."""

    name: Name
    """Name of the object: an RFC 1123 label, unique among its kind in the namespace."""

    namespace: Name = "default"
    """Namespace of the object."""

    labels: Labels | None = None
    """Labels to select the object by."""

    annotations: Annotations | None = None
    """Notes of people and tools."""

    generate_name: Annotated[str, Field(max_length=253)] | None = None
    """Prefix from which the API server made the name."""

    uid: Annotated[str, Field(max_length=128)] | None = None
    """Identity of this very object, written by the API server."""

    resource_version: Annotated[str, Field(max_length=128)] | None = None
    """Version for optimistic locking, written by the API server."""

    generation: Generation | None = None
    """Counts changes of the spec, written by the API server."""

    creation_timestamp: Time | None = None
    """When the object was created, written by the API server."""

    deletion_timestamp: Time | None = None
    """When the object will be gone, written by the API server."""

    deletion_grace_period_seconds: Count | None = None
    """How long deletion may take, in seconds, written by the API server."""

    finalizers: Annotated[tuple[Annotated[str, Field(max_length=317)], ...], Field(max_length=64)] = ()
    """Who must agree to the deletion."""

    owner_references: tuple[JsonObject, ...] = ()
    """Objects with which this one is deleted."""

    managed_fields: tuple[JsonObject, ...] = ()
    """Who wrote which field, written by the API server."""

    self_link: Annotated[str, Field(max_length=1024)] | None = None
    """Address of the object in old API servers."""


class KubernetesObject(Model):
    """An object of the group `holdfast.dev`."""

    api_version: Literal["holdfast.dev/v1alpha1"] = API_VERSION
    """Group and version."""

    kind: str
    """The kind of object."""

    metadata: Metadata
    """Name, namespace, labels."""

    @property
    def address(self) -> str:
        """How people name the object: `TaskRun shop/order-42`."""
        return f"{self.kind} {self.metadata.namespace}/{self.metadata.name}"

    def to_manifest(self) -> dict[str, Any]:
        """Return the object as JSON values, spelled as in a manifest; what has its default is left out."""
        fields = self.model_dump(mode="json", exclude_defaults=True)
        return {"apiVersion": self.api_version, "kind": self.kind, **fields}
