"""One port for those who watch over the operator: ``/metrics``, ``/healthz``, ``/readyz``."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from holdfast_operator.health import Health

_logger = logging.getLogger("holdfast.operator")

REFRESH_SECONDS = 1.0
"""The gauges are not read more often than this, however many ask."""
REFRESH_TIMEOUT_SECONDS = 5.0

Refresh = Callable[[], Awaitable[None]]


class Server:
    """Serves metrics and health.

    Args:
        health: what ``/healthz`` and ``/readyz`` tell.
        registry: what ``/metrics`` tells.
    """

    def __init__(self, health: Health, registry: CollectorRegistry) -> None:
        self._health = health
        self._registry = registry
        self._refresh: Refresh | None = None
        self._refreshed = float("-inf")
        self._refreshing = asyncio.Lock()
        self._runner: web.AppRunner | None = None
        #: The port it listens on.
        self.port = 0

    def refresh_with(self, refresh: Refresh) -> None:
        """Call ``refresh`` before metrics are told: it sets the gauges that need a look at the database."""
        self._refresh = refresh

    async def start(self, host: str | None, port: int) -> None:
        """Listen; port 0: any that is free.

        Raises:
            OSError: the address is taken.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End. May come twice, or before `start`."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        async with self._refreshing:
            await self._refresh_gauges()
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, _: web.Request) -> web.Response:
        stalls = self._health.stalls()
        if stalls:
            return web.Response(status=503, text="".join(f"{stall}\n" for stall in stalls))
        return web.Response(text=self._health.report())

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._health.not_ready:
            return web.Response(status=503, text=f"{self._health.not_ready}\n")
        return web.Response(text="ready\n")

    async def _refresh_gauges(self) -> None:
        if self._refresh is None or time.monotonic() - self._refreshed < REFRESH_SECONDS:
            return
        try:
            async with asyncio.timeout(REFRESH_TIMEOUT_SECONDS):
                await self._refresh()
        except Exception as error:
            _logger.warning("the gauges are older than they should be: %s", str(error) or type(error).__name__)
        self._refreshed = time.monotonic()
