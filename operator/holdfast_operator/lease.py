"""Leadership: of all replicas, the one that holds the Lease acts.

A leader that could not renew the Lease ends before another one may take it, because it cannot know whether the API
server answers the others. Two leaders for a moment, one of which slept, do no harm: names of pods are deterministic,
writes name the version they expect, and the database fences attempts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NoReturn

from holdfast.domain.errors import HoldfastError
from holdfast_operator.kinds import LEASES, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import AlreadyExists, Conflict, KubeError, NotFound
from holdfast_operator.lease_rules import Sight, fresh, leads_until, look, may_take, released, taken

_logger = logging.getLogger("holdfast.operator")

LOOK_SECONDS = 2.0
"""Between two looks of a replica that waits, or two tries of a leader whose renewal failed."""
REQUEST_TIMEOUT_SECONDS = 5.0
"""For the client that a Lease is given: a request that hangs must not outlast the Lease."""


class LeaseLostError(HoldfastError):
    """Another replica leads, or may do so soon."""


class Lease:
    """A Lease that this process may hold.

    Args:
        kube: with a timeout well below the duration.
        namespace: of the Lease.
        name: of the Lease.
        identity: who this process is; no other process may have it.
        duration_seconds: how long a leader that is not heard of remains the leader.
        renew_seconds: between two signs of life.
        on_answer: called whenever the API server answered something about the Lease.
    """

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration_seconds: int = 15,
        renew_seconds: float = 5.0,
        on_answer: Callable[[], None] = lambda: None,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._duration_seconds = duration_seconds
        self._renew_seconds = renew_seconds
        self._on_answer = on_answer
        self._sight: Sight | None = None
        self._leads_until = time.monotonic()
        self._trouble = ""

    @property
    def holder(self) -> str:
        """Who led when it was last looked at; "" if nobody did."""
        return self._sight.holder if self._sight else ""

    async def acquire(self) -> None:
        """Wait until this process leads."""
        waits_for = ""
        while not await self._tried(self._try_to_take):
            if self.holder and self.holder != waits_for:
                waits_for = self.holder
                _logger.info("standing by: %s leads (Lease %s/%s)", waits_for, self._namespace, self._name)
            await asyncio.sleep(self._seconds_to_next_look())
        _logger.info("%s leads (Lease %s/%s)", self._identity, self._namespace, self._name)

    async def hold(self) -> NoReturn:
        """Go on leading, for as long as that is possible.

        Raises:
            LeaseLostError: another replica leads, or the Lease could not be renewed for so long that one may soon.
        """
        while True:
            try:
                async with asyncio.timeout(self._left_seconds()):
                    has_renewed = await self._tried(self._renew)
            except TimeoutError:
                self._give_up()
            await asyncio.sleep(self._renew_seconds if has_renewed else min(LOOK_SECONDS, self._left_seconds()))

    def _left_seconds(self) -> float:
        """For how long this process leads still if it cannot renew."""
        return max(0.0, self._leads_until - time.monotonic())

    async def release(self) -> None:
        """Let another replica lead at once. Does nothing if this one does not lead; never fails."""
        try:
            while self._sight is not None and self._sight.holder == self._identity:
                if await self._is_released(self._sight):
                    break
                await self._look(time.monotonic())  # a renewal had just been sent when it was told to stop
        except KubeError as error:
            _logger.warning("the Lease could not be released, and runs out by itself: %s", error.message)
        self._sight = None

    async def _is_released(self, sight: Sight) -> bool:
        try:
            await self._kube.replace(LEASES, self._namespace, self._name, released(sight.lease, datetime.now(UTC)))
        except Conflict:
            return False
        return True

    async def _try_to_take(self) -> bool:
        now = time.monotonic()
        try:
            sight = await self._look(now)
            if not may_take(sight, self._identity, now):
                return False
            await self._write(sight)
        except NotFound:
            lease = fresh(self._name, self._identity, self._duration_seconds, datetime.now(UTC))
            asked = time.monotonic()
            self._note_ours(await self._kube.create(LEASES, self._namespace, lease), asked)
        return True

    async def _renew(self) -> bool:
        assert self._sight is not None, "acquire() comes first"
        try:
            await self._write(self._sight)
            return True
        except (Conflict, NotFound):
            pass  # a renewal whose answer got lost, somebody else's, or the Lease was deleted
        try:
            self._check_ours(await self._look(time.monotonic()))
        except NotFound:
            return await self._try_to_take()
        return False

    async def _write(self, sight: Sight) -> None:
        lease = taken(sight.lease, self._identity, self._duration_seconds, datetime.now(UTC))
        asked = time.monotonic()
        self._note_ours(await self._kube.replace(LEASES, self._namespace, self._name, lease), asked)

    def _note_ours(self, lease: Object, asked: float) -> None:
        self._sight = Sight(lease, time.monotonic())
        self._leads_until = leads_until(asked, self._duration_seconds)

    async def _look(self, now: float) -> Sight:
        self._sight = look(self._sight, await self._kube.get(LEASES, self._namespace, self._name), now)
        return self._sight

    def _check_ours(self, sight: Sight) -> None:
        if sight.holder != self._identity:
            raise LeaseLostError(
                f"{self._identity} leads no more: the Lease {self._namespace}/{self._name} belongs to "
                f"{sight.holder or 'nobody'}. This process ends; started again, it stands by."
            )

    def _give_up(self) -> NoReturn:
        self._sight = None  # nothing to release: it may be another one's by the time that is read
        trouble = f" ({self._trouble})" if self._trouble else ""
        raise LeaseLostError(
            f"{self._identity} leads no more: the Lease {self._namespace}/{self._name} could not be renewed for "
            f"{leads_until(0, self._duration_seconds):.0f} s{trouble}, and another replica may take it soon. This "
            "process ends; started again, it stands by."
        )

    async def _tried(self, attempt: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it worked; what went wrong is logged once."""
        try:
            result = await attempt()
        except (AlreadyExists, Conflict):
            self._on_answer()
            return False
        except KubeError as error:
            if error.status:
                self._on_answer()
            if self._trouble != error.message:
                self._trouble = error.message
                _logger.warning("the Lease %s/%s: %s", self._namespace, self._name, error.message)
            return False
        self._trouble = ""
        self._on_answer()
        return result

    def _seconds_to_next_look(self) -> float:
        if self._sight is None:
            return LOOK_SECONDS
        until_expiry = self._sight.expires - time.monotonic()
        return min(LOOK_SECONDS, until_expiry) if until_expiry > 0 else LOOK_SECONDS / 2
