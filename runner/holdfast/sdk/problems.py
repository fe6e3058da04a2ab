"""What pydantic found wrong, as lines for an error message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.sdk.excerpt import excerpt, type_name

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

PROBLEMS_SHOWN = 20


def list_problems(error: ValidationError, describe: Callable[[ErrorDetails], str]) -> str:
    """One indented line per problem, the first ``PROBLEMS_SHOWN`` of them."""
    problems = error.errors(include_url=False, include_context=False)
    lines = [f"  {describe(problem)}" for problem in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"  and {len(problems) - PROBLEMS_SHOWN} more")
    return "\n".join(lines)


def describe_mismatch(problem: ErrorDetails) -> str:
    """What is wrong at one place, and what was found there."""
    message, given = problem["msg"], problem["input"]
    if problem["type"] == "missing":
        return message
    return f"{message}, not {excerpt(given)} (type {type_name(type(given))})"
