"""Writes the golden histories of this version: `python -m tests.support.golden_histories`. Never one that is there."""

from __future__ import annotations

import asyncio
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from holdfast.protocol.recorded_run import RecordedRun
from holdfast.sdk.task import Task
from holdfast.testing import RunResult, TaskEnvironment
from holdfast.testing.databases import migrated_database
from holdfast_engine.control.plane import ControlPlane
from tests.support.golden_programs import golden

_FOLDERS = re.compile(r'(File \\+")[^"\\]*/')
"""In tracebacks: where this machine keeps its files is nobody's business."""

FOLDER = Path(__file__).parents[1] / "replay" / "golden"


def file_of(task: Task[..., Any]) -> Path:
    """Where this version keeps the history of a program."""
    return FOLDER / f"{task.name}-{version('holdfast')}.json"


async def recorded(dsn: str, run: RunResult) -> RecordedRun:
    """A run of a test, with everything that it has recorded."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        return await ControlPlane(pool, "testing").recorded(run.run_id)


async def write_missing() -> None:
    """Run every program that has no history of this version, and keep what it records."""
    FOLDER.mkdir(exist_ok=True)
    async with migrated_database(None) as dsn, TaskEnvironment(dsn) as environment:
        for task, input in golden.items():
            file = file_of(task)
            if file.exists():
                print(f"kept     {file.name}")
                continue
            run = await environment.run(task, **input)
            run = await environment.go_on(run, task)  # nobody answers: until its waits are over
            file.write_text(_FOLDERS.sub(r"\1", (await recorded(dsn, run)).to_json()))
            print(f"recorded {file.name}: {run.state}")


if __name__ == "__main__":
    asyncio.run(write_missing())
