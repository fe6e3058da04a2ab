"""The operator: the one place that knows what is made of which parts.

One replica leads and does everything; the others wait for its Lease. Nothing that a leader holds in memory matters:
the next one begins with lists of everything and the same database.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from holdfast_operator.api_client import api_client
from holdfast_operator.client_metrics import ClientMetrics
from holdfast_operator.health import Health
from holdfast_operator.kube import Kube
from holdfast_operator.leader import Duties, Leader, Parts
from holdfast_operator.lease import REQUEST_TIMEOUT_SECONDS, Lease
from holdfast_operator.metrics import Metrics
from holdfast_operator.server import Server
from holdfast_operator.settings import OperatorSettings

_logger = logging.getLogger("holdfast.operator")

LEASE_STALL_SECONDS = 120.0
"""``/healthz`` fails when the API server has said nothing about the Lease for so long."""


class Operator:
    """One replica.

    Args:
        settings: see there.
        duties: makes what works on resources and attempts, once this replica leads.
        kubeconfig: which cluster; default: see `api_client`.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        duties: Callable[[Parts], Duties],
        kubeconfig: Path | None = None,
    ) -> None:
        self._duties = duties
        self._settings = settings
        self._kubeconfig = kubeconfig
        self._stop = asyncio.Event()
        self.health = Health()
        self.metrics = Metrics()
        self.server = Server(self.health, self.metrics.registry)

    def request_stop(self) -> None:
        """Let `run` return; for signal handlers."""
        self._stop.set()

    async def run(self) -> None:
        """Work until `request_stop` is called.

        Raises:
            ClusterAccessError: nothing says which cluster to work on.
            LeaseLostError: another replica leads, or may do so soon.
            WatchesEndedError: the watches ended by themselves.
            OSError: the address for metrics is taken.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            await self.server.start(*settings.address)
            stack.push_async_callback(self.server.stop)
            _logger.info("metrics and health on port %d", self.server.port)
            client = await api_client(self._kubeconfig, trust_env=settings.trust_env)
            client_metrics = ClientMetrics(self.metrics.registry, client.configuration.host)
            kube = await stack.enter_async_context(Kube(client, client_metrics))
            # A connection of its own: the Lease waits behind no other request.
            own_client = await api_client(self._kubeconfig, pool_size=1, trust_env=settings.trust_env)
            own_kube = Kube(own_client, client_metrics, timeout_seconds=REQUEST_TIMEOUT_SECONDS)
            lease = self._lease(await stack.enter_async_context(own_kube))
            self.keep_signals()
            self.health.not_ready = ""  # one that stands by is ready: to take over
            if not await self._won(lease):
                return
            stack.push_async_callback(lease.release)
            self.health.not_ready = "taking over"
            self.metrics.leader.set(1)
            leader = Leader(settings, client, kube, self.metrics, self.health, self.server, self._duties)
            await self._lead(leader, lease)

    def keep_signals(self) -> None:
        """Stop on SIGTERM and SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.request_stop)

    async def _lead(self, leader: Leader, lease: Lease) -> None:
        """Lead until stopped; what ends the process otherwise is raised at once."""
        leading = asyncio.create_task(leader.run(self.keep_signals), name="holdfast leader")
        holding = asyncio.create_task(lease.hold(), name="holdfast lease")
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait([leading, holding, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in (holding, leading):
            if task.done():
                task.result()
        _logger.info("stopping")
        await leader.stop()
        await leading
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)

    async def _won(self, lease: Lease) -> bool:
        """Wait until this process leads; False if it was stopped before."""
        acquiring = asyncio.create_task(lease.acquire(), name="holdfast lease")
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait([acquiring, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in (acquiring, stopped):
            task.cancel()
        await asyncio.gather(acquiring, stopped, return_exceptions=True)
        return not acquiring.cancelled() and acquiring.exception() is None

    def _lease(self, kube: Kube) -> Lease:
        settings = self._settings
        return Lease(
            kube,
            settings.lease_namespace,
            settings.lease_name,
            settings.identity,
            duration_seconds=settings.lease_seconds,
            renew_seconds=settings.lease_renew_seconds,
            on_answer=self.health.pulse("lease", LEASE_STALL_SECONDS).beat,
        )
