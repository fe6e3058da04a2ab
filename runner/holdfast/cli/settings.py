"""The options that every command takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How the answer is written on standard output."""

    TABLE = "table"
    """For people."""

    JSON = "json"
    """One JSON document; everything else goes to standard error."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the shared options say. Their names are the parameters that `command` adds to every command."""

    database: Annotated[
        str | None,
        typer.Option(
            metavar="DSN",
            envvar="HOLDFAST_DATABASE",
            help="PostgreSQL to work on. Default: an embedded one in the state directory.",
            show_default=False,
        ),
    ] = None
    state_directory: Annotated[
        Path | None,
        typer.Option(
            envvar="HOLDFAST_STATE_DIRECTORY",
            help="Where the embedded PostgreSQL lives. Default: .holdfast in the working directory.",
            show_default=False,
        ),
    ] = None
    namespace: Annotated[
        str,
        typer.Option("--namespace", "-n", envvar="HOLDFAST_NAMESPACE", help="Where names are looked up."),
    ] = "default"
    output: Annotated[
        Format, typer.Option("--output", "-o", help="'json' prints exactly one JSON document on standard output.")
    ] = Format.TABLE
