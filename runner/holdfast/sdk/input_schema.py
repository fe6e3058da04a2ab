"""How JSON Schema is written of a task's parameters, so that it takes what their validation takes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue


@cache
def input_schema_writer() -> type[GenerateJsonSchema]:
    """The class that `TypeAdapter.json_schema` takes as its generator. Made late: it is slow to import."""
    from pydantic.json_schema import GenerateJsonSchema

    class InputSchemaWriter(GenerateJsonSchema):
        def set_schema(self, schema: Any) -> JsonSchemaValue:
            """A value may come twice: the set has it once."""
            written = super().set_schema(schema)
            written.pop("uniqueItems", None)
            return written

        def frozenset_schema(self, schema: Any) -> JsonSchemaValue:
            """As `set_schema`."""
            written = super().frozenset_schema(schema)
            written.pop("uniqueItems", None)
            return written

        def decimal_schema(self, schema: Any) -> JsonSchemaValue:
            """Not any string is a number."""
            written = super().decimal_schema(schema)
            for each in written.get("anyOf", ()):
                if each.get("type") == "string":
                    each["format"] = "decimal"
            return written

    return InputSchemaWriter
