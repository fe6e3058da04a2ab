"""A process that launches one attempt and then waits to be killed: `python -m tests.support.launcher_process …`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from holdfast_engine.launchers.process import ProcessLauncher
from tests.support.launches import launch_of


async def main(state_directory: str, fifo: str, *program: str) -> None:
    """Launch ``program`` as attempt 1 of run 1, and never come back."""
    launcher = ProcessLauncher(Path(state_directory), program=program)
    await launcher.start(lambda: None)
    await launcher.launch(launch_of(1, FIFO=fifo))
    Path(fifo).write_text("launched\n")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
