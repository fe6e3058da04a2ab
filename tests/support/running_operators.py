"""The whole operator in this process, on a real API server and a real database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from holdfast_operator.duties import duties
from holdfast_operator.operator import Operator
from holdfast_operator.settings import OperatorSettings


@asynccontextmanager
async def running_operator(kubeconfig: Path, database: str, namespace: str, **settings: Any) -> AsyncIterator[None]:
    """An operator for one namespace; it fails the test if it ends by itself.

    It has a thread and an event loop of its own: kopf, when it ends, cancels every task of its loop that came after it.
    """
    wanted = {
        "database": database,
        "namespaces": (namespace,),
        "lease_namespace": namespace,
        "listen": "127.0.0.1:0",
        "pod_retention_seconds": 0,
        **settings,
    }
    thread = _OperatorThread(kubeconfig, OperatorSettings(**wanted))
    thread.start()
    try:
        yield
        assert thread.is_alive(), thread.error
    finally:
        await asyncio.to_thread(thread.stop)
    if thread.error is not None:
        raise thread.error


class _OperatorThread(threading.Thread):
    """An operator until it is stopped."""

    def __init__(self, kubeconfig: Path, settings: OperatorSettings) -> None:
        super().__init__(name="operator", daemon=True)
        self._kubeconfig = kubeconfig
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._operator: Operator | None = None
        self._made = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """The thread."""
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self.error = error
        finally:
            self._made.set()

    def stop(self) -> None:
        """Stop the operator and wait until it has ended."""
        self._made.wait()
        if self._loop is not None and self._operator is not None and self.is_alive():
            self._loop.call_soon_threadsafe(self._operator.request_stop)
        self.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._operator = Operator(self._settings, duties, self._kubeconfig)
        self._operator.keep_signals = lambda: None  # type: ignore[method-assign]  # signals are the main thread's
        self._made.set()
        await self._operator.run()
