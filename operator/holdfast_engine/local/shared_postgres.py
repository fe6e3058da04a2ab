"""The embedded server of a state directory, for several commands at once.

Whoever comes first keeps the server up, the others connect to it. When its keeper leaves or is killed, one of the
others notices the lost connection, takes the lock and starts the server again on the same socket. Runs and their
processes see a database that was away for a moment, which they are made for.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import asyncpg

from holdfast.domain.errors import EmbeddedPostgresError
from holdfast_engine.local.file_lock import FileLock
from holdfast_engine.local.state_directory import StateDirectory
from holdfast_engine.postgres.embedded import EmbeddedPostgres

_RETRY_SECONDS = 0.1
_REACH_TIMEOUT_SECONDS = 60.0

_logger = logging.getLogger("holdfast.local")

_NOT_THERE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class SharedPostgres:
    """Keeps the server of ``state`` reachable while the context lasts.

    Raises:
        EmbeddedPostgresError: the server cannot be started.
        MissingExtraError: the extra ``dev`` is not installed.
    """

    def __init__(self, state: StateDirectory) -> None:
        self._state = state
        self._server = EmbeddedPostgres(state.postgres)
        self._lock = FileLock(state.server_lock)
        self._watcher: asyncio.Task[None] | None = None

    @property
    def dsn(self) -> str:
        """As the superuser. The same for everyone, whoever keeps the server up."""
        return self._server.dsn()

    def dsn_of(self, role: str) -> str:
        """As another role, which needs no password on the socket."""
        return self._server.dsn(role=role)

    async def __aenter__(self) -> Self:
        self._state.create()
        try:
            connection = await self._reach()
        except BaseException:
            await self._leave()
            raise
        self._watcher = asyncio.create_task(self._keep_reaching(connection))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        await self._leave()

    async def _leave(self) -> None:
        try:
            await self._server.stop()
        finally:
            self._lock.release()

    async def _reach(self) -> Any:
        """A connection to the server, which is started if nobody else keeps it up."""
        deadline = asyncio.get_running_loop().time() + _REACH_TIMEOUT_SECONDS
        while True:
            if self._lock.try_take():
                await self._server.start()
            try:
                return await asyncpg.connect(self.dsn)
            except _NOT_THERE as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise EmbeddedPostgresError(
                        f"The server of {self._state.path}, kept up by {self._lock.holder}, cannot be reached: {error}"
                    ) from error
            await asyncio.sleep(_RETRY_SECONDS)

    async def _keep_reaching(self, connection: Any) -> None:
        """Whenever the server is gone, with its keeper or by a crash, see that it comes back."""
        while True:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda *_, lost=lost: lost.set())
            try:
                if not connection.is_closed():
                    await lost.wait()
            finally:
                connection.terminate()
            try:
                connection = await self._reach()
            except EmbeddedPostgresError as error:
                _logger.warning("%s", error)
