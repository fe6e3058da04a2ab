"""Local processes: each attempt is a process of its own on this machine.

It leads its own session, so that Ctrl-C in the terminal reaches the engine only, and it does not depend on the engine's
life: its output goes to a file and its number is written down. The next engine with the same state directory finds the
processes that an earlier one left, and the ends that nobody saw.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from holdfast.contract.environment import PREFIX, AttemptEnvironment
from holdfast.domain.errors import LaunchError
from holdfast_engine.launcher import AttemptId, Exit, Launch
from holdfast_engine.launchers.output_files import OutputFiles
from holdfast_engine.launchers.process_record import ProcessRecord, ProcessRecords
from holdfast_engine.launchers.watched_process import WatchedProcess, kill_group
from holdfast_engine.local.file_lock import FileLock

_logger = logging.getLogger("holdfast.engine")

RUNNER = (sys.executable, "-m", "holdfast.runtime")
MAX_PROCESSES = 100

_CUT_SECONDS = 0.2
_REAP_SECONDS = 5.0


class ProcessLauncher:
    """A `Launcher` of local processes.

    They inherit the working directory and the environment, without what an outer attempt was told (``HOLDFAST_…``).

    Args:
        state_directory: where processes are written down, and what they print; made if it does not exist. One
            launcher at a time.
        name: who it is to the database. Default: this machine and ``state_directory``.
        max_processes: how many live at once; default 100.
        program: what runs an attempt. Default: the runner, with this interpreter.
    """

    def __init__(
        self,
        state_directory: Path,
        *,
        name: str | None = None,
        max_processes: int = MAX_PROCESSES,
        program: Sequence[str] = RUNNER,
    ) -> None:
        self._directory = state_directory.absolute()
        self._name = name or f"{socket.gethostname()}:{self._directory}"
        self._max_processes = max_processes
        self._program = tuple(program)
        self._lock = FileLock(self._directory / "launcher.lock")
        self._records = ProcessRecords(self._directory)
        self._outputs = OutputFiles(self._directory)
        self._processes: dict[AttemptId, WatchedProcess] = {}
        self._exits: dict[AttemptId, Exit] = {}
        self._on_exit: Callable[[], None] = lambda: None
        self._all_gone = asyncio.Event()
        self._is_draining = False
        self._cutter: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Who it is, the same from one life to the next."""
        return self._name

    def output_path(self, id: AttemptId) -> Path:
        """The file with what an attempt printed; only the end of very long output is kept."""
        return self._outputs.path(id)

    async def start(self, on_exit: Callable[[], None]) -> None:
        """Adopt the processes that an earlier life left.

        Raises:
            LaunchError: another launcher uses the state directory, or the system cannot watch processes.
        """
        if not hasattr(os, "pidfd_open"):
            raise LaunchError("Local processes need Linux 5.3 or newer: this system has no pidfd_open.")
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._lock.try_take():
            raise LaunchError(
                f"{self._directory} is in use by {self._lock.holder}. Stop that process, or choose another directory."
            )
        self._on_exit = on_exit
        self._outputs.start()
        for id, record in self._records:
            self._adopt(id, record)
        self._cutter = asyncio.create_task(self._cut_outputs(), name="holdfast output cutter")

    async def launch(self, launch: Launch) -> None:
        """Make the process of an attempt. Does nothing if it was made before.

        Raises:
            LaunchError: the system refuses, or the template asks for what only a pod has.
        """
        if launch.id in self._processes or launch.id in self._exits:
            return
        if self._is_draining:
            raise LaunchError("the launcher is shutting down")
        output = self._outputs.open(launch.id)
        try:
            # Not in a thread: from here to the record nothing may come between. It takes a millisecond.
            child = subprocess.Popen(  # noqa: ASYNC220
                self._program,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_variables(launch),
                start_new_session=True,
            )
        except OSError as error:
            raise LaunchError(f"the process cannot be made: {error.strerror} ({self._program[0]})") from error
        finally:
            os.close(output)
        record = ProcessRecord.of(child.pid)
        self._records.write(launch.id, record)
        self._processes[launch.id] = WatchedProcess(launch.id, record, child, self._ended)
        await asyncio.sleep(0)  # one of many

    async def stop(self, id: AttemptId, grace_seconds: float) -> None:
        """Ask a process to end (SIGTERM), and end it (SIGKILL) after the grace; returns at once."""
        process = self._processes.get(id)
        if process is not None:
            process.stop(grace_seconds)

    def capacity(self) -> int:
        """How many more processes it takes now."""
        return 0 if self._is_draining else self._max_processes - len(self._processes)

    def live(self) -> Collection[AttemptId]:
        """The attempts whose processes live."""
        return self._processes.keys()

    async def look(self) -> None:
        """Nothing: nobody else makes processes under this name."""

    def exits(self) -> Sequence[Exit]:
        """The processes that are gone and not yet released."""
        return list(self._exits.values())

    async def release(self, id: AttemptId) -> None:
        """Forget a process that is gone. Its output stays for a while."""
        if self._exits.pop(id, None) is not None:
            self._records.delete(id)
            self._outputs.finish(id)

    async def drain(self, grace_seconds: float) -> None:
        """End all processes, SIGTERM first and SIGKILL after the grace, and return when they are gone."""
        self._is_draining = True
        for process in list(self._processes.values()):
            process.stop(grace_seconds)
        while self._processes:
            self._all_gone.clear()
            try:
                async with asyncio.timeout(grace_seconds + _REAP_SECONDS):
                    await self._all_gone.wait()
            except TimeoutError:
                _logger.error("processes of %s cannot be ended", ", ".join(map(str, self._processes)))
                return

    async def aclose(self) -> None:
        """Let go of everything; processes that live are left alone. May come twice, or before `start`."""
        cutter, self._cutter = self._cutter, None
        if cutter is not None:
            cutter.cancel()
            await asyncio.gather(cutter, return_exceptions=True)
        for process in self._processes.values():
            process.close()
        self._processes.clear()
        self._lock.release()

    def _adopt(self, id: AttemptId, record: ProcessRecord) -> None:
        try:
            self._processes[id] = WatchedProcess(id, record, None, self._ended)
        except ProcessLookupError:
            kill_group(record)
            self._exits[id] = Exit(id=id, output_tail=self._outputs.tail(id))

    def _ended(self, process: WatchedProcess) -> None:
        id, code = process.id, process.exit_code
        del self._processes[id]
        self._exits[id] = Exit(
            id=id,
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            output_tail=self._outputs.tail(id),
        )
        if not self._processes:
            self._all_gone.set()
        self._on_exit()

    async def _cut_outputs(self) -> None:
        while True:
            # Idle, it looks once a second; with processes often, because a flood is fast.
            await asyncio.sleep(_CUT_SECONDS if self._processes else 1.0)
            for id in list(self._processes):
                self._outputs.cut(id)


def _variables(launch: Launch) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**inherited, **_own_variables(launch.template), **_attempt_environment(launch).to_mapping()}


def _own_variables(template: Mapping[str, object]) -> dict[str, str]:
    """The variables that the task's manifest sets."""
    variables: dict[str, str] = {}
    entries = template.get("env") or ()
    assert isinstance(entries, Sequence)
    for entry in entries:
        if "valueFrom" in entry:
            raise LaunchError(
                f"the variable {entry['name']} comes from the cluster (valueFrom), which a local process cannot have; "
                "give it a value, or run the task in the cluster"
            )
        variables[entry["name"]] = entry.get("value") or ""
    return variables


def _attempt_environment(launch: Launch) -> AttemptEnvironment:
    command = launch.template.get("command")
    return AttemptEnvironment(
        database=launch.database,
        run_id=launch.id.run_id,
        attempt=launch.id.attempt,
        token=launch.token,
        entrypoint=None if command else launch.entrypoint,
        command=tuple(command) if command else None,
        database_grace_seconds=launch.database_grace_seconds,
        shutdown_grace_seconds=launch.shutdown_grace_seconds,
    )
