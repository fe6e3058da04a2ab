"""A pod template: passed through as it is, but for what would break the isolation between runs.

The API server refuses it by CEL and `holdfast apply` by the checks here, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, JsonValue, WithJsonSchema

from holdfast.contract import labels, patterns
from holdfast.contract.resources.scalar import JsonObject, Labels

Schema = dict[str, Any]

ALLOWED_CAPABILITY = "NET_BIND_SERVICE"
"""The one capability that the restricted Pod Security Standard lets a container add."""

_APART = "must not be true: the pods of a run are kept apart from"
_FLAGS_REFUSED = {
    "hostNetwork": f"{_APART} the node's network",
    "hostPID": f"{_APART} the node's processes",
    "hostIPC": f"{_APART} the node's shared memory",
    "automountServiceAccountToken": f"{_APART} the Kubernetes API; mount a projected volume where one needs a token",
}
_CONTAINERS = ("containers", "initContainers")

_PRIVILEGED_REFUSED = "must not be true: a privileged container can do on the node whatever it likes"
_CAPABILITIES_REFUSED = f"must not add capabilities other than {ALLOWED_CAPABILITY}"
_HOST_PORT_REFUSED = "must not be set: the pods of a run are kept apart from the node's network; use a Service"
_HOST_PATH_REFUSED = "must not be set: the pods of a run are kept apart from the node's files; use another volume"
_RESTART_REFUSED = "must be Never: another try is another attempt, with a pod of its own"
_LABELS_REFUSED = f"must not have {labels.PREFIX}… or {labels.MANAGED_BY}: only Holdfast writes them"
_ANNOTATIONS_REFUSED = f"must not have {labels.PREFIX}…: only Holdfast writes them"


def refusals(template: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each thing in a PodTemplateSpec that would break isolation."""
    metadata, spec = _object(template, "metadata"), _object(template, "spec")
    if any(labels.is_reserved(label) for label in _object(metadata, "labels")):
        yield f"metadata.labels {_LABELS_REFUSED}"
    if any(annotation.startswith(labels.PREFIX) for annotation in _object(metadata, "annotations")):
        yield f"metadata.annotations {_ANNOTATIONS_REFUSED}"
    for field, refused in _FLAGS_REFUSED.items():
        if spec.get(field) is True:
            yield f"spec.{field} {refused}"
    if spec.get("restartPolicy") not in (None, "Never"):
        yield f"spec.restartPolicy {_RESTART_REFUSED}"
    for index, volume in enumerate(_objects(spec, "volumes")):
        if volume.get("hostPath") is not None:
            yield f"spec.volumes[{index}].hostPath {_HOST_PATH_REFUSED}"
    for field in _CONTAINERS:
        for index, container in enumerate(_objects(spec, field)):
            yield from (f"spec.{field}[{index}].{refusal}" for refusal in _container_refusals(container))


def _container_refusals(container: Mapping[str, Any]) -> Iterator[str]:
    context = _object(container, "securityContext")
    if context.get("privileged") is True:
        yield f"securityContext.privileged {_PRIVILEGED_REFUSED}"
    if set(_object(context, "capabilities").get("add") or ()) - {ALLOWED_CAPABILITY}:
        yield f"securityContext.capabilities.add {_CAPABILITIES_REFUSED}"
    for index, port in enumerate(_objects(container, "ports")):
        if port.get("hostPort"):
            yield f"ports[{index}].hostPort {_HOST_PORT_REFUSED}"


