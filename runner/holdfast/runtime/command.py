"""A task that is a command: any program runs as the attempt, and its exit code decides."""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from holdfast.domain.errors import CommandFailedError, CommandNotFoundError

_CHUNK_BYTES = 64 * 1024


async def run_command(command: Sequence[str], variables: Mapping[str, str], grace_seconds: float) -> None:
    """Run ``command`` to its end, passing its output on. When canceled: SIGTERM, and after the grace SIGKILL.

    Args:
        command: program and arguments; no shell.
        variables: its environment.
        grace_seconds: what it gets to end by itself when the attempt has to stop.

    Raises:
        CommandFailedError: it ended with another code than 0, or by a signal.
        CommandNotFoundError: there is no such program, or it may not be executed.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(variables),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise CommandNotFoundError(f"the command {command[0]!r} cannot be run: {error.strerror}") from None
    assert process.stdout is not None
    assert process.stderr is not None
    pumps = asyncio.gather(_pump(process.stdout, sys.stdout), _pump(process.stderr, sys.stderr))
    try:
        await process.wait()
        await pumps
    except asyncio.CancelledError:
        await _end(process, grace_seconds)
        raise
    code = process.returncode
    if code:
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise CommandFailedError(f"the command {command[0]!r} ended {how}")


async def _pump(source: asyncio.StreamReader, target: TextIO) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    while chunk := await source.read(_CHUNK_BYTES):
        target.write(decoder.decode(chunk))
        target.flush()


async def _end(process: asyncio.subprocess.Process, grace_seconds: float) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(grace_seconds):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def command_environment(run_id: str, attempt: int, input_text: str) -> dict[str, str]:
    """Return what the command sees: the environment of the runner without its secrets, and who it is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return {**kept, "HOLDFAST_RUN_ID": run_id, "HOLDFAST_ATTEMPT": str(attempt), "HOLDFAST_INPUT": input_text}
