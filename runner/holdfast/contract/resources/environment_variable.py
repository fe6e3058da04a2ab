"""A variable in the environment of an attempt."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from holdfast.contract.environment import PREFIX
from holdfast.contract.resources.model import Model
from holdfast.contract.resources.scalar import Argument, EnvironmentName, JsonObject

_RESERVED = f"names that start with {PREFIX} are reserved"
_ONE_SOURCE = "value and valueFrom exclude each other"


class EnvironmentVariable(Model):
    """A name with a value, or with a reference to one (a Secret belongs there, never here)."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": f"!self.name.startsWith('{PREFIX}')", "message": _RESERVED},
                {"rule": "!(has(self.value) && has(self.valueFrom))", "message": _ONE_SOURCE},
            ]
        }
    )

    name: EnvironmentName
    """Name of the variable."""

    value: Argument | None = None
    """Its value. Default: empty."""

    value_from: JsonObject | None = None
    """Where the value comes from: a Kubernetes EnvVarSource. Only pods have it; local processes refuse it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name.startswith(PREFIX):
            raise ValueError(_RESERVED)
        if self.value is not None and self.value_from is not None:
            raise ValueError(_ONE_SOURCE)
        return self


Environment = Annotated[
    tuple[EnvironmentVariable, ...],
    Field(
        max_length=256,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    ),
]
"""At most one variable of each name."""
