"""The command `holdfast` as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_COMMAND = (sys.executable, "-m", "holdfast.cli")
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote."""

    code: int | None
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which must be exactly one JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    """Runs commands in ``folder`` on the database at ``dsn`` (``None``: the embedded one of that folder)."""

    folder: Path
    dsn: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    async def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run one command to its end."""
        process = await self._start(arguments, PIPE if stdin is not None else DEVNULL)
        out, err = await process.communicate(None if stdin is None else stdin.encode())
        return Result(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def started(self, *arguments: str) -> AsyncIterator[Process]:
        """A command that goes on; whoever leaves it running has it killed."""
        process = await self._start(arguments, DEVNULL)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(_STOP_SECONDS):
                        await process.communicate()
                except TimeoutError:
                    process.kill()
                    await process.communicate()

    def module(self, name: str, text: str) -> None:
        """Write a module that commands in the folder can import."""
        (self.folder / f"{name}.py").write_text(text)

    async def _start(self, arguments: tuple[str, ...], stdin: int) -> Process:
        variables = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        if self.dsn is not None:
            variables["HOLDFAST_DATABASE"] = self.dsn
        return await asyncio.create_subprocess_exec(
            *_COMMAND,
            *arguments,
            cwd=self.folder,
            # what a killed command leaves goes with the folder
            env={**variables, "TMPDIR": str(self.folder), **self.environment},
            stdin=stdin,
            stdout=PIPE,
            stderr=PIPE,
        )
