"""Watches of our kinds, by kopf, and of our pods: they tell at once what the sweep would find later.

kopf keeps nothing in the cluster here: no finalizers, no annotations, no Events, no peering. What it tells goes into
the store, and the store tells everyone else.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from typing import Any

import aiohttp
import kopf
from kubernetes.aio.client import ApiClient

from holdfast.domain.errors import HoldfastError
from holdfast_operator.discovery import wait_until_listed
from holdfast_operator.health import Health, Pulse
from holdfast_operator.kinds import PODS, WATCHED, Kind
from holdfast_operator.kopf_tasks import run_kopf
from holdfast_operator.kube import Kube
from holdfast_operator.null_storages import NullDiffBase, NullProgress
from holdfast_operator.pod_watch import PodWatch
from holdfast_operator.store import Store
from holdfast_operator.watch_session import watch_session

_BY_KOPF = tuple(kind for kind in WATCHED if kind != PODS)
PAGE_SIZE = 500
INACTIVITY_SECONDS = 70.0
"""A stream that is silent for so long is made again; Kubernetes sends a bookmark each minute."""
RECONNECT_SECONDS = 0.5
RETRY_SECONDS = 3.0
"""Between two tries while the API server cannot be reached, or refuses."""
IDLE_WORKER_SECONDS = 0.1
"""How long kopf's task of one object waits for its next event. Longer costs memory when many objects change."""
REQUEST_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 10.0
START_SECONDS = 60.0
"""A watch that the API server has not accepted by then will not be."""


class WatchesEndedError(HoldfastError):
    """The watches ended, or one of them never began, and nobody had asked for that."""


