"""The server of metrics and health."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from holdfast_operator.health import Health
from holdfast_operator.metrics import Metrics
from holdfast_operator.server import Server
from tests.support.settable_clock import SettableClock


class Site:
    """A server that runs, and who asks it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.clock = SettableClock()
        self.health = Health(self.clock.time)
        self.metrics = Metrics()
        self.server = Server(self.health, self.metrics.registry)
        self._session = session

    async def get(self, path: str) -> tuple[int, str]:
        async with self._session.get(f"http://127.0.0.1:{self.server.port}{path}") as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with aiohttp.ClientSession() as session:
        site = Site(session)
        await site.server.start("127.0.0.1", 0)
        yield site
        await site.server.stop()


async def test_healthz_fails_when_a_part_stalls_and_says_which(site: Site) -> None:
    pulse = site.health.pulse("sweep", 60)
    assert await site.get("/healthz") == (200, "sweep: 0.0 s ago (at most 60 s)\n")
    site.clock.advance(61)
    assert await site.get("/healthz") == (503, "sweep: no progress for 61 s; 60 s are allowed\n")
    pulse.beat()
    assert (await site.get("/healthz"))[0] == 200


async def test_readyz_says_why_it_is_not_ready(site: Site) -> None:
    site.health.not_ready = "taking over"
    assert await site.get("/readyz") == (503, "taking over\n")
    site.health.not_ready = ""
    assert await site.get("/readyz") == (200, "ready\n")


async def test_metrics_are_refreshed_before_they_are_told_but_not_each_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast_operator.server.REFRESH_SECONDS", 3600.0)
    refreshed = 0

    async def refresh() -> None:
        nonlocal refreshed
        refreshed += 1
        site.metrics.queue_depth.labels("shop", "orders").set(refreshed)

    site.server.refresh_with(refresh)
    for _ in range(3):
        status, text = await site.get("/metrics")
        assert status == 200
        assert 'holdfast_queue_depth{namespace="shop",queue="orders"} 1.0' in text
    assert refreshed == 1


async def test_metrics_are_told_when_they_cannot_be_refreshed(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async def refresh() -> None:
        raise ConnectionError("no database")

    site.server.refresh_with(refresh)
    status, text = await site.get("/metrics")
    assert status == 200
    assert "holdfast_leader 0.0" in text
    assert "holdfast_build_info{" in text
    assert "no database" in caplog.text
