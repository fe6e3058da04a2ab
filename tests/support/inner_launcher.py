"""A launcher whose attempts are asyncio tasks of this process, where a thousand cost little."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from holdfast.contract.environment import AttemptEnvironment
from holdfast.protocol.shared import SharedConnections
from holdfast.runtime.attempt import Attempt
from holdfast_engine.launcher import AttemptId, Exit, Launch
from tests.support.runs import LAUNCHER


class InnerLauncher:
    """See `Launcher`. Nothing outlives it, so there is nothing to adopt."""

    name = LAUNCHER

    def __init__(self, runner_dsn: str, *, at_once: int = 20) -> None:
        self._connections = SharedConnections(runner_dsn, size=2)
        self._at_once = at_once
        self._attempts: dict[AttemptId, asyncio.Task[None]] = {}
        self._exits: dict[AttemptId, Exit] = {}
        self._on_exit: Callable[[], None] = lambda: None

    async def start(self, on_exit: Callable[[], None]) -> None:
        self._on_exit = on_exit

    async def launch(self, launch: Launch) -> None:
        if launch.id not in self._attempts and launch.id not in self._exits:
            self._attempts[launch.id] = asyncio.create_task(self._run(launch))

    async def stop(self, id: AttemptId, grace_seconds: float) -> None:
        if id in self._attempts:
            self._attempts[id].cancel()

    def capacity(self) -> int:
        return self._at_once - len(self._attempts)

    def live(self) -> Collection[AttemptId]:
        return self._attempts.keys()

    async def look(self) -> None:
        pass

    def exits(self) -> Sequence[Exit]:
        return tuple(self._exits.values())

    async def release(self, id: AttemptId) -> None:
        self._exits.pop(id, None)

    async def drain(self, grace_seconds: float) -> None:
        await asyncio.gather(*self._attempts.values())

    async def aclose(self) -> None:
        await self._connections.close()

    async def _run(self, launch: Launch) -> None:
        environment = AttemptEnvironment(
            database=launch.database,
            run_id=launch.id.run_id,
            attempt=launch.id.attempt,
            token=launch.token,
            entrypoint=launch.entrypoint,
        )
        try:
            code = await Attempt(environment, owns_process=False, database=self._connections).run()
            self._exits[launch.id] = Exit(id=launch.id, exit_code=code)
        finally:
            del self._attempts[launch.id]
            self._on_exit()
