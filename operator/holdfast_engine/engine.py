"""The engine: the one place that knows which service does what with which database and launcher."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from holdfast.domain.states import State
from holdfast_engine.database import EngineDatabase
from holdfast_engine.launcher import Launcher
from holdfast_engine.launches import Launches
from holdfast_engine.listener import Listener
from holdfast_engine.service_loop import PassReport, Service, ServiceLoop
from holdfast_engine.services.admission import Admission
from holdfast_engine.services.adoption import Adoption
from holdfast_engine.services.due import DueRuns
from holdfast_engine.services.exits import Exits
from holdfast_engine.services.followers import Followers
from holdfast_engine.services.retention import Retention
from holdfast_engine.services.stops import Stops

_logger = logging.getLogger("holdfast.engine")

DEADLINE_NOTICE_SECONDS = 0.5
"""How soon the deadlines of an attempt that begins are looked at: many attempts are one look."""
EXIT_NOTICE_SECONDS = 0.02
"""How soon the end of a process is looked at: processes that end together are one look."""

NO_LAUNCHER = ""
"""Among `EngineSettings.launchers`: runs that name no launcher."""


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How an engine works. Times are in seconds."""

    #: Connection string for attempts, as a member of the role `holdfast_runner`.
    runner_dsn: str = field(repr=False)
    #: Names of launchers whose runs it admits; ``""`` stands for the runs that name none. Default: those, and the
    #: runs that name the engine's own launcher.
    launchers: tuple[str, ...] | None = None
    #: How long an attempt keeps trying to record while the database is away. Default 300; 0: not at all.
    database_grace_seconds: int = 300
    #: How long an attempt has between SIGTERM and its end. Default 25.
    shutdown_grace_seconds: int = 25
    #: The longest time without a look at the database, should all notifications fail. Default 5, at least 1.
    interval_seconds: float = 5.0
    #: Between two looks for what a dead engine left behind. Default 30, at least 1.
    adoption_interval_seconds: float = 30.0
    #: How long finished runs without a time to live of their own are kept. ``None``, the default: for ever.
    retention_seconds: float | None = None
    #: Between two looks for runs to delete. Default 60, at least 1.
    retention_interval_seconds: float = 60.0


