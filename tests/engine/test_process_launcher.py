"""Local processes, with real ones."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.domain.errors import LaunchError
from holdfast_engine.launcher import Exit, Launch
from holdfast_engine.launchers import output_files
from holdfast_engine.launchers.process import ProcessLauncher
from holdfast_engine.launchers.process_record import ProcessRecord, ProcessRecords
from tests.support.fifo import Fifo, open_fifo
from tests.support.launches import launch_of
from tests.support.processes import is_alive, wait_for_end

_PYTHON = (sys.executable, "-S", "-E", "-c")

# The beginning of a program that tells its number through the pipe, and then does something.
_TELL = "import os, signal, sys, time\nopen(os.environ['FIFO'], 'w').write(f'{os.getpid()}\\n')\n"

# Held back until the program waits for it: a signal that comes earlier is not lost.
_HOLD_USR1 = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})\n"
_WAIT_FOR_USR1 = "signal.sigwait({signal.SIGUSR1})\n"
_DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


class Launchers:
    """Launchers of one state directory, each with a program of its own, and what they report."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        self.directory = directory
        self._stack = stack
        self._exited = asyncio.Event()

    async def start(self, program: str | tuple[str, ...], **arguments: int) -> ProcessLauncher:
        """A launcher of ``program`` (Python code, or a command), drained and closed at the end of the test."""
        command = (*_PYTHON, program) if isinstance(program, str) else program
        launcher = ProcessLauncher(self.directory, program=command, **arguments)
        await launcher.start(self._exited.set)
        self._stack.push_async_callback(launcher.aclose)
        self._stack.push_async_callback(launcher.drain, 0)
        return launcher

    async def wait_for_exit(self, launcher: ProcessLauncher) -> None:
        """Wait until an exit is told."""
        while not launcher.exits():
            self._exited.clear()
            await self._exited.wait()

    async def exit_of(self, launcher: ProcessLauncher) -> Exit:
        """Wait for an exit, and release it."""
        await self.wait_for_exit(launcher)
        (exit,) = launcher.exits()
        await launcher.release(exit.id)
        return exit


@pytest.fixture
async def launchers(tmp_path: Path) -> AsyncIterator[Launchers]:
    async with AsyncExitStack() as stack:
        yield Launchers(tmp_path / "state", stack)


@pytest.fixture
async def fifo(tmp_path: Path) -> AsyncIterator[Fifo]:
    async with open_fifo(tmp_path / "fifo") as fifo:
        yield fifo


def told(fifo: Fifo, run: int = 1) -> Launch:
    """An attempt that knows the pipe."""
    return launch_of(run, FIFO=str(fifo.path))


