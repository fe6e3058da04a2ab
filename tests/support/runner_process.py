"""The process of one attempt as a test sees it: what it prints, what it is sent, how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from holdfast.contract.environment import AttemptEnvironment
from holdfast.contract.exit_codes import RunnerExit
from tests.support.protocol import Pod

ROOT = Path(__file__).parents[2]

BAD_DAYS = "tests.support.bad_day_tasks"
"""The module of the tasks for bad days, as an entrypoint begins."""


class RunnerProcess:
    """A running ``python -m holdfast.runtime``. The task reads lines from its standard input as signals to go on."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.output: list[str] = []
        self._said = asyncio.Event()
        assert process.stdout is not None
        self._reading = asyncio.create_task(self._read(process.stdout))

    async def says(self, text: str) -> str:
        """Wait for a line that contains ``text``, and return it; fail when the process ends without it."""
        seen = 0
        while True:
            for line in self.output[seen:]:
                if text in line:
                    return line
            seen = len(self.output)
            ended = self._reading.done()
            self._said.clear()
            if ended:
                raise AssertionError(f"it never said {text!r}:\n{self.text}")
            await self._said.wait()

    def tell(self, text: str = "go") -> None:
        """Send a line to the task."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    async def exit(self) -> RunnerExit | int:
        """Wait for the end and return the exit code; negative if a signal ended it."""
        await self._reading
        code = await self._process.wait()
        return RunnerExit(code) if code in set(RunnerExit) else code

    async def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()
        await self.exit()
        assert self._process.stdin is not None
        self._process.stdin.close()
        with suppress(BrokenPipeError, ConnectionResetError):  # what it was told last, it did not hear
            await self._process.stdin.wait_closed()

    @property
    def text(self) -> str:
        """All it has said so far."""
        return "\n".join(self.output)

    async def _read(self, stream: asyncio.StreamReader) -> None:
        try:
            rest = ""
            while chunk := await stream.read(2**20):
                *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
                self.output += lines
                self._said.set()
            self.output += [rest] if rest else []
        finally:
            self._said.set()


@asynccontextmanager
async def runner_process(
    pod: Pod,
    database: str,
    *,
    command: tuple[str, ...] | None = None,
    folder: Path = ROOT,
    variables: Mapping[str, str] | None = None,
    database_grace_seconds: int = 60,
    shutdown_grace_seconds: int = 30,
) -> AsyncIterator[RunnerProcess]:
    """Start the process of an attempt in ``folder``; it is killed at the end if it still runs."""
    environment = AttemptEnvironment(
        database=database,
        run_id=pod.run_id,
        attempt=pod.attempt,
        token=pod.token,
        entrypoint=None if command else "the.one:of_the_run",
        command=command,
        database_grace_seconds=database_grace_seconds,
        shutdown_grace_seconds=shutdown_grace_seconds,
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "holdfast.runtime",
        cwd=folder,
        env={**os.environ, **environment.to_mapping(), **(variables or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    running = RunnerProcess(process)
    try:
        yield running
    finally:
        await running.kill()
