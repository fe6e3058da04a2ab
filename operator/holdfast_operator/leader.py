"""What the replica that leads does: everything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from kubernetes.aio.client import ApiClient

from holdfast.domain.errors import LaunchError, UnavailableError
from holdfast_engine.backoff import Backoff
from holdfast_engine.engine import Engine, EngineSettings
from holdfast_engine.launcher import Launcher
from holdfast_operator.discovery import wait_until_listed
from holdfast_operator.events import Events
from holdfast_operator.gauges import refresh_gauges
from holdfast_operator.health import Health, Pulse
from holdfast_operator.kinds import WATCHED, Kind
from holdfast_operator.kube import Kube
from holdfast_operator.metrics import Metrics
from holdfast_operator.resource_queue import enqueue_changes, enqueue_run, enqueue_unfinished
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.run_index import RunIndex
from holdfast_operator.server import Server
from holdfast_operator.settings import OperatorSettings
from holdfast_operator.store import Store
from holdfast_operator.sweep import Sweep
from holdfast_operator.watches import Watches
from holdfast_operator.work_queue import WorkQueue
from holdfast_operator.worker import Reconcile, Workers

_logger = logging.getLogger("holdfast.operator")

SWEEP_STALL_SECONDS = 60.0
"""``/healthz`` fails when the first sweep takes so long, or a later one comes so long after three intervals."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What all parts of a leader share."""

    settings: OperatorSettings
    kube: Kube
    store: Store
    index: RunIndex
    queue: WorkQueue
    rows: TaskRunRows
    events: Events
    metrics: Metrics


@dataclass(frozen=True, kw_only=True)
class Duties:
    """What a leader does with resources and attempts."""

    launcher: Launcher
    reconcilers: Mapping[Kind, Reconcile]
    #: Called at the end of each sweep.
    comparisons: Sequence[Callable[[], Awaitable[None]]] = ()


class Leader:
    """All parts of an operator that leads.

    Args:
        settings: see there.
        client: for the watches.
        kube: for everything else.
        metrics: fed by all parts.
        health: watches over all parts.
        server: is told where the gauges come from.
        duties: makes what works on resources and attempts.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        client: ApiClient,
        kube: Kube,
        metrics: Metrics,
        health: Health,
        server: Server,
        duties: Callable[[Parts], Duties],
    ) -> None:
        self._settings = settings
        self._kube = kube
        self._health = health
        self._server = server
        self._metrics = metrics
        self._store = Store()
        self._index = RunIndex()
        self._queue = WorkQueue(metrics.work_queue)
        self._rows = TaskRunRows(settings.database)
        self._events = Events(kube, metrics, settings.identity)
        parts = Parts(
            settings=settings,
            kube=kube,
            store=self._store,
            index=self._index,
            queue=self._queue,
            rows=self._rows,
            events=self._events,
            metrics=metrics,
        )
        made = duties(parts)

        # Who is told first knows before a worker asks.
        self._store.on_change(self._index.on_change)
        enqueue_changes(self._store, self._queue)
        metrics.observe_queue(self._queue)
        sweep_stall_seconds = 3 * settings.sweep_interval_seconds + SWEEP_STALL_SECONDS
        sweep_pulse = health.pulse("sweep", sweep_stall_seconds, start_seconds=SWEEP_STALL_SECONDS)
        self._sweep = Sweep(kube, self._store, settings.scopes, metrics, sweep_pulse, made.comparisons)
        queue_pulse = health.pulse("work queue", settings.queue_stall_seconds)
        health.before_check(lambda: self._note_idle(queue_pulse))
        self._workers = Workers(
            self._queue,
            made.reconcilers,
            metrics,
            count=settings.workers,
            timeout_seconds=settings.reconcile_timeout_seconds,
            on_done=queue_pulse.beat,
        )
        self._engine = self._make_engine(made.launcher)
        self._watches = Watches(
            client,
            kube,
            self._store,
            settings.namespaces,
            watch_seconds=settings.watch_seconds,
            health=health,
            stall_seconds=settings.watch_stall_seconds,
            trust_env=settings.trust_env,
        )
        self._beginning: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def run(self, keep_signals: Callable[[], None]) -> None:
        """Lead until `stop` is called.

        Args:
            keep_signals: installs the process' own signal handlers, which kopf replaces by its own.

        Raises:
            WatchesEndedError: the watches ended by themselves.
        """
        self._beginning = asyncio.create_task(self._begin(), name="holdfast takeover")
        await asyncio.wait([self._beginning])
        if self._is_stopping:
            return
        await self._beginning
        hearing = asyncio.create_task(self._note_ready(), name="holdfast readiness")
        try:
            await self._watches.run(keep_signals)
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def stop(self) -> None:
        """Finish what is under way and let `run` return. Pods go on. May come twice."""
        self._is_stopping = True
        tasks = [task for task in (self._beginning, self._sweeping) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._workers.stop()
        await self._engine.stop()
        await self._events.stop()
        self._watches.stop()
        await self._rows.aclose()

    async def _begin(self) -> None:
        self._events.start()
        await wait_until_listed(self._kube, WATCHED, self._note_wait)
        self._health.not_ready = "taking over"
        await self._sweep.run_first()
        await self._start_engine()
        self._server.refresh_with(lambda: refresh_gauges(self._rows, self._metrics))
        self._workers.start()
        interval_seconds = self._settings.sweep_interval_seconds
        self._sweeping = asyncio.create_task(self._sweep.run_forever(interval_seconds), name="holdfast sweep")

    async def _start_engine(self) -> None:
        backoff = Backoff()
        told = ""
        while True:
            try:
                await self._rows.open()
                await self._engine.start()
                return
            except (LaunchError, UnavailableError) as error:
                if str(error) != told:
                    told = str(error)
                    _logger.warning("not leading yet: %s", told)
            await self._rows.aclose()
            await asyncio.sleep(backoff.next_seconds())

    def _note_wait(self, reason: str) -> None:
        self._health.not_ready = reason

    async def _note_ready(self) -> None:
        await self._watches.wait_until_heard()
        self._health.not_ready = ""
        _logger.info("all watches are up")

    def _make_engine(self, launcher: Launcher) -> Engine:
        pulse = self._health.pulse("engine", self._settings.engine_stall_seconds)
        settings = EngineSettings(runner_dsn="", retention_seconds=self._settings.retention_seconds)
        return Engine(
            self._settings.database,
            launcher,
            settings,
            on_change=self._hear,
            on_connect=lambda: enqueue_unfinished(self._store, self._queue),
            on_pass=pulse.beat,
        )

    def _hear(self, state: str, run_id: str) -> None:
        enqueue_run(self._index, self._queue, state, run_id)

    def _note_idle(self, pulse: Pulse) -> None:
        if self._queue.depth == 0 and self._queue.longest_work_seconds < pulse.limit_seconds:
            pulse.beat()
