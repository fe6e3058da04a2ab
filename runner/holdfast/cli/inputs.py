"""The option `--input`: JSON, a file of it, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast.contract.limits import INPUT_LIMIT_BYTES
from holdfast.domain.errors import InputError

InputOption = Annotated[
    str,
    typer.Option("--input", "-i", metavar="JSON|@FILE|-", help="The task's parameters, a JSON object."),
]


def read_input(given: str) -> str:
    """The JSON text that ``given`` is or names. One byte over the limit is enough to know that it is too large.

    Raises:
        InputError: the file cannot be read, or is not UTF-8.
    """
    try:
        if given == "-":
            return sys.stdin.buffer.read(INPUT_LIMIT_BYTES + 1).decode()
        if given.startswith("@"):
            with Path(given[1:]).open("rb") as file:
                return file.read(INPUT_LIMIT_BYTES + 1).decode()
    except OSError as error:
        raise InputError(f"The input {given} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"The input {given} is not UTF-8: {error.reason} at byte {error.start}.") from None
    return given
