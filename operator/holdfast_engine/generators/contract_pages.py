"""Pages of the reference that only repeat what the contract says."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.contract.crd import DEFINITIONS
from holdfast.contract.exit_codes import CliExit, RunnerExit
from holdfast.contract.reasons import FailureClass, Reason
from holdfast.contract.structural_schema import Schema, structural_schema

_NOTE = "Generated from `runner/holdfast/contract/` by `make generate`."


def resources_page() -> str:
    """Return the reference of the resources: every field of every kind."""
    lines = ["# Resources", "", _NOTE]
    for definition in DEFINITIONS:
        schema = structural_schema(definition.model)
        names = ", ".join(f"`{name}`" for name in (definition.plural, *definition.short_names))
        lines += ["", f"## {definition.kind}", "", f"{schema['description']} In kubectl: {names}.", ""]
        lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
        lines += _rows(schema["properties"]["spec"], "spec")
        lines += _rows(schema["properties"]["status"], "status")
    return "\n".join(lines) + "\n"


def reasons_page() -> str:
    """Return the reference of failure classes and reasons."""
    lines = ["# Failure classes and reasons", "", _NOTE, "", "| class | meaning |", "|---|---|"]
    lines += [f"| `{failure}` | {failure.meaning} |" for failure in FailureClass]
    lines += ["", "| reason | meaning |", "|---|---|"]
    lines += [f"| `{reason}` | {reason.meaning} |" for reason in Reason]
    return "\n".join(lines) + "\n"


def exit_codes_page() -> str:
    """Return the reference of the exit codes."""
    lines = ["# Exit codes", "", _NOTE, "", "## `holdfast`", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {code.meaning} |" for code in CliExit]
    lines += [
        "",
        "## The process of an attempt",
        "",
        "The outcome of an attempt is what the database says; this is a hint.",
    ]
    lines += ["", "| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {code.meaning} |" for code in RunnerExit]
    return "\n".join(lines) + "\n"


def _rows(schema: Schema, path: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        place = f"{path}.{name}"
        default = field.get("default", "")
        shown = (
            ""
            if default == "" or isinstance(default, dict)
            else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        )
        required = " (required)" if name in schema.get("required", []) else ""
        yield f"| `{place}` | {_type(field)}{required} | {shown} | {field['description']} |"
        yield from _rows(field.get("items", field), place + "[]" * ("items" in field))


def _type(schema: Schema) -> str:
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if schema.get("format") == "date-time":
        return "time"
    return str(schema.get("type", "any"))
