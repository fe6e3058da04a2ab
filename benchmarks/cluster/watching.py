"""Watches without kopf, so that what measures costs less than what is measured."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp

from holdfast_operator.api_client import api_client
from holdfast_operator.kinds import Kind, Object
from holdfast_operator.watch_session import watch_session

_WATCH_SECONDS = 3600


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
    try:
        async with (
            watch_session(client, lambda _: None) as session,
            session.get(url, params=query, timeout=aiohttp.ClientTimeout(total=None)) as response,
        ):
            response.raise_for_status()
            async for line in response.content:
                event = json.loads(line)
                yield event["type"], event["object"]
    finally:
        await client.close()  # type: ignore[no-untyped-call]  # the package is typed in part
