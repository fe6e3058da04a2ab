"""Lists everything from time to time, because watches miss things.

Above all deletions, and whatever a dead watch would have told.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence

from holdfast.domain.errors import UnavailableError
from holdfast.protocol.refusals import is_passing
from holdfast_engine.backoff import Backoff
from holdfast_operator.health import Pulse
from holdfast_operator.kinds import PODS, WATCHED, Kind, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import KubeError
from holdfast_operator.metrics import Metrics
from holdfast_operator.objects import key_of, uid_of, version_of
from holdfast_operator.pod_selector import POD_SELECTOR
from holdfast_operator.store import Store
from holdfast_operator.trim import trimmed

_logger = logging.getLogger("holdfast.operator")

JITTER = 0.1


class Sweep:
    """Compares the store with the cluster.

    Args:
        kube: lists.
        store: is corrected; it tells of each correction as of any other change.
        namespaces: where to list; ``None`` among them: everywhere.
        metrics: counts the corrections.
        pulse: beats after each complete sweep.
        afterwards: called at the end of each sweep but the first: compares what else there is to compare.
    """

    def __init__(
        self,
        kube: Kube,
        store: Store,
        namespaces: Sequence[str | None],
        metrics: Metrics,
        pulse: Pulse,
        afterwards: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._kube = kube
        self._store = store
        self._namespaces = namespaces
        self._metrics = metrics
        self._pulse = pulse
        self._afterwards = afterwards
        self._is_first = True

    async def run_once(self) -> int:
        """Sweep once; returns how many objects were news.

        Raises:
            KubeError: something could not be listed; what was listed before is in the store.
        """
        corrections = 0
        for kind in WATCHED:
            for namespace in self._namespaces:
                corrections += await self._sweep(kind, namespace)
        if not self._is_first:
            await self._compare()
        self._is_first = False
        self._pulse.beat()
        return corrections

    async def run_first(self) -> None:
        """Sweep until it succeeds once, for a store that begins empty; nothing else is compared yet."""
        await self._until_it_succeeds(self.run_once)

    async def run_forever(self, interval_seconds: float) -> None:
        """Compare at once what else there is to compare, and sweep every ``interval_seconds``, give or take a tenth."""
        await self._until_it_succeeds(self._compare)
        while True:
            await asyncio.sleep(interval_seconds * random.uniform(1 - JITTER, 1 + JITTER))
            await self._until_it_succeeds(self.run_once)

    async def _compare(self) -> None:
        for compare in self._afterwards:
            await compare()

    async def _until_it_succeeds(self, step: Callable[[], Awaitable[object]]) -> None:
        backoff = Backoff()
        told = ""
        while True:
            try:
                await step()
                return
            except Exception as error:
                if not isinstance(error, (KubeError, UnavailableError)) and not is_passing(error):
                    _logger.exception("the sweep failed; it is tried again")
                elif str(error) != told:
                    told = str(error)
                    _logger.warning("the sweep is tried again: %s", told)
            await asyncio.sleep(backoff.next_seconds())

    async def _sweep(self, kind: Kind, namespace: str | None) -> int:
        labels = POD_SELECTOR if kind == PODS else None
        listing = await self._kube.listing(kind, namespace, labels=labels, trim=self._kept)
        changed = self._store.replace_all(kind, listing, namespace)
        if changed and not self._is_first:
            self._metrics.sweep_corrections.labels(kind.name).inc(len(changed))
            _logger.info("the sweep found %d changes of %s that no watch had told yet", len(changed), kind.plural)
        return len(changed)

    def _kept(self, kind: Kind, object: Object) -> Object:
        """What the store keeps of an object: the very thing that it has, unless this is news."""
        key = key_of(kind, object)
        seen = self._store.get(kind, key.namespace, key.name)
        if seen is not None and uid_of(seen) == uid_of(object) and version_of(seen) >= version_of(object):
            return seen
        return trimmed(kind, object)
