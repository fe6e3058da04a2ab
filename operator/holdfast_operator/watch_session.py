"""The HTTP session that the watches use: the credentials of the client, renewed as they change, and a pulse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakSet

import aiohttp
from kubernetes.aio.client import ApiClient

POOL_SIZE = 0
"""Unlimited: each watch holds a connection for as long as it lasts."""


class _Connector(aiohttp.TCPConnector):
    """Ends its connections at once when it is closed.

    Who leaves a stream says goodbye in TLS and waits for an answer, for which nobody waits: the connection would be
    left open by an event loop that ends meanwhile.
    """

    def __init__(self, client: ApiClient) -> None:
        super().__init__(limit=POOL_SIZE, ssl=client.rest_client.ssl_context)
        self._streams: WeakSet[asyncio.Transport] = WeakSet()

    def note(self, response: aiohttp.ClientResponse) -> None:
        """Take note of the connection of an answer that is still to come."""
        if response.connection is not None and response.connection.transport is not None:
            self._streams.add(response.connection.transport)

    async def close(self, *, abort_ssl: bool = False) -> None:
        await super().close(abort_ssl=abort_ssl)
        for transport in self._streams:
            transport.abort()


def watch_session(
    client: ApiClient, on_watch: Callable[[str], None], *, trust_env: bool = False
) -> aiohttp.ClientSession:
    """A session like the client's own.

    Args:
        client: where the API server is and who is asking.
        on_watch: called with the path whenever the API server accepts a watch.
        trust_env: go through the proxy that ``HTTPS_PROXY`` names.
    """

    connector = _Connector(client)

    async def ask(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        headers: dict[str, str] = {}
        await client.update_params_for_auth(headers, [], ["BearerToken"], "", request.method, None)
        request.headers.update(headers)
        response = await handler(request)
        connector.note(response)
        if response.ok and request.url.query.get("watch") == "true":
            on_watch(request.url.path)
        return response

    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": client.user_agent},
        trust_env=trust_env,
        proxy=client.configuration.proxy,
        middlewares=(ask,),
        read_bufsize=2**21,
    )
