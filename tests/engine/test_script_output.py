"""Outputs that are longer on the way to the runner than they are."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from holdfast import Retry, run_script, task
from holdfast.testing import TaskEnvironment
from tests.support.databases import Database


@pytest.mark.parametrize("written", ["('\u0436' * 400_000).encode()", "b'\\xff' * 700_000", "b'\\1' * 150_000"])
async def test_an_output_below_the_limit_is_recorded(database: Database, tmp_path: Path, written: str) -> None:
    program, log = tmp_path / "program.py", tmp_path / "log"
    program.write_text(f"import sys\nopen({str(log)!r}, 'a').write('x')\nsys.stdout.buffer.write({written})\n", "utf-8")
    python = shlex.quote(sys.executable)
    line = f"{python} -m holdfast.cli step big -- {python} {shlex.quote(str(program))} > {shlex.quote(str(log))}.out"

    @task(name="script_with_a_long_output", retry=Retry(max_attempts=2, backoff=0.0))
    async def scripted() -> None:
        await run_script(["sh", "-c", line])

    async with TaskEnvironment(database.dsn) as environment:
        run = await environment.run(scripted)
    assert (run.state, log.read_text()) == ("Succeeded", "x")
