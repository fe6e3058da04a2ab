"""A task that is a command: any program runs as the attempt, and its exit code decides."""

from __future__ import annotations

import asyncio
import codecs
import errno
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextvars import Context

from holdfast.domain.errors import CommandFailedError, CommandNotFoundError, InputError

INPUT = "HOLDFAST_INPUT"

_OUTPUT_GRACE_SECONDS = 1.0
"""For the rest of the output, once the command has ended: what it left running may hold the pipe open for ever."""

_CANNOT_BE_RUN = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENOEXEC, errno.ELOOP}
)


async def run_command(command: Sequence[str], variables: Mapping[str, str], grace_seconds: float) -> None:
    """Run ``command`` to its end, passing its output on. When canceled: SIGTERM, and after the grace SIGKILL.

    Args:
        command: program and arguments; no shell.
        variables: its environment.
        grace_seconds: what it gets to end by itself when the attempt has to stop.

    Raises:
        CommandFailedError: it ended with another code than 0, or by a signal.
        CommandNotFoundError: there is no such program, or it may not be executed.
        InputError: the input is too large for a variable of the environment.
    """
    loop = asyncio.get_running_loop()
    start = loop.subprocess_exec(_Running, *command, env=dict(variables), stdin=asyncio.subprocess.DEVNULL)
    try:
        # in a context of its own: a thread of asyncio's that waits for the process is no branch of the run
        process, running = await asyncio.create_task(start, context=Context())
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise InputError(
                f"the input has {len(variables[INPUT].encode()):,} bytes, too many for the variable {INPUT}, in which "
                "a command gets it. Pass a reference to the data instead: a path, a key in object storage"
            ) from None
        if error.errno in _CANNOT_BE_RUN:
            raise CommandNotFoundError(f"the command {command[0]!r} cannot be run: {error.strerror}") from None
        raise
    try:
        await running.ended.wait()
        await _at_most(_OUTPUT_GRACE_SECONDS, running.output_closed)
    except asyncio.CancelledError:
        await _end(process, running, grace_seconds)
        raise
    finally:
        process.close()
    code = process.get_returncode()
    if code:
        how = f"by signal {_signal_name(-code)}" if code < 0 else f"with exit code {code}"
        raise CommandFailedError(f"the command {command[0]!r} ended {how}")


class _Running(asyncio.SubprocessProtocol):
    """A command that runs. Its end is one thing, that of its output another."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.output_closed = asyncio.Event()
        self._targets = {1: sys.stdout, 2: sys.stderr}
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {1: decoder("backslashreplace"), 2: decoder("backslashreplace")}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Pass on what it printed."""
        self._targets[fd].write(self._decoders[fd].decode(data))
        self._targets[fd].flush()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Pass on what was left of a character."""
        self._targets[fd].write(self._decoders[fd].decode(b"", final=True))

    def process_exited(self) -> None:
        """The command has ended; others may still hold its pipes."""
        self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The command has ended, and its pipes are closed."""
        self.output_closed.set()


async def _at_most(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def _end(process: asyncio.SubprocessTransport, running: _Running, grace_seconds: float) -> None:
    if running.ended.is_set():
        return
    process.terminate()
    if not await _at_most(grace_seconds, running.ended):
        process.kill()
        await running.ended.wait()
    await _at_most(_OUTPUT_GRACE_SECONDS, running.output_closed)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have numbers only
        return str(number)


def command_environment(run_id: str, attempt: int, input_text: str) -> dict[str, str]:
    """Return what the command sees: the environment of the runner without its secrets, and who it is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return {**kept, "HOLDFAST_RUN_ID": run_id, "HOLDFAST_ATTEMPT": str(attempt), INPUT: input_text}
