"""Rules about which fields go together, once for CEL and once for Python."""

from __future__ import annotations

from pydantic import JsonValue

from holdfast.contract.resources.model import Model, camel_case

CelRule = dict[str, JsonValue]


def one_of_rule(*fields: str) -> CelRule:
    """Return the CEL rule that exactly one of the fields is set."""
    names = [camel_case(field) for field in fields]
    count = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in names)
    return {"rule": f"{count} == 1", "message": _one_of(names)}


def check_one_of(model: Model, *fields: str) -> None:
    """Raise ``ValueError`` unless exactly one of the fields is set."""
    given = [camel_case(field) for field in fields if getattr(model, field) is not None]
    if len(given) != 1:
        names = [camel_case(field) for field in fields]
        raise ValueError(f"{_one_of(names)} ({' and '.join(given) or 'neither'} given)")


def _one_of(names: list[str]) -> str:
    return f"exactly one of {' and '.join(names)} must be set"