class Watches:
    """All watches of one operator.

    Args:
        client: where the API server is and who is asking.
        kube: asks which kinds there are.
        store: is told of everything.
        namespaces: which to watch; none: all.
        watch_seconds: how long one watch lasts before it is made again.
        health: learns of each watch that the API server accepts.
        stall_seconds: how late a watch may be made again.
        start_seconds: how long it may take until the API server has accepted every watch. Default 60.
        trust_env: go through the proxy that ``HTTPS_PROXY`` names.
    """

    def __init__(
        self,
        client: ApiClient,
        kube: Kube,
        store: Store,
        namespaces: Collection[str],
        *,
        watch_seconds: int,
        health: Health,
        stall_seconds: float,
        start_seconds: float = START_SECONDS,
        trust_env: bool = False,
    ) -> None:
        self._client = client
        self._kube = kube
        self._store = store
        self._namespaces = namespaces
        self._watch_seconds = watch_seconds
        self._health = health
        self._stall_seconds = watch_seconds + INACTIVITY_SECONDS + stall_seconds
        self._start_seconds = start_seconds
        self._trust_env = trust_env
        self._pulses: dict[str, Pulse] = {}
        self._stop = asyncio.Event()
        self._unheard: set[str] = set()
        self._given_up: list[str] = []
        self._all_heard = asyncio.Event()

    async def run(self, keep_signals: Callable[[], None] = lambda: None) -> None:
        """Watch until `stop` is called.

        Args:
            keep_signals: installs the process' own signal handlers, which kopf replaces by its own.

        Raises:
            WatchesEndedError: they ended by themselves, because the API server refused something for good, or did not
                accept one of them in time.
        """
        for path in self._paths():
            self._pulses[path] = self._health.pulse(
                f"watch {path}", self._stall_seconds, start_seconds=self._start_seconds
            )
        self._unheard = set(self._pulses)
        if await self._is_stopped_before(wait_until_listed(self._kube, WATCHED, self._note_wait)):
            return
        async with watch_session(self._client, self._on_watch, trust_env=self._trust_env) as session:
            pods = [asyncio.create_task(watch.run(), name="holdfast pods") for watch in self._pod_watches(session)]
            for task in pods:
                task.add_done_callback(lambda _: self._stop.set())
            try:
                await self._run_kopf(keep_signals)
            finally:
                for task in pods:
                    task.cancel()
                ends = await asyncio.gather(*pods, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise WatchesEndedError(f"The watch of pods ended: {str(end) or type(end).__name__}") from end

    async def _run_kopf(self, keep_signals: Callable[[], None]) -> None:
        existing = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=self._settings(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=list(self._namespaces),
            stop_flag=self._stop,
        )
        keep_signals()
        giving_up = asyncio.get_running_loop().call_later(self._start_seconds, self._give_up)
        try:
            await run_kopf(tasks, existing)
        except Exception as error:
            raise WatchesEndedError(f"The watches ended: {str(error) or type(error).__name__}") from error
        finally:
            giving_up.cancel()
        if self._given_up:
            raise WatchesEndedError(
                f"Within {self._start_seconds:.0f} s the API server has not accepted a watch of "
                f"{' and of '.join(self._given_up)}. kopf's log says why; may the operator list and watch there?"
            )
        if not self._stop.is_set():
            raise WatchesEndedError("The watches ended by themselves, and kopf's log says why.")

    def stop(self) -> None:
        """Let `run` return."""
        self._stop.set()

    def _give_up(self) -> None:
        if self._unheard:
            self._given_up = sorted(self._unheard)
            self._stop.set()

    def _note_wait(self, reason: str) -> None:
        self._health.not_ready = reason

    async def _is_stopped_before(self, waiting: Coroutine[Any, Any, None]) -> bool:
        """Whether `stop` was called before ``waiting`` came to its end."""
        tasks = [asyncio.create_task(waiting), asyncio.create_task(self._stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._stop.is_set()

    async def wait_until_heard(self) -> None:
        """Wait until the API server has accepted every watch."""
        await self._all_heard.wait()

    def _paths(self) -> list[str]:
        return [kind.path(namespace) for kind in WATCHED for namespace in self._namespaces or (None,)]

    def _on_watch(self, path: str) -> None:
        if path in self._pulses:
            self._pulses[path].beat()
            self._unheard.discard(path)
            if not self._unheard:
                self._all_heard.set()

    def _pod_watches(self, session: aiohttp.ClientSession) -> list[PodWatch]:
        host = self._client.configuration.host
        return [
            PodWatch(self._kube, session, host, self._store, namespace, watch_seconds=self._watch_seconds)
            for namespace in self._namespaces or (None,)
        ]

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry, id="login")
        async def login(**_: Any) -> kopf.AiohttpSession:
            session = watch_session(self._client, self._on_watch, trust_env=self._trust_env)
            return kopf.AiohttpSession(server=self._client.configuration.host, aiohttp_session=session)

        for kind in _BY_KOPF:
            kopf.on.event(kind.group, kind.version, kind.plural, id=f"see {kind.plural}", registry=registry)(
                self._handler(kind)
            )
        return registry

    def _handler(self, kind: Kind) -> Callable[..., Awaitable[None]]:
        store = self._store

        async def see(event: Any, **_: Any) -> None:
            if event["type"] == "DELETED":
                store.note_deleted(kind, event["object"])
            else:
                store.put(kind, event["object"])

        return see

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.process.ultimate_exiting_timeout = None
        settings.posting.enabled = False
        settings.posting.loggers = False
        settings.scanning.disabled = True
        settings.persistence.diffbase_storage = NullDiffBase()
        settings.persistence.progress_storage = NullProgress()
        settings.queueing.idle_timeout = IDLE_WORKER_SECONDS
        settings.watching.chunk_size = PAGE_SIZE
        settings.watching.server_timeout = self._watch_seconds
        settings.watching.inactivity_timeout = INACTIVITY_SECONDS
        settings.watching.connect_timeout = CONNECT_TIMEOUT_SECONDS
        settings.watching.reconnect_backoff = RECONNECT_SECONDS
        settings.networking.request_timeout = REQUEST_TIMEOUT_SECONDS
        settings.networking.connect_timeout = CONNECT_TIMEOUT_SECONDS
        settings.networking.enforce_retry_after = True
        settings.networking.error_backoffs = _EndlessBackoff()
        return settings


class _EndlessBackoff:
    """kopf's delays between tries of a request: it never gives up, and health tells when that takes too long."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1.0, 2.0), itertools.repeat(RETRY_SECONDS))
