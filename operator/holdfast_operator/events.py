"""Events about objects, for `kubectl describe`. Best effort: what cannot be posted is dropped and counted.

The same Event again within some minutes is counted in the one that is there.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from holdfast_operator.kinds import EVENTS, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import AlreadyExists, KubeError, NotFound
from holdfast_operator.metrics import Metrics

_logger = logging.getLogger("holdfast.operator")

CONTROLLER = "holdfast.dev/operator"
CAPACITY = 1000
"""How many Events may wait to be posted."""
REMEMBERED = 4000
"""How many posted Events can be counted again."""
SERIES_SECONDS = 360.0
"""An Event that comes again within this time is counted in the earlier one."""
NOTE_BYTES = 1024
"""How much the API takes of a note, in UTF-8."""

EventType = Literal["Normal", "Warning"]


class _What(NamedTuple):
    uid: str
    type: EventType
    reason: str
    note: str


@dataclass
class _Pending:
    regarding: dict[str, Any]
    first: datetime
    last: datetime
    count: int = 1


@dataclass(frozen=True)
class _Posted:
    name: str
    count: int
    until: float


class Events:
    """Posts Events in the background.

    Args:
        kube: posts them.
        metrics: counts what is dropped.
        identity: who this process is.
    """

    def __init__(self, kube: Kube, metrics: Metrics, identity: str) -> None:
        self._kube = kube
        self._metrics = metrics
        self._identity = identity[:128]
        self._pending: OrderedDict[_What, _Pending] = OrderedDict()
        self._posted: OrderedDict[_What, _Posted] = OrderedDict()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def post(self, regarding: Object, type: EventType, reason: str, note: str) -> None:
        """Tell about an object; returns at once.

        Args:
            regarding: the object.
            type: "Warning" for what somebody may have to look after.
            reason: one word in CamelCase.
            note: a sentence.
        """
        what = _What(regarding["metadata"]["uid"], type, reason, _cut(note))
        now = datetime.now(UTC)
        pending = self._pending.get(what)
        if pending is not None:
            pending.count += 1
            pending.last = now
        elif len(self._pending) >= CAPACITY:
            self._metrics.events_dropped.inc()
        else:
            self._pending[what] = _Pending(_reference(regarding), now, now)
            self._wake.set()

    def start(self) -> None:
        """Begin to post, in the background."""
        self._task = asyncio.create_task(self._post_forever(), name="holdfast events")

    async def stop(self, seconds: float = 2.0) -> None:
        """Post what waits, for so long at most, and end. May come twice, or before `start`."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            async with asyncio.timeout(seconds):
                await self._post_pending()
        except TimeoutError:
            self._metrics.events_dropped.inc(len(self._pending))

    async def _post_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._post_pending()

    async def _post_pending(self) -> None:
        while self._pending:
            what, pending = self._pending.popitem(last=False)
            try:
                await self._post(what, pending)
            except KubeError as error:
                self._metrics.events_dropped.inc()
                _logger.debug("an Event was dropped: %s", error.message)
            except Exception:
                self._metrics.events_dropped.inc()
                _logger.exception("an Event could not be posted")

    async def _post(self, what: _What, pending: _Pending) -> None:
        earlier = self._posted.pop(what, None)
        now = asyncio.get_running_loop().time()
        if earlier is not None and now < earlier.until:
            try:
                await self._count(what, pending, earlier, now)
                return
            except NotFound:
                pass  # it was cleaned up
        name = _name(pending.regarding["name"], what, pending.first)
        try:
            await self._kube.create(EVENTS, pending.regarding["namespace"], self._event(name, what, pending))
        except AlreadyExists:
            return
        self._remember(what, _Posted(name, pending.count, now + SERIES_SECONDS))

    async def _count(self, what: _What, pending: _Pending, earlier: _Posted, now: float) -> None:
        count = earlier.count + pending.count
        series = {"series": _series(count, pending.last)}
        await self._kube.patch(EVENTS, pending.regarding["namespace"], earlier.name, series)
        self._remember(what, _Posted(earlier.name, count, now + SERIES_SECONDS))

    def _remember(self, what: _What, posted: _Posted) -> None:
        self._posted[what] = posted
        while len(self._posted) > REMEMBERED:
            self._posted.popitem(last=False)

    def _event(self, name: str, what: _What, pending: _Pending) -> dict[str, Any]:
        event: dict[str, Any] = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.name,
            "metadata": {"name": name, "namespace": pending.regarding["namespace"]},
            "eventTime": _time(pending.first),
            "reportingController": CONTROLLER,
            "reportingInstance": self._identity,
            "action": what.reason,
            "reason": what.reason,
            "regarding": pending.regarding,
            "note": what.note,
            "type": what.type,
        }
        if pending.count > 1:
            event["series"] = _series(pending.count, pending.last)
        return event


def _reference(object: Object) -> dict[str, Any]:
    metadata = object["metadata"]
    return {
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def _cut(note: str) -> str:
    return note.encode()[:NOTE_BYTES].decode(errors="ignore")


def _series(count: int, last: datetime) -> dict[str, Any]:
    return {"count": count, "lastObservedTime": _time(last)}


def _name(regarding: str, what: _What, first: datetime) -> str:
    digest = hashlib.sha256(repr((what, first)).encode()).hexdigest()
    return f"{regarding[:230]}.{digest[:16]}"


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
