"""`holdfast dev`, and several commands on one embedded server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import Process

import asyncpg
import pytest

from holdfast.contract.exit_codes import CliExit
from holdfast.domain.states import State
from holdfast_engine.control.plane import ControlPlane
from tests.support.cli import Cli
from tests.support.gate import Gate

TASKS = """
import asyncio, os
from pathlib import Path
from holdfast import Retry, run_info, step, task

@step
async def come_to(gate: str) -> int:
    Path(gate).write_text(str(os.getpid()))
    while Path("closed").exists():
        await asyncio.sleep(0.05)
    return os.getpid()

@task
async def walk(gate: str) -> int:
    return await come_to(gate)

@task
async def double(n: int) -> int:
    return 2 * n

@task(retry=Retry(max_attempts=2, backoff=0.0))
async def stumble(gate: str) -> int:
    if run_info().attempt == 1:
        raise ValueError("out of paper")
    return await come_to(gate)
"""


@pytest.fixture
def cli(embedded_cli: Cli) -> Cli:
    embedded_cli.module("tasks", TASKS)
    return embedded_cli


@pytest.fixture
def gate(cli: Cli) -> Gate:
    return Gate(cli.folder / "gate")


async def dsn_of(dev: Process) -> str:
    """Wait until a `holdfast dev` is ready."""
    assert dev.stdout is not None
    assert dev.stderr is not None
    line = (await dev.stdout.readline()).decode()
    assert line.startswith("ready: "), (await dev.stderr.read()).decode()
    return line.removeprefix("ready: ").strip()


async def shown(dev: Process, words: str) -> str:
    """Wait for a line with these words, and return it."""
    assert dev.stderr is not None
    async for line in dev.stderr:
        if words in line.decode():
            return line.decode()
    raise AssertionError(f"it ended without showing {words!r}")


async def test_it_runs_what_is_triggered_shows_it_and_leaves_nothing_running(cli: Cli) -> None:
    (cli.folder / "ready").write_text("of one that was killed")
    async with cli.started("dev", "tasks", "--ready-file", "ready") as dev:
        dsn = await dsn_of(dev)
        ready = json.loads((cli.folder / "ready").read_text())
        triggered = await cli("trigger", "double", "--input", '{"n": 21}', "-o", "json")
        async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
            run = await ControlPlane(pool).wait(triggered.document["run"])
        await shown(dev, f"{run.name}  Succeeded  attempt 1")
        dev.send_signal(signal.SIGINT)
        await dev.communicate()

    assert (run.state, run.result) == (State.SUCCEEDED, 42)
    assert (ready["database"], ready["pid"], sorted(ready["tasks"])) == (dsn, dev.pid, ["double", "stumble", "walk"])
    assert dev.returncode == CliExit.OK
    assert not (cli.folder / "ready").exists()
    with pytest.raises(OSError, match=r"No such file|refused"):
        await asyncpg.connect(dsn)


async def test_a_new_attempt_is_shown_after_what_the_one_before_came_to(cli: Cli, gate: Gate) -> None:
    (cli.folder / "closed").touch()
    async with cli.started("dev", "tasks") as dev:
        await dsn_of(dev)
        await cli("trigger", "stumble", "--input", '{"gate": "gate"}')
        await gate.pid()
        line = await shown(dev, "Running  attempt 2")
        (cli.folder / "closed").unlink()

    assert line.endswith("  after ExceptionRaised: ValueError: out of paper\n")


async def test_an_attempt_in_flight_hands_over_and_goes_on_with_the_next_dev(cli: Cli, gate: Gate) -> None:
    (cli.folder / "closed").touch()
    async with cli.started("dev", "tasks", "--grace", "1") as dev:
        await dsn_of(dev)
        triggered = await cli("trigger", "walk", "--input", '{"gate": "gate"}', "-o", "json")
        first_pid = await gate.pid()
        dev.send_signal(signal.SIGTERM)
        await dev.communicate()
    assert dev.returncode == CliExit.OK
    with pytest.raises(ProcessLookupError):
        os.kill(first_pid, 0)
    (cli.folder / "closed").unlink()

    async with cli.started("dev", "tasks") as dev:
        dsn = await dsn_of(dev)
        second_pid = await gate.pid()
        async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
            run = await ControlPlane(pool).wait(triggered.document["run"])

    assert (run.state, run.attempt, run.failures, run.result) == (State.SUCCEEDED, 2, 0, second_pid)


async def test_a_second_one_in_the_same_directory_is_told_who_is_there(cli: Cli) -> None:
    async with cli.started("dev") as first:
        await dsn_of(first)
        second = await cli("dev")

    assert second.code == CliExit.REFUSED
    assert f"holdfast dev is running already for {cli.folder / '.holdfast'} (process {first.pid})" in second.err


async def test_a_module_that_does_not_import_is_told_before_anything_starts(cli: Cli) -> None:
    cli.module("broken", "import nothing_of_that_name\n")

    result = await cli("dev", "broken")

    assert result.code == CliExit.USAGE
    assert "No module named 'nothing_of_that_name'" in result.err
    assert not (cli.folder / ".holdfast" / "postgres").exists()


async def test_two_tasks_of_one_name_are_told(cli: Cli) -> None:
    cli.module("more", TASKS)

    result = await cli("dev", "tasks", "more")

    assert result.code == CliExit.USAGE
    assert "two tasks are called 'walk': tasks:walk and more:walk" in result.err


async def test_it_goes_on_with_the_run_of_a_command_that_was_killed(cli: Cli, gate: Gate) -> None:
    (cli.folder / "closed").touch()
    async with cli.started("dev") as dev:
        dsn = await dsn_of(dev)
        async with cli.started("run", "tasks:walk", "--input", '{"gate": "gate"}', "--name", "walk") as command:
            pid = await gate.pid()
            command.kill()
            await command.wait()
        os.kill(pid, signal.SIGKILL)
        (cli.folder / "closed").unlink()
        async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
            plane = ControlPlane(pool)
            run_id = await plane.find("walk")
            # what the engine does when the lease is over, without the wait for it
            await pool.execute("select holdfast.end_attempt($1, 1, 'Disruption', 'ProcessLost', 'gone')", run_id)
            second_pid = await gate.pid()
            run = await plane.wait(run_id)

    assert (run.state, run.attempt, run.result) == (State.SUCCEEDED, 2, second_pid)


@pytest.mark.parametrize("way", ["finishes", "is killed"])
async def test_the_server_survives_the_command_that_started_it(cli: Cli, gate: Gate, way: str) -> None:
    (cli.folder / "closed").touch()
    (cli.folder / "other").symlink_to("gate")
    async with cli.started("run", "tasks:walk", "--input", '{"gate": "gate"}') as keeper:
        keeper_attempt = await gate.pid()
        other = asyncio.create_task(cli("run", "tasks:walk", "--input", '{"gate": "other"}', "-o", "json"))
        other_attempt = await gate.pid()
        if way == "is killed":
            keeper.kill()
            os.kill(keeper_attempt, signal.SIGKILL)
        else:
            (cli.folder / "closed").unlink()
        await keeper.communicate()
        (cli.folder / "closed").unlink(missing_ok=True)
        result = await other

    assert result.code == CliExit.OK, result.err
    assert (result.document["state"], result.document["attempts"]) == ("Succeeded", 1)
    assert result.document["result"] == other_attempt
