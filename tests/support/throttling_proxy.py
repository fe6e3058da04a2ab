"""A way to a real API server that is crowded: some requests are answered as an API server answers under load."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from holdfast_operator.api_client import api_client
from tests.cluster.rig import kubeconfig
from tests.cluster.rig.control_plane import ControlPlane
from tests.support.kube_clients import closed

_NOT_PASSED_ON = ("Host", "Content-Length", "Transfer-Encoding", "Accept-Encoding")


class ThrottlingProxy:
    """Passes requests on as the administrator, and refuses as many as it is told to."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server
        self._refusals = 0
        self._only = ""
        self._retry_after = ""
        #: When each request that could have been refused came, by the monotonic clock.
        self.times: list[float] = []

    def refuse(self, count: int, *, retry_after: str, only: str = "") -> None:
        """Refuse the next ``count`` requests whose path and query contain ``only``."""
        self._refusals, self._retry_after, self._only = count, retry_after, only

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if self._only in request.path_qs:
            self.times.append(time.monotonic())
            if self._refusals:
                self._refusals -= 1
                return web.Response(
                    status=429, text="Too many requests, please try again later.", headers=self._retry_header()
                )
        headers = {name: value for name, value in request.headers.items() if name not in _NOT_PASSED_ON}
        body = await request.read()
        async with self._session.request(
            request.method, self._server + request.path_qs, headers=headers, data=body or None
        ) as theirs:
            response = web.StreamResponse(status=theirs.status, headers={"Content-Type": theirs.content_type})
            await response.prepare(request)
            try:
                async for piece in theirs.content.iter_any():
                    await response.write(piece)
            finally:
                if theirs.connection is not None and theirs.connection.transport is not None:
                    theirs.connection.transport.abort()  # nobody waits for the answer to the goodbye of TLS
            return response

    def _retry_header(self) -> dict[str, str]:
        return {"Retry-After": self._retry_after}


@asynccontextmanager
async def throttling_proxy(plane: ControlPlane) -> AsyncIterator[ThrottlingProxy]:
    """A proxy before that API server; the kubeconfig of the user "proxied" leads to it."""
    client = await api_client(plane.kubeconfig)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=client.rest_client.ssl_context), auto_decompress=True
    ) as session:
        proxy = ThrottlingProxy(session, plane.server)
        app = web.Application()
        app.add_routes([web.route("*", "/{path:.*}", proxy.answer)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        kubeconfig.write_for_certificate(plane.user_kubeconfig("proxied"), url, plane.certificates, "admin")
        try:
            yield proxy
        finally:
            await runner.cleanup()
            await closed(client)