async def test_exit_code_and_output(launchers: Launchers) -> None:
    launcher = await launchers.start("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    launch = launch_of(1)
    await launcher.launch(launch)
    assert list(launcher.live()) == [launch.id]
    exit = await launchers.exit_of(launcher)
    assert (exit.id, exit.exit_code, exit.signal) == (launch.id, 3, None)
    assert sorted(exit.output_tail.split()) == ["err", "out"]
    assert not launcher.live()
    assert not launcher.exits()


async def test_signal(launchers: Launchers) -> None:
    launcher = await launchers.start("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    await launcher.launch(launch_of(1))
    exit = await launchers.exit_of(launcher)
    assert (exit.exit_code, exit.signal) == (None, signal.SIGSEGV)


async def test_an_exit_is_told_until_it_is_released(launchers: Launchers) -> None:
    launcher = await launchers.start("")
    launch = launch_of(1)
    await launcher.launch(launch)
    await launchers.wait_for_exit(launcher)
    await launcher.launch(launch)  # not again: it is not known yet what became of the first one
    assert [exit.id for exit in launcher.exits()] == [launch.id]
    await launcher.release(launch.id)
    assert not launcher.exits()


async def test_the_environment(launchers: Launchers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_SECRET_OF_AN_OUTER_ATTEMPT", "x")
    monkeypatch.setenv("HOLDFAST_TOKEN", "outer")
    monkeypatch.setenv("COLOR", "red")
    monkeypatch.setenv("SHAPE", "round")
    launcher = await launchers.start("import json, os; print(json.dumps([os.getcwd(), dict(os.environ)]))")
    await launcher.launch(launch_of(1, SHAPE="square"))
    exit = await launchers.exit_of(launcher)
    directory, variables = json.loads(exit.output_tail)
    assert directory == str(Path.cwd())
    assert (variables["COLOR"], variables["SHAPE"]) == ("red", "square")
    ours = {name: value for name, value in variables.items() if name.startswith("HOLDFAST_")}
    assert ours == {
        "HOLDFAST_DATABASE": "postgresql://nowhere",
        "HOLDFAST_RUN_ID": "00000000-0000-0000-0000-000000000001",
        "HOLDFAST_ATTEMPT": "1",
        "HOLDFAST_TOKEN": "token",
        "HOLDFAST_ENTRYPOINT": "tasks:work",
        "HOLDFAST_DATABASE_POOLER": "none",
        "HOLDFAST_DATABASE_GRACE_SECONDS": "300",
        "HOLDFAST_SHUTDOWN_GRACE_SECONDS": "25",
    }


async def test_a_command_is_told_as_such(launchers: Launchers) -> None:
    program = "import os; print(os.environ['HOLDFAST_COMMAND'], 'HOLDFAST_ENTRYPOINT' in os.environ)"
    launcher = await launchers.start(program)
    await launcher.launch(replace(launch_of(1), entrypoint=None, template={"command": ["echo", "a b"]}))
    assert (await launchers.exit_of(launcher)).output_tail.strip() == '["echo", "a b"] False'


async def test_launching_twice_makes_one_process(launchers: Launchers, fifo: Fifo) -> None:
    launcher = await launchers.start(_TELL + "time.sleep(60)", max_processes=5)
    await asyncio.gather(*(launcher.launch(told(fifo)) for _ in range(3)))
    assert is_alive(int(await fifo.line()))
    assert len(launcher.live()) == 1
    assert launcher.capacity() == 4


async def test_stop_lets_it_clean_up(launchers: Launchers, fifo: Fifo) -> None:
    program = "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(7))\n" + _TELL + "time.sleep(60)"
    launcher = await launchers.start(program)
    launch = told(fifo)
    await launcher.launch(launch)
    await fifo.line()
    await launcher.stop(launch.id, 60)
    assert (await launchers.exit_of(launcher)).exit_code == 7


async def test_stop_kills_after_the_shortest_grace(launchers: Launchers, fifo: Fifo) -> None:
    launcher = await launchers.start(_DEAF + _TELL + "time.sleep(60)")
    launch = told(fifo)
    await launcher.launch(launch)
    await fifo.line()
    for grace_seconds in (3600, 0.01, 60):
        await launcher.stop(launch.id, grace_seconds)
    assert (await launchers.exit_of(launcher)).signal == signal.SIGKILL


async def test_a_stopped_process_is_killed_too(launchers: Launchers, fifo: Fifo) -> None:
    launcher = await launchers.start(_DEAF + _TELL + "time.sleep(60)")
    launch = told(fifo)
    await launcher.launch(launch)
    os.kill(int(await fifo.line()), signal.SIGSTOP)
    await launcher.stop(launch.id, 0)
    assert (await launchers.exit_of(launcher)).signal == signal.SIGKILL


async def test_it_leads_a_session_of_its_own(launchers: Launchers, fifo: Fifo) -> None:
    """A Ctrl-C in the terminal goes to the group in the foreground, which is the engine's."""
    launcher = await launchers.start(_TELL + "time.sleep(60)")
    await launcher.launch(told(fifo))
    pid = int(await fifo.line())
    assert (os.getsid(pid), os.getpgid(pid)) == (pid, pid)


async def test_what_it_started_does_not_outlive_it(launchers: Launchers, fifo: Fifo) -> None:
    launcher = await launchers.start(
        _TELL + "child = os.fork()\nif not child: time.sleep(60)\nopen(os.environ['FIFO'], 'w').write(f'{child}\\n')"
    )
    await launcher.launch(told(fifo))
    await fifo.line()
    child = int(await fifo.line())
    await launchers.exit_of(launcher)
    await wait_for_end(child)


async def test_drain_leaves_nothing(launchers: Launchers, fifo: Fifo) -> None:
    launcher = await launchers.start(_DEAF + _TELL + "time.sleep(60)")
    for run in (1, 2):
        await launcher.launch(told(fifo, run))
    pids = [int(await fifo.line()) for _ in range(2)]
    await launcher.drain(0.01)
    assert not any(map(is_alive, pids))
    assert {exit.signal for exit in launcher.exits()} == {signal.SIGKILL}
    assert launcher.capacity() == 0
    with pytest.raises(LaunchError, match="shutting down"):
        await launcher.launch(launch_of(3))


async def test_a_flood_does_not_fill_the_disk(
    launchers: Launchers, fifo: Fifo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_files, "LIMIT_BYTES", 200_000)
    monkeypatch.setattr(output_files, "KEPT_BYTES", 20_000)
    print_lines = "for number in range(100_000): print('line', number, flush=True)\n"
    tell = "open(os.environ['FIFO'], 'w').write('printed\\n')\n"
    launcher = await launchers.start(_TELL + print_lines + tell + "signal.pause()")
    launch = told(fifo)
    await launcher.launch(launch)
    await fifo.line()
    await fifo.line()
    output = launcher.output_path(launch.id)
    while output.stat().st_size > 200_000:  # noqa: ASYNC110 - a file tells nobody that it was cut
        await asyncio.sleep(0.01)
    await launcher.stop(launch.id, 0)
    assert (await launchers.exit_of(launcher)).output_tail.endswith("line 99999\n")


async def test_the_end_of_long_output(launchers: Launchers) -> None:
    launcher = await launchers.start("for number in range(10_000): print('line', number)")
    await launcher.launch(launch_of(1))
    tail = (await launchers.exit_of(launcher)).output_tail
    assert tail.startswith("line ")
    assert tail.endswith("line 9999\n")
    assert len(tail) <= output_files.TAIL_BYTES


async def test_old_output_goes(launchers: Launchers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_files, "KEPT_FILES", 2)
    launcher = await launchers.start("print('hello')")
    for run in range(1, 5):
        await launcher.launch(launch_of(run))
        await launchers.exit_of(launcher)
    kept = [launcher.output_path(launch_of(run).id).exists() for run in range(1, 5)]
    assert kept == [False, False, True, True]


async def test_a_program_that_does_not_exist(launchers: Launchers) -> None:
    launcher = await launchers.start(("/no/such/program",))
    with pytest.raises(LaunchError, match=r"No such file or directory .*/no/such/program"):
        await launcher.launch(launch_of(1))
    assert not launcher.live()


async def test_a_variable_that_only_a_cluster_has(launchers: Launchers) -> None:
    launcher = await launchers.start("")
    template = {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]}
    with pytest.raises(LaunchError, match=r"the variable KEY .*valueFrom"):
        await launcher.launch(replace(launch_of(1), template=template))


async def test_one_launcher_per_directory(launchers: Launchers) -> None:
    await launchers.start("")
    with pytest.raises(LaunchError, match=f"in use by process {os.getpid()}"):
        await launchers.start("")


async def test_close_before_start_and_twice(tmp_path: Path) -> None:
    launcher = ProcessLauncher(tmp_path / "state")
    await launcher.aclose()
    await launcher.start(lambda: None)
    await launcher.aclose()
    await launcher.aclose()


class TestAdoption:
    """What a killed engine leaves, the next one finds."""

    async def launch_and_kill(self, launchers: Launchers, fifo: Fifo, program: str) -> int:
        """Launch from a process that is killed then; return the number of the launched process."""
        engine = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.launcher_process"),
            *(str(launchers.directory), str(fifo.path), *_PYTHON, program),
        )
        lines = {await fifo.line(), await fifo.line()} - {"launched"}
        engine.kill()
        await engine.wait()
        return int(lines.pop())

    async def test_a_process_goes_on_and_its_end_is_noticed(self, launchers: Launchers, fifo: Fifo) -> None:
        program = (
            _HOLD_USR1
            + _TELL
            + _WAIT_FOR_USR1
            + "print('still printing', flush=True)\n"
            + "open(os.environ['FIFO'], 'w').write('printed\\n')\n"
            + _WAIT_FOR_USR1
        )
        pid = await self.launch_and_kill(launchers, fifo, program)
        os.kill(pid, signal.SIGUSR1)  # it prints while no engine is there
        assert await fifo.line() == "printed"

        launcher = await launchers.start("")
        launch = launch_of(1)
        assert list(launcher.live()) == [launch.id]
        await launcher.launch(launch)  # it is there already
        assert len(launcher.live()) == 1
        os.kill(pid, signal.SIGUSR1)
        exit = await launchers.exit_of(launcher)
        assert (exit.id, exit.exit_code, exit.signal) == (launch.id, None, None)
        assert exit.output_tail == "still printing\n"

    async def test_an_adopted_process_can_be_stopped(self, launchers: Launchers, fifo: Fifo) -> None:
        pid = await self.launch_and_kill(launchers, fifo, _TELL + "time.sleep(60)")
        launcher = await launchers.start("")
        await launcher.stop(launch_of(1).id, 60)
        await launchers.exit_of(launcher)
        assert not is_alive(pid)

    async def test_an_end_that_nobody_saw_is_told_and_stragglers_are_ended(
        self, launchers: Launchers, fifo: Fifo
    ) -> None:
        tell_child = "open(os.environ['FIFO'], 'w').write(f'{child}\\n')\n"
        fork = "child = os.fork()\nif not child: time.sleep(60)\n"
        program = _HOLD_USR1 + _TELL + _WAIT_FOR_USR1 + fork + tell_child + "time.sleep(60)"
        pid = await self.launch_and_kill(launchers, fifo, program)
        os.kill(pid, signal.SIGUSR1)
        child = int(await fifo.line())
        os.kill(pid, signal.SIGKILL)
        await wait_for_end(pid)
        assert is_alive(child)
        launcher = await launchers.start("")
        exit = await launchers.exit_of(launcher)
        assert (exit.id, exit.exit_code, exit.signal) == (launch_of(1).id, None, None)
        await wait_for_end(child)

    async def test_another_process_with_the_same_number_is_left_alone(self, launchers: Launchers, fifo: Fifo) -> None:
        stranger = await asyncio.create_subprocess_exec(*_PYTHON, "import time; time.sleep(60)", start_new_session=True)
        try:
            launchers.directory.mkdir()
            record = replace(ProcessRecord.of(stranger.pid), start_ticks=1)
            ProcessRecords(launchers.directory).write(launch_of(1).id, record)
            launcher = await launchers.start("")
            assert [exit.id for exit in launcher.exits()] == [launch_of(1).id]
            assert not launcher.live()
            assert is_alive(stranger.pid)
        finally:
            stranger.kill()
            await stranger.wait()
