"""The attempt's second thread leaves nothing behind; warnings of what it left open are errors."""

from __future__ import annotations

import asyncio
import gc
from uuid import UUID

from holdfast.protocol.connection import Connection
from holdfast.protocol.messages import Identity
from holdfast.runtime.lifeline import Lifeline


def _lifeline() -> Lifeline:
    return Lifeline(Connection("postgresql://nowhere"), Identity(UUID(int=1), 1, bytes(32)), 1.0)


def test_unused_it_leaves_nothing_open() -> None:
    lifeline = _lifeline()
    lifeline.close()
    del lifeline
    gc.collect()


def test_used_it_closes_what_it_opened() -> None:
    lifeline = _lifeline()
    assert lifeline.run(lambda: asyncio.sleep(0, result="done")) == "done"
    lifeline.close()
    lifeline.close()
    del lifeline
    gc.collect()
