"""A census of the standard library as a durable task: one step per package, four at a time.

holdfast run examples.census.census:census
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from examples.census.counting import Census, Counts, count_package, package_names, standard_library
from holdfast import gather, step, task

AT_ONCE = 4


@step
async def list_packages() -> list[str]:
    """Recorded, so that a later attempt counts the same packages."""
    return package_names(standard_library())


@step
async def count(package: str) -> tuple[str, Counts]:
    """Read one package. A later attempt gets what this returned, and reads nothing."""
    counts = await asyncio.to_thread(count_package, standard_library(), package)
    trace(package)
    return package, counts


@task
async def census() -> Census:
    """Count files, lines, functions and classes per package of the running Python's standard library."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def count_in_turn(package: str) -> tuple[str, Counts]:
        async with slots:
            return await count(package)

    packages = await list_packages()
    return Census.of(dict(await gather(*(count_in_turn(package) for package in packages))))


def trace(package: str) -> None:
    """Tell the file named by CENSUS_TRACE, if any, that a body was executed, and by which process."""
    file = os.environ.get("CENSUS_TRACE")
    if file:
        with Path(file).open("a") as lines:
            lines.write(f"{os.getpid()} {package}\n")
