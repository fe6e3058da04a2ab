"""Counts, as the API server tells of them, the runs and pods of one measurement."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.cluster.watching import changes
from holdfast.contract import labels
from holdfast_operator.kinds import PODS, TASK_RUNS, Object


class Census:
    """What was seen so far.

    Attributes:
        pods_made: how many pods each run has had.
        pods_there: pods that were not deleted yet.
        phases: of the TaskRuns.
    """

    def __init__(self) -> None:
        self.pods_made: Counter[str] = Counter()
        self.pods_there: set[str] = set()
        self.phases: dict[str, str] = {}
        self._in_phase: Counter[str] = Counter()
        self._error: BaseException | None = None
        self._changed = asyncio.Condition()

    def count(self, phase: str) -> int:
        """How many TaskRuns are in this phase."""
        return self._in_phase[phase]

    async def until_all(self, count: int, phase: str) -> None:
        """Wait until so many TaskRuns are in this phase."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._error is not None or self.count(phase) >= count)
        self._check()

    async def until_no_pods(self) -> None:
        """Wait until all pods are deleted."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._error is not None or not self.pods_there)
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise RuntimeError("a watch of the census ended") from self._error

    async def fail(self, error: BaseException) -> None:
        """Whoever waits has to know that nothing more is counted."""
        async with self._changed:
            self._error = error
            self._changed.notify_all()

    async def see_pod(self, happened: str, pod: Object) -> None:
        """Take note of a change of a pod."""
        uid, run = pod["metadata"]["uid"], pod["metadata"]["labels"][labels.RUN]
        async with self._changed:
            if happened == "ADDED":
                self.pods_made[run] += 1
                self.pods_there.add(uid)
            elif happened == "DELETED":
                self.pods_there.discard(uid)
                if not self.pods_there:
                    self._changed.notify_all()

    async def see_run(self, task_run: Object) -> None:
        """Take note of a change of a TaskRun."""
        name, phase = task_run["metadata"]["name"], task_run.get("status", {}).get("phase", "")
        async with self._changed:
            if self.phases.get(name) != phase:
                self._in_phase[self.phases.get(name, "")] -= 1
                self._in_phase[phase] += 1
                self.phases[name] = phase
                self._changed.notify_all()


@asynccontextmanager
async def running_census(kubeconfig: Path, namespace: str) -> AsyncIterator[Census]:
    """A census that goes on until the end of the context."""
    census = Census()

    async def pods() -> None:
        async for happened, pod in changes(kubeconfig, PODS, namespace, labels=labels.RUN):
            await census.see_pod(happened, pod)

    async def task_runs() -> None:
        async for _, task_run in changes(kubeconfig, TASK_RUNS, namespace):
            await census.see_run(task_run)

    async def watched(watch: Callable[[], Awaitable[None]]) -> None:
        try:
            await watch()
        except Exception as error:
            await census.fail(error)

    tasks = [asyncio.create_task(watched(watch)) for watch in (pods, task_runs)]
    try:
        yield census
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
