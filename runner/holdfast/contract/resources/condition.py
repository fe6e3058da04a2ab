"""A condition, as every Kubernetes object has them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from holdfast.contract.resources.model import Model
from holdfast.contract.resources.scalar import Generation, Message, Time, Word


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One thing that is observed about an object, and why."""

    type: Word
    """What is observed, for instance Succeeded."""

    status: ConditionStatus
    """True, False or Unknown. Succeeded is Unknown while the run is active."""

    reason: Word
    """Why, in one CamelCase word."""

    message: Message
    """Why, in a sentence. May be empty."""

    last_transition_time: Time
    """When the status last changed."""

    observed_generation: Generation | None = None
    """The generation of the spec that was looked at."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
"""At most one condition of each type."""
