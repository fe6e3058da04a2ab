"""Processes of a new interpreter, as an image starts them."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path


class FreshProcesses:
    """Starts ``python`` with compiled modules kept in ``folder``, whatever the environment says of them: an installed
    package has them.
    """

    def __init__(self, folder: Path) -> None:
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._variables = {**variables, "PYTHONPYCACHEPREFIX": str(folder)}

    async def start(self, *arguments: str, variables: Mapping[str, str] | None = None) -> Process:
        """Start ``python`` with these arguments; its output can be read."""
        return await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env={**self._variables, **(variables or {})}, stdout=PIPE
        )
