"""How a process of a test says where it is: lines through a named pipe."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Fifo:
    """A named pipe that processes write lines to.

    Args:
        path: where it is, for the processes.
    """

    def __init__(self, path: Path, reader: asyncio.StreamReader) -> None:
        self.path = path
        self._reader = reader

    async def line(self) -> str:
        """Wait for the next line."""
        return (await self._reader.readline()).decode().rstrip("\n")


@asynccontextmanager
async def open_fifo(path: Path) -> AsyncIterator[Fifo]:
    """A new named pipe at ``path``."""
    os.mkfifo(path)
    # Opened for both, so that it has no end while no process writes.
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), file
    )
    try:
        yield Fifo(path, reader)
    finally:
        transport.close()
