"""The tasks of the benchmarks on a real node."""

from __future__ import annotations

from benchmarks.programs.witness_call import tell_witness
from holdfast import step, task


@task
async def first_line() -> None:
    """Its first line is all it has."""
    tell_witness()


@step
async def answer() -> int:
    """What is recorded."""
    return 42


@task
async def one_step() -> int:
    """Record one step."""
    return await answer()
