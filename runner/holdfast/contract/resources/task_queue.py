"""A queue: where runs wait for admission; carries limits and policy."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from holdfast.contract.resources.condition import Conditions
from holdfast.contract.resources.metadata import KubernetesObject
from holdfast.contract.resources.model import Model
from holdfast.contract.resources.pod_template import PodLabels
from holdfast.contract.resources.scalar import (
    Count,
    Domain,
    Flag,
    Generation,
    JsonObject,
    Labels,
    PositiveCount,
    Subdomain,
    Time,
)
from holdfast.contract.resources.warm_pool import WarmPool

_ATOMIC = {"x-kubernetes-list-type": "atomic"}
_SET = {"x-kubernetes-list-type": "set"}

Rules = Annotated[tuple[JsonObject, ...], Field(max_length=100, json_schema_extra=_ATOMIC)]


class NetworkManagement(StrEnum):
    """Who keeps the network policy of a queue's pods."""

    MANAGED = "Managed"
    """Holdfast writes it, deny by default."""

    EXTERNAL = "External"
    """Someone else does; Holdfast launches nothing until one selects the queue's pods."""

    NONE = "None"
    """Nobody: the queue's pods may talk to everyone."""


class NetworkSpec(Model):
    """Whom the pods of a queue may talk to."""

    management: NetworkManagement = NetworkManagement.MANAGED
    """Managed: Holdfast keeps a NetworkPolicy, deny by default. External: someone else must. None: no
    policy."""

    allowed_domains: Annotated[tuple[Domain, ...], Field(max_length=100, json_schema_extra=_SET)] = ()
    """Domain names that pods may reach, through the egress proxy or a policy by name where the cluster has
    one."""

    egress: Rules = ()
    """Kubernetes NetworkPolicyEgressRules, in addition to DNS and Postgres."""

    ingress: Rules = ()
    """Kubernetes NetworkPolicyIngressRules. Default: nobody reaches the pods."""


class PodDefaults(Model):
    """What the pods of a queue get where their template says nothing. Fields are those of a Kubernetes
    PodSpec."""

    labels: PodLabels | None = None
    """Labels of the pods. Those of holdfast.dev/ are reserved."""

    node_selector: Labels | None = None
    """Labels that a node must have."""

    tolerations: Rules = ()
    """Taints that the pods tolerate."""

    affinity: JsonObject | None = None
    """Affinity of the pods."""

    topology_spread_constraints: Rules = ()
    """How the pods spread over the cluster."""

    priority_class_name: Subdomain | None = None
    """Priority class of the pods."""

    runtime_class_name: Subdomain | None = None
    """Runtime class of the pods."""

    service_account_name: Subdomain | None = None
    """Service account of the pods. Its token is not mounted."""

    image_pull_secrets: Rules = ()
    """Secrets with which images are pulled."""

    resources: JsonObject | None = None
    """Requests and limits of the container."""


class TaskQueueSpec(Model):
    """A queue as wanted."""

    concurrency: Count = 10
    """Runs that may hold a slot at once. 0: none is admitted."""

    concurrency_per_key: PositiveCount | None = None
    """Runs of one concurrencyKey that may hold a slot at once. Default: no limit."""

    starts_per_minute: PositiveCount | None = None
    """Attempts that may start per minute. Default: no limit."""

    paused: Flag = False
    """True admits no more runs; those that hold a slot go on."""

    network: NetworkSpec = NetworkSpec()
    """Whom the pods may talk to."""

    pod_defaults: PodDefaults | None = None
    """What the pods get where their template says nothing."""

    warm: WarmPool | None = None
    """Pods that are kept ready. Default: none."""


class TaskQueueStatus(Model):
    """A queue as it stands."""

    observed_generation: Generation | None = None
    """The generation of the spec that was looked at."""

    depth: Count = 0
    """Runs that wait for a slot."""

    running: Count = 0
    """Runs that hold a slot."""

    oldest_queued_time: Time | None = None
    """Since when the run that waits longest has been waiting."""

    conditions: Conditions = ()
    """Ready: runs are admitted. NetworkPolicyReady: the network policy is in place."""


class TaskQueue(KubernetesObject):
    """Where runs wait for admission. Carries limits and policy of a team or a purpose."""

    kind: Literal["TaskQueue"] = "TaskQueue"
    """The kind of object."""

    spec: TaskQueueSpec
    """The queue as wanted."""

    status: TaskQueueStatus | None = None
    """The queue as it stands."""
