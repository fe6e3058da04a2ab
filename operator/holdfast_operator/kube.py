"""A thin client of the Kubernetes API that speaks parsed JSON.

The generated models cost nine times the processor time and drop fields that they do not know, so only the transport
and the credentials of the official client are used.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client import ApiClient

from holdfast_operator.client_metrics import ClientMetrics
from holdfast_operator.faults import reach
from holdfast_operator.kinds import Kind, Object
from holdfast_operator.kube_errors import (
    Conflict,
    Expired,
    KubeError,
    NotFound,
    Throttled,
    error_of,
    no_answer,
)
from holdfast_operator.listing import Listing
from holdfast_operator.trim import without_managed_fields

REQUEST_TIMEOUT_SECONDS = 30.0
PAGE_SIZE = 100
"""Of a list. A page is parsed as a whole, which takes five times its text: three megabytes for a hundred pods."""
THROTTLED_TRIES = 4
LONGEST_RETRY_AFTER_SECONDS = 10.0
LIST_TRIES = 3

_OTHER_UID = re.compile(r"UID in (the )?precondition")
"""In the answer to the deletion of an object whose name another one has by now."""

Trim = Callable[[Kind, Object], Object]
"""Makes a smaller copy of an object."""


class Kube:
    """Reads and writes objects.

    Every method raises `KubeError`, by its subclasses. A request that was throttled is repeated a few times, when the
    API server asks for it; everything else is for the caller, who knows whether it still matters. A write whose answer
    got lost raises `Unavailable` though it may have happened.

    Args:
        client: where the API server is and who is asking; see `api_client`.
        metrics: counts the requests.
        timeout_seconds: how long one request may take. Default 30.
    """

    def __init__(
        self, client: ApiClient, metrics: ClientMetrics, *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._host: str = client.configuration.host

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. May come twice."""
        await self._client.close()  # type: ignore[no-untyped-call]  # the package is typed in part

    async def read(self, path: str) -> Object:
        """What the API server answers at a path that is no object's, such as its discovery.

        Raises:
            NotFound: nothing is there.
        """
        return await self._ask("GET", path)

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """The object as it is now.

        Raises:
            NotFound: there is none.
        """
        return without_managed_fields(kind, await self._ask("GET", kind.path(namespace, quote(name))))

    async def list(self, kind: Kind, namespace: str | None, *, labels: str | None = None) -> list[Object]:
        """All objects of a namespace, or (``None``) of all namespaces, with these labels."""
        return (await self.listing(kind, namespace, labels=labels)).items

    async def listing(
        self, kind: Kind, namespace: str | None, *, labels: str | None = None, trim: Trim = without_managed_fields
    ) -> Listing:
        """The same, with the version of the moment it shows, and each object as ``trim`` leaves it."""
        for tries_left in reversed(range(LIST_TRIES)):
            try:
                return await self._pages(kind, namespace, labels, trim)
            except Expired:
                if not tries_left:
                    raise
        raise AssertionError("unreachable")

    async def create(self, kind: Kind, namespace: str, body: Object) -> Object:
        """Create the object and return it as it was stored.

        Raises:
            AlreadyExists: an object of that name is there.
            QuotaExceeded: a ResourceQuota does not let it in.
            Invalid: it does not fit the schema.
        """
        return await self._write("create", kind.plural, "POST", kind.path(namespace), body)

    async def replace(self, kind: Kind, namespace: str, name: str, body: Object) -> Object:
        """Write the whole object, over exactly the version whose ``metadata.resourceVersion`` the body has.

        Raises:
            Conflict: it is there in another version.
        """
        return await self._write("replace", kind.plural, "PUT", kind.path(namespace, quote(name)), body)

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        """Merge ``body`` into the object (RFC 7396) and return what it has become.

        Args:
            body: with ``metadata.resourceVersion`` it is only merged into that version.
            subresource: "status", to change that and nothing else.

        Raises:
            NotFound: there is none.
            Conflict: it is there in another version.
        """
        what = f"{kind.plural}/{subresource}" if subresource else kind.plural
        path = kind.path(namespace, quote(name), subresource)
        return await self._write("patch", what, "PATCH", path, body, content_type="application/merge-patch+json")

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str | None = None, grace_seconds: int | None = None
    ) -> None:
        """Delete the object. It is no error if it is gone, or if there is another one of the name by now.

        Args:
            uid: delete only the object with this uid.
            grace_seconds: for a pod, between SIGTERM and SIGKILL. Default: as the pod says.
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._write("delete", kind.plural, "DELETE", kind.path(namespace, quote(name)), options)
        except NotFound:
            return
        except Conflict as error:
            if uid is None or not _OTHER_UID.search(error.message):
                raise

    async def _pages(self, kind: Kind, namespace: str | None, labels: str | None, trim: Trim) -> Listing:
        query = {"limit": str(PAGE_SIZE)}
        if labels:
            query["labelSelector"] = labels
        items: list[Object] = []
        while True:
            page = await self._ask("GET", f"{kind.path(namespace)}?{urlencode(query)}")
            items += [trim(kind, item) for item in page["items"] or ()]
            metadata = page["metadata"]
            if not metadata.get("continue"):
                return Listing(items, int(metadata["resourceVersion"]))
            query["continue"] = metadata["continue"]

    async def _write(
        self, verb: str, what: str, method: str, path: str, body: Object, *, content_type: str = "application/json"
    ) -> Object:
        reach(f"before:{verb}:{what}")
        answer = await self._ask(method, path, body, content_type)
        reach(f"after:{verb}:{what}")
        return answer

    async def _ask(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json"
    ) -> Object:
        for tries_left in reversed(range(THROTTLED_TRIES)):
            try:
                return await self._ask_once(method, path, body, content_type)
            except Throttled as error:
                if not tries_left:
                    raise
                self._metrics.repeated(method, error.status)
                await asyncio.sleep(min(error.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))
        raise AssertionError("unreachable")

    async def _ask_once(self, method: str, path: str, body: Object | None, content_type: str) -> Object:
        request = f"{method} {path.partition('?')[0]}"
        headers = {"Accept": "application/json", "Content-Type": content_type, **self._client.default_headers}
        began = time.perf_counter()
        status = 0
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            response = await self._client.rest_client.request(  # type: ignore[no-untyped-call]  # typed in part
                method, self._host + path, headers=headers, body=body, _request_timeout=self._timeout
            )
            status = response.status
            data: bytes = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise no_answer(request, error) from error
        finally:
            self._metrics.answered(method, status, time.perf_counter() - began)
        if status >= 400:
            raise error_of(status, data, response.headers, request)
        return _parsed(data, status, request)


def _parsed(data: bytes, status: int, request: str) -> Mapping[str, Any]:
    try:
        answer: Mapping[str, Any] = json.loads(data)
    except ValueError as error:
        message = f"{request}: the answer is no JSON. Is this the Kubernetes API? It begins with {data[:80]!r}."
        raise KubeError(status, "NotJson", message) from error
    return answer
