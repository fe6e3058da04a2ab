"""The watch of our pods. Pods change more often than everything else together, so their way is the shortest there is.

kopf makes a task and a dozen objects of each change, which is four times the work of all that is done with it here.
"""

from __future__ import annotations

import asyncio
import json
import logging

import aiohttp

from holdfast_operator.kinds import PODS, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import Expired, KubeError, error_of
from holdfast_operator.pod_selector import POD_SELECTOR
from holdfast_operator.store import Store
from holdfast_operator.trim import trimmed

_logger = logging.getLogger("holdfast.operator")

CONNECT_TIMEOUT_SECONDS = 10.0
INACTIVITY_SECONDS = 70.0
"""A stream that is silent for so long is made again; Kubernetes sends a bookmark each minute."""
RETRY_SECONDS = 1.0
"""Between two tries while the API server cannot be reached, or refuses."""
_GONE = 410


class PodWatch:
    """Tells the store of each change of our pods.

    Args:
        kube: lists them, at the beginning and whenever the API server cannot say what changed since.
        session: with the credentials; learns of each watch that is accepted.
        host: the URL of the API server.
        store: is told.
        namespace: where; ``None``: everywhere.
        watch_seconds: how long one watch lasts before it is made again.
    """

    def __init__(
        self,
        kube: Kube,
        session: aiohttp.ClientSession,
        host: str,
        store: Store,
        namespace: str | None,
        *,
        watch_seconds: int,
    ) -> None:
        self._kube = kube
        self._session = session
        self._url = host + PODS.path(namespace)
        self._store = store
        self._namespace = namespace
        self._query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": POD_SELECTOR,
            "timeoutSeconds": str(watch_seconds),
        }
        self._version = ""
        """Of the last thing that was seen; "": a list has to come first."""
        self._told = ""

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except Expired:
                self._version = ""
            except (aiohttp.ClientError, KubeError, OSError, TimeoutError) as error:
                self._tell(str(error) or type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _list(self) -> None:
        listing = await self._kube.listing(PODS, self._namespace, labels=POD_SELECTOR, trim=trimmed)
        self._store.replace_all(PODS, listing, self._namespace)
        self._version = str(listing.version)

    async def _watch(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=INACTIVITY_SECONDS)
        query = {**self._query, "resourceVersion": self._version}
        async with self._session.get(self._url, params=query, timeout=timeout) as response:
            if response.status != 200:
                raise error_of(response.status, await response.read(), response.headers, "the watch of pods")
            self._told = ""
            async for line in response.content:
                self._see(json.loads(line))

    def _see(self, event: Object) -> None:
        happened, pod = event["type"], event["object"]
        if happened == "ERROR":
            raise error_of(pod.get("code", 500), json.dumps(pod).encode(), {}, "the watch of pods")
        if happened == "DELETED":
            self._store.note_deleted(PODS, pod)
        elif happened != "BOOKMARK":
            self._store.put(PODS, pod)
        self._version = pod["metadata"]["resourceVersion"]

    def _tell(self, trouble: str) -> None:
        if trouble != self._told:
            self._told = trouble
            _logger.warning("the watch of pods is tried again: %s", trouble)
