"""Scripts in any language as a part of a task: what they call with ``holdfast step`` is recorded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from holdfast.domain.errors import CommandFailedError, InputError
from holdfast.sdk.journal import current_strand


async def run_script(command: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    """Run a command; what it calls with ``holdfast step`` and ``holdfast sleep`` are steps of this run.

    The command itself is no step: every attempt runs it from its beginning, and its steps return what was recorded.
    Its own variables ``HOLDFAST_RUN_ID`` and ``HOLDFAST_ATTEMPT`` say where it is; outside of a run it just runs.

    Args:
        command: program and arguments; no shell.
        variables: of its environment, besides those of this process.

    Raises:
        CommandFailedError: it ended with another code than 0, or by a signal, or cannot be executed.
        InputError: the command is empty, or a text and not a list of texts.
    """
    if isinstance(command, str) or not command:
        raise InputError(f"run_script({command!r}) needs a list of texts: the program and its arguments")
    strand = current_strand()
    if strand is not None:
        await strand.journal.run_script(strand, command, variables or {})
        return
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **(variables or {})})
    except OSError as error:
        raise CommandFailedError(f"the command {command[0]!r} cannot be run: {error.strerror}") from None
    if code := await process.wait():
        raise CommandFailedError(f"the command {command[0]!r} ended with exit code {code}")
