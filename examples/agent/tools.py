"""What the model may call: three looks at the standard library of the running Python.

A tool takes texts and returns text. What it cannot do is a `ToolError`, which the model gets to read.
"""

from __future__ import annotations

import ast
import inspect
import json
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODULES_FOUND = 6
HEAD_CHARACTERS = 2000

# In Python 3.11 two threads that parse at the same time may get a SystemError.
_parsing = threading.Lock()


class ToolError(Exception):
    """A tool cannot do what it was asked for."""


def find_modules(word: str) -> str:
    """Names of modules that speak of a word in their first lines, as a JSON list."""
    heads = (
        (file.stem, file.read_text(errors="replace")[:HEAD_CHARACTERS]) for file in sorted(_library().glob("*.py"))
    )
    return json.dumps([name for name, head in heads if word.lower() in head.lower()][:MODULES_FOUND])


def describe(module: str) -> str:
    """The first paragraph of a module's documentation."""
    source = _source(module)
    with _parsing:
        text = ast.get_docstring(ast.parse(source)) or ""
    return " ".join(text.partition("\n\n")[0].split()) or "without a word"


def count_lines(module: str) -> str:
    """How many lines of source a module has."""
    return str(len(_source(module).splitlines()))


TOOLS: dict[str, Callable[[str], str]] = {tool.__name__: tool for tool in (find_modules, describe, count_lines)}


def schemas() -> list[dict[str, Any]]:
    """The tools in the form in which models are told of them."""
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": inspect.getdoc(tool),
                "parameters": {
                    "type": "object",
                    "properties": {_parameter(tool): {"type": "string"}},
                    "required": [_parameter(tool)],
                },
            },
        }
        for name, tool in TOOLS.items()
    ]


def call(name: str, arguments: str) -> str:
    """Call a tool as a model asks for it.

    Raises:
        ToolError: there is no such tool, the arguments are not its own, or it cannot do it.
    """
    tool = TOOLS.get(name)
    if tool is None:
        raise ToolError(f"there is no tool {name!r}; there are: {', '.join(TOOLS)}")
    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise ToolError(f"the arguments of {name} are no JSON: {error}") from None
    parameter = _parameter(tool)
    if not (isinstance(given, dict) and given.keys() == {parameter} and isinstance(given[parameter], str)):
        raise ToolError(f'{name} takes {{"{parameter}": "..."}}, not {arguments}')
    return tool(given[parameter])


def _parameter(tool: Callable[[str], str]) -> str:
    (name,) = inspect.signature(tool).parameters
    return name


def _source(module: str) -> str:
    file = _library() / f"{module}.py"
    if not module.isidentifier() or not file.is_file():
        raise ToolError(f"the standard library has no module {module!r} of one file")
    return file.read_text()


def _library() -> Path:
    return Path(sysconfig.get_path("stdlib"))
