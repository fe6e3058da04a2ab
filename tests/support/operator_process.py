"""A replica of the operator in a process of its own: to be stopped, killed, asked, and read."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

_LISTENS = re.compile(r"metrics and health on port (\d+)")


class OperatorProcess:
    """A replica that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[str] = []
        self._told = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def says(self, words: str) -> str:
        """Wait until it has logged a line with these words, and return the line.

        Raises:
            AssertionError: it ended without.
        """
        async with self._told:
            await self._told.wait_for(lambda: self._reading.done() or self._line(words))
        line = self._line(words)
        assert line, f"the operator ended without saying {words!r}:\n" + "\n".join(self.log)
        return line

    async def get(self, path: str) -> tuple[int, str]:
        """Ask its server; status and text."""
        match = _LISTENS.search(await self.says("metrics and health on port"))
        assert match is not None
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{match[1]}{path}") as answer:
            return answer.status, await answer.text()

    async def end(self) -> int:
        """Wait until it has ended, and return its exit code."""
        await self._reading
        return await self.process.wait()

    def _line(self, words: str) -> str:
        return next((line for line in self.log if words in line), "")

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            text = line.decode().rstrip()
            print(text)  # shown where a test fails
            async with self._told:
                self.log.append(text)
                self._told.notify_all()
        async with self._told:
            self._told.notify_all()


@asynccontextmanager
async def running_operator(
    kubeconfig: Path, database: str, identity: str, **settings: str
) -> AsyncIterator[OperatorProcess]:
    """A replica with these settings; ``namespaces="shop"`` is the variable HOLDFAST_OPERATOR_NAMESPACES."""
    variables = {
        "KUBECONFIG": str(kubeconfig),
        "HOLDFAST_OPERATOR_DATABASE": database,
        "HOLDFAST_OPERATOR_IDENTITY": identity,
        "HOLDFAST_OPERATOR_LISTEN": "127.0.0.1:0",
        **{f"HOLDFAST_OPERATOR_{name.upper()}": value for name, value in settings.items()},
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast_operator"),
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    operator = OperatorProcess(process)
    try:
        yield operator
    finally:
        if process.returncode is None:
            process.kill()
        await operator.end()
