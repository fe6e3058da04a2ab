"""Watches without kopf, so that what measures costs less than what is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp

from holdfast_operator.api_client import api_client
from holdfast_operator.kinds import Kind, Object
from holdfast_operator.objects import version_of
from holdfast_operator.watch_session import watch_session

_WATCH_SECONDS = 3600
_FOR_EVER = aiohttp.ClientTimeout(total=None)
_NOT_YET = 429
_RETRY_SECONDS = 0.2


async def changes(
    kubeconfig: Path, kind: Kind, namespace: str, *, labels: str = "", fields: str = ""
) -> AsyncGenerator[tuple[str, Object], None]:
    """Every change: what happened (`ADDED`, `MODIFIED`, `DELETED`) and the object; first what is there.

    Args:
        kubeconfig: which cluster.
        kind: of the objects.
        namespace: where they are.
        labels: only objects with these labels.
        fields: only objects with these fields; one that has them no more counts as deleted.
    """
    client = await api_client(kubeconfig)
    query = {"watch": "true", "timeoutSeconds": str(_WATCH_SECONDS)}
    query |= {"labelSelector": labels} if labels else {}
    query |= {"fieldSelector": fields} if fields else {}
    url = client.configuration.host + kind.path(namespace)
    version = 0
    try:
        async with watch_session(client, lambda _: None) as session:
            while True:  # an API server ends the watch of who reads too slowly: it goes on from there
                since = {"resourceVersion": str(version)} if version else {}
                async with session.get(url, params=query | since, timeout=_FOR_EVER) as response:
                    if response.status == _NOT_YET:  # it says so of a kind whose CRD is new
                        await asyncio.sleep(_RETRY_SECONDS)
                        continue
                    response.raise_for_status()
                    async for line in response.content:
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            raise RuntimeError(f"the watch of {kind.plural} failed: {event['object'].get('message')}")
                        version = max(version, version_of(event["object"]))
                        yield event["type"], event["object"]
    finally:
        await client.close()  # type: ignore[no-untyped-call]  # the package is typed in part
