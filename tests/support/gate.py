"""A place in a task's process where it waits, and a test learns that it has come there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path


class Gate:
    """A named pipe: a process that writes its number into it waits until the test reads.

    In the task: ``Path(gate).write_text(str(os.getpid()))``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    async def pid(self) -> int:
        """Wait for the process that comes to the gate; returns its number."""
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        # for writing too: else the end of an earlier writer is heard as the end of the pipe
        pipe = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        loop.add_reader(pipe, came.set)
        try:
            await came.wait()
            return int(os.read(pipe, 100))
        finally:
            loop.remove_reader(pipe)
            os.close(pipe)