def _object(around: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """Return a field that is a mapping; empty where it is anything else, which the API server refuses itself."""
    value = around.get(field)
    return value if isinstance(value, dict) else {}


def _objects(around: Mapping[str, Any], field: str) -> Iterable[Mapping[str, Any]]:
    value = around.get(field)
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else ()


def _check_template(template: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if found := "; ".join(refusals(template)):
        raise ValueError(found)
    return template


def _check_labels(given: dict[str, str]) -> dict[str, str]:
    if any(labels.is_reserved(label) for label in given):
        raise ValueError(_LABELS_REFUSED)
    return given


def _part(description: str, **properties: Schema) -> Schema:
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _parts(description: str, item: Schema, limit: int) -> Schema:
    return {
        "description": description,
        "type": "array",
        "items": item,
        "maxItems": limit,
        "x-kubernetes-list-type": "atomic",
    }


def _ruled(schema: Schema, rule: str, message: str) -> Schema:
    return {
        **schema,
        "x-kubernetes-validations": [{"rule": rule, "message": message, "reason": "FieldValueForbidden"}],
    }


def _never(description: str, message: str) -> Schema:
    return _ruled({"description": description, "type": "boolean"}, "!self", message)


_LABELS_SCHEMA = _ruled(
    {
        "description": f"Labels of the pods. Those of {labels.PREFIX} are reserved.",
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 63, "pattern": patterns.LABEL_VALUE},
        "maxProperties": 64,
    },
    f"self.all(label, !label.startsWith('{labels.PREFIX}') && label != '{labels.MANAGED_BY}')",
    _LABELS_REFUSED,
)
_ANNOTATIONS_SCHEMA = _ruled(
    {
        "description": f"Annotations of the pods. Those of {labels.PREFIX} are reserved.",
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 262144},
        "maxProperties": 256,
    },
    f"self.all(annotation, !annotation.startsWith('{labels.PREFIX}'))",
    _ANNOTATIONS_REFUSED,
)
_CAPABILITIES = _part(
    "Capabilities of the container.",
    add=_ruled(
        _parts(
            f"Capabilities to add: {ALLOWED_CAPABILITY} or none.",
            {"description": "Name of a capability.", "type": "string", "maxLength": 64},
            32,
        ),
        f"self.all(capability, capability == '{ALLOWED_CAPABILITY}')",
        _CAPABILITIES_REFUSED,
    ),
)
_PORT = _part(
    "A port of the container.",
    hostPort=_ruled(
        {
            "description": "Not available.",
            "type": "integer",
            "format": "int32",
            "minimum": 0,
            "maximum": 65535,
        },
        "self == 0",
        _HOST_PORT_REFUSED,
    ),
)
_CONTAINER = _part(
    "A Kubernetes Container.",
    securityContext=_part(
        "Security context of the container.",
        privileged=_never("Not available.", _PRIVILEGED_REFUSED),
        capabilities=_CAPABILITIES,
    ),
    ports=_parts("Ports of the container.", _PORT, 64),
)
_VOLUME = _part(
    "A Kubernetes Volume.",
    hostPath=_ruled(_part("Not available."), "false", _HOST_PATH_REFUSED),
)
_POD_SPEC = _part(
    "A Kubernetes PodSpec.",
    **{field: _never("Not available.", refused) for field, refused in _FLAGS_REFUSED.items()},
    restartPolicy=_ruled(
        {"description": "Never, or nothing.", "type": "string", "maxLength": 16},
        "self == 'Never'",
        _RESTART_REFUSED,
    ),
    volumes=_parts("Volumes of the pod.", _VOLUME, 100),
    containers=_parts("Containers. The first is the attempt; its name and its image may be left out.", _CONTAINER, 32),
    initContainers=_parts("Containers that run before the attempt, or beside it.", _CONTAINER, 32),
)
_TEMPLATE_SCHEMA = _part(
    "A Kubernetes PodTemplateSpec.",
    metadata=_part("Labels and annotations of the pods.", labels=_LABELS_SCHEMA, annotations=_ANNOTATIONS_SCHEMA),
    spec=_POD_SPEC,
)

PodTemplate = Annotated[JsonObject, AfterValidator(_check_template), WithJsonSchema(_TEMPLATE_SCHEMA)]
"""A PodTemplateSpec: what is not named in its schema is passed through."""

PodLabels = Annotated[Labels, AfterValidator(_check_labels), WithJsonSchema(_LABELS_SCHEMA)]
"""Labels that a user may give to pods."""
