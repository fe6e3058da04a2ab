"""The HTTP session that the watches use: the credentials of the client, renewed as they change, and a pulse."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
from kubernetes.aio.client import ApiClient

POOL_SIZE = 0
"""Unlimited: each watch holds a connection for as long as it lasts."""


def watch_session(
    client: ApiClient, on_watch: Callable[[str], None], *, trust_env: bool = False
) -> aiohttp.ClientSession:
    """A session like the client's own.

    Args:
        client: where the API server is and who is asking.
        on_watch: called with the path whenever the API server accepts a watch.
        trust_env: go through the proxy that ``HTTPS_PROXY`` names.
    """

    async def ask(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        headers: dict[str, str] = {}
        await client.update_params_for_auth(headers, [], ["BearerToken"], "", request.method, None)
        request.headers.update(headers)
        response = await handler(request)
        if response.ok and request.url.query.get("watch") == "true":
            on_watch(request.url.path)
        return response

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=POOL_SIZE, ssl=client.rest_client.ssl_context),
        headers={"User-Agent": client.user_agent},
        trust_env=trust_env,
        proxy=client.configuration.proxy,
        middlewares=(ask,),
        read_bufsize=2**21,
    )
