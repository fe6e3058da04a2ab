"""Everything goes wrong at once, for a bounded time: pods, the operator and PostgreSQL are hit at random."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from random import Random

from tests.cluster.installation import SYSTEM
from tests.cluster.node_scene import NodeScene
from tests.cluster.rig.errors import RigError

Strike = Callable[[], Awaitable[None]]

#: Between two strikes at the operator or PostgreSQL; pods are hit all the time in between.
GREAT_STRIKES_EVERY_SECONDS = 10.0
LONGEST_CALM_SECONDS = 1.0
MOST_REPORTS_OF_A_CALM = 10
SILENCE_SECONDS = 2.0


class Storm:
    """Strikes a scene.

    Args:
        scene: whose pods are hit, and whose installation.
        random: chooses; the same seed gives the same strikes in the same order.

    Attributes:
        struck: how often what was hit.
    """

    def __init__(self, scene: NodeScene, random: Random) -> None:
        self.struck: Counter[str] = Counter()
        self._scene = scene
        self._random = random
        self._at_pods: dict[Strike, int] = {
            self.kill_a_process: 4,
            self.delete_a_pod: 3,
            self.delete_a_pod_by_force: 1,
            self.evict_a_pod: 2,
        }
        self._great = self._shuffled_for_ever(
            self.kill_the_leader, self.delete_an_operator, self.kill_postgres, self.keep_postgres_down
        )

    async def rage(self, seconds: float) -> None:
        """Strike for so long."""
        end = time.monotonic() + seconds
        next_great = time.monotonic() + GREAT_STRIKES_EVERY_SECONDS / 2
        while (now := time.monotonic()) < end:
            is_great = now >= next_great
            if is_great:
                next_great += GREAT_STRIKES_EVERY_SECONDS
            strike = next(self._great) if is_great else self._at_a_pod()
            try:
                await strike()
                self.struck[strike.__name__] += 1
            except RigError:
                self.struck["missed"] += 1  # what was aimed at had gone by itself
            await self._calm()

    async def kill_a_process(self) -> None:
        """SIGKILL to a runner."""
        await self._scene.kill(await self._a_pod())

    async def delete_a_pod(self) -> None:
        """What `kubectl delete pod` does: SIGTERM first."""
        await self._scene.kubectl("delete", "pod", await self._a_pod(), "--wait=false")

    async def delete_a_pod_by_force(self) -> None:
        """The pod is gone at once, its process a little later."""
        await self._scene.kubectl("delete", "pod", await self._a_pod(), "--grace-period=0", "--force", "--wait=false")

    async def evict_a_pod(self) -> None:
        """Through the API, with little time to leave."""
        await self._scene.evict(await self._a_pod())

    async def kill_the_leader(self) -> None:
        """SIGKILL to the operator that leads."""
        installation = self._scene.installation
        await installation.node.kill(await installation.leader(), namespace=SYSTEM)

    async def delete_an_operator(self) -> None:
        """Any of the two: the one that leads hands over, or the one that would take over is gone."""
        installation = self._scene.installation
        operator = self._random.choice(sorted(await installation.operators()))
        await installation.system("delete", "pod", operator, "--wait=false")

    async def kill_postgres(self) -> None:
        """It is started again at once, and recovers."""
        await self._scene.installation.kill_postgres()

    async def keep_postgres_down(self) -> None:
        """Until nobody has anything to report any more."""
        try:
            await self._scene.installation.kill_postgres(keep_down=True)
            while await self._is_reported_within(1, SILENCE_SECONDS):
                pass
        finally:  # also where the server had just died by itself, so that there was nothing to kill
            await self._scene.installation.let_postgres_up()

    async def _a_pod(self) -> str:
        pods = await self._scene.kubectl.list_all("pods", "-l", "holdfast.dev/run")
        live: list[str] = sorted(
            pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] in ("Pending", "Running")
        )
        if not live:
            raise RigError("no pod lives")
        return self._random.choice(live)

    async def _calm(self) -> None:
        """Let some steps go by; but the storm does not wait for those that come no more."""
        await self._is_reported_within(self._random.randint(1, MOST_REPORTS_OF_A_CALM), LONGEST_CALM_SECONDS)

    async def _is_reported_within(self, count: int, seconds: float) -> bool:
        witness = self._scene.witness
        try:
            async with asyncio.timeout(seconds):
                await witness.until(len(witness.reports) + count)
        except TimeoutError:
            return False
        return True

    def _at_a_pod(self) -> Strike:
        (strike,) = self._random.choices(list(self._at_pods), list(self._at_pods.values()))
        return strike

    def _shuffled_for_ever(self, *strikes: Strike) -> Iterator[Strike]:
        while True:
            yield from self._random.sample(strikes, len(strikes))
