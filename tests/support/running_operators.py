"""The whole operator in this process, on a real API server and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from holdfast_operator.duties import duties
from holdfast_operator.operator import Operator
from holdfast_operator.settings import OperatorSettings


@asynccontextmanager
async def running_operator(kubeconfig: Path, database: str, namespace: str, **settings: Any) -> AsyncIterator[Operator]:
    """An operator for one namespace; it fails the test if it ends by itself."""
    wanted = {
        "database": database,
        "namespaces": (namespace,),
        "lease_namespace": namespace,
        "listen": "127.0.0.1:0",
        "pod_retention_seconds": 0,
        **settings,
    }
    operator = Operator(OperatorSettings(**wanted), duties, kubeconfig)
    operator.keep_signals = lambda: None  # type: ignore[method-assign]  # the test's own signal handlers stay
    running = asyncio.create_task(operator.run())
    try:
        yield operator
        assert not running.done(), running.exception()
    finally:
        operator.request_stop()
        await asyncio.wait([running])
    running.result()
