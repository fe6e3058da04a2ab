"""An engine in a process of its own, to be killed: `python -m tests.support.engine_process DSN RUNNER_DSN FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from holdfast_engine.engine import Engine, EngineSettings
from holdfast_engine.launchers.process import ProcessLauncher


async def main(dsn: str, runner_dsn: str, directory: str) -> None:
    """Work until killed."""
    launcher = ProcessLauncher(Path(directory), name="here")
    await Engine(dsn, launcher, EngineSettings(runner_dsn=runner_dsn)).run_until_stopped()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
