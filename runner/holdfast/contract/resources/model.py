"""What every part of a resource has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


def camel_case(name: str) -> str:
    """Return the name of a field in Kubernetes' spelling: `run_id` is `runID`."""
    camel = to_camel(name)
    return camel[:-2] + "ID" if name.endswith("_id") else camel


class Model(BaseModel):
    """A part of a resource: immutable, with no field that is not declared.

    Python code uses the fields' snake_case names; what comes from outside may only use camelCase
    (``model_validate(..., by_alias=True, by_name=False)``).
    """

    model_config = ConfigDict(
        alias_generator=camel_case,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: object) -> object:
        """The API server prunes nulls before it applies defaults; a manifest must mean the same here."""
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if value is not None}
        return data