class Engine:
    """Everything that needs Postgres and a clock: admission, time, exits, stops, adoption, retention.

    Use it as an async context manager, or call `start` and `stop`, or `run_until_stopped`. Any number of engines may
    work on one database. What it keeps in memory does not matter: kill it, start another, and the runs go on.

    Args:
        database_dsn: as a role that owns the schema, which is up to date (`postgres.migrations`).
        launcher: makes the processes. The engine starts, drains and closes it.
        settings: see there.
        on_change: called for each change of a run that is heard of, with its new state and its id. A hint: changes are
            missed while the connection is away.
        on_connect: called when it listens, and again when it listens after having been away.
        on_pass: called after each pass of a service, whether it failed or not.
    """

    def __init__(
        self,
        database_dsn: str,
        launcher: Launcher,
        settings: EngineSettings,
        *,
        on_change: Callable[[str, str], None] | None = None,
        on_connect: Callable[[], None] | None = None,
        on_pass: Callable[[], None] | None = None,
    ) -> None:
        self._launcher = launcher
        self._settings = settings
        self._on_change = on_change
        self._on_connect = on_connect
        self._on_pass = on_pass
        self._database = EngineDatabase(database_dsn)
        self._listener = Listener(self._database, self._hear, self._wake_all)
        self._stop_requested = asyncio.Event()
        self._watchers: set[asyncio.Queue[tuple[Service, PassReport | Exception]]] = set()

        launches = Launches(
            database=settings.runner_dsn,
            database_grace_seconds=settings.database_grace_seconds,
            shutdown_grace_seconds=settings.shutdown_grace_seconds,
        )
        launchers = settings.launchers if settings.launchers is not None else (NO_LAUNCHER, launcher.name)
        interval_seconds = settings.interval_seconds
        self._admission = self._loop(Admission(self._database, launcher, launches, launchers), interval_seconds)
        self._due = self._loop(DueRuns(self._database), interval_seconds)
        self._stops = self._loop(Stops(self._database, launcher), interval_seconds)
        self._adoption = self._loop(Adoption(self._database, launcher, launches), settings.adoption_interval_seconds)
        self._retention = self._loop(
            Retention(self._database, settings.retention_seconds), settings.retention_interval_seconds
        )
        self._followers = self._loop(Followers(self._database), interval_seconds)
        self._exits = self._loop(Exits(self._database, launcher), interval_seconds)
        #: Which services a state is news for.
        self._interested: dict[str, tuple[ServiceLoop, ...]] = {
            State.DELAYED: (self._due,),
            State.QUEUED: (self._admission,),
            State.WAITING: (self._due, self._admission),
            State.BACKOFF: (self._due, self._admission, self._stops),
            State.SUSPENDED: (self._admission,),
            State.CANCELING: (self._stops, self._due),
            State.SUCCEEDED: (self._admission,),
            State.FAILED: (self._admission, self._stops, self._followers),
            State.TIMED_OUT: (self._admission, self._stops, self._followers),
            State.CANCELED: (self._admission, self._stops, self._followers),
            State.EXPIRED: (self._followers,),
        }

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect, adopt what an earlier engine left, and begin to work.

        Raises:
            UnavailableError: the database cannot be reached. Once started, an outage is waited for.
            LaunchError: another engine uses the launcher.
        """
        try:
            await self._database.open()
            await self._launcher.start(lambda: self._exits.wake_within(EXIT_NOTICE_SECONDS))
        except BaseException:
            await self._close()
            raise
        self._listener.start()
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Stop working: nothing new is launched, and processes that would outlive the launcher end and are recorded.

        May come twice, or before `start`.
        """
        self._stop_requested.set()
        await self._listener.stop()
        # Exits go on to the last, to record how the drained processes ended.
        await asyncio.gather(*(loop.stop() for loop in self._loops if loop is not self._exits))
        await self._launcher.drain(self._settings.shutdown_grace_seconds)
        await self._exits.stop()
        await self._record_last_exits()
        await self._close()

    def request_stop(self) -> None:
        """Let `run_until_stopped` return; for signal handlers."""
        self._stop_requested.set()

    async def run_until_stopped(self) -> None:
        """Start, work until `request_stop` is called or the task is canceled, and stop."""
        async with self:
            await self._stop_requested.wait()

    async def wait_for_pass(self, service: str, *, changed: bool = False) -> PassReport:
        """Wait until the service of that name has made a pass, which changed something if ``changed``."""
        passes: asyncio.Queue[tuple[Service, PassReport | Exception]] = asyncio.Queue()
        self._watchers.add(passes)
        try:
            while True:
                who, report = await passes.get()
                if who.name == service and isinstance(report, PassReport) and (report.changed or not changed):
                    return report
        finally:
            self._watchers.discard(passes)

    @property
    def _loops(self) -> Iterable[ServiceLoop]:
        return (
            *(self._adoption, self._exits, self._due, self._admission),
            *(self._stops, self._followers, self._retention),
        )

    def _loop(self, service: Service, interval_seconds: float) -> ServiceLoop:
        return ServiceLoop(service, interval_seconds, self._note_pass)

    def _note_pass(self, service: Service, report: PassReport | Exception) -> None:
        if service.name == Exits.name and isinstance(report, PassReport) and report.changed:
            self._admission.wake()  # the launcher has room again
        if service.name == Admission.name and isinstance(report, Exception):
            self._adoption.wake()  # what was admitted may not have been launched
        for watcher in self._watchers:
            watcher.put_nowait((service, report))
        if self._on_pass is not None:
            self._on_pass()

    def _hear(self, state: str, run_id: str) -> None:
        for loop in self._interested.get(state, ()):
            loop.wake()
        if state == State.RUNNING:
            self._due.wake_within(DEADLINE_NOTICE_SECONDS)
        if self._on_change is not None and run_id:
            self._on_change(state, run_id)

    def _wake_all(self) -> None:
        for loop in self._loops:
            loop.wake()
        if self._on_connect is not None:
            self._on_connect()

    async def _record_last_exits(self) -> None:
        try:
            await self._exits.service.run_once()
        except Exception as error:
            # The launcher has written them down: its next life tells of them.
            _logger.warning("the last exits could not be recorded now: %s", str(error) or type(error).__name__)

    async def _close(self) -> None:
        await self._launcher.aclose()
        await self._database.aclose()
