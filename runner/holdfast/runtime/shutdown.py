"""SIGTERM and SIGINT: hand over. Steps that run may finish within the grace; the next attempt goes on from there."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.domain.errors import AttemptDisrupted
from holdfast.runtime.heartbeat import Heartbeat
from holdfast.runtime.session import Session

_RESERVE_SECONDS = 2.0
"""Kept of the grace to report the end."""


@contextmanager
def on_shutdown_signal(session: Session, heartbeat: Heartbeat, grace_seconds: float) -> Iterator[None]:
    """Let the signals drain the session while the context is open; a second signal stops it at once."""
    loop = asyncio.get_running_loop()

    def stop(name: str) -> None:
        session.departure.stop(AttemptDisrupted(f"the process was asked to stop ({name})"))

    def hand_over(name: str) -> None:
        if session.departure.is_draining:
            stop(name)
            return
        # it may be because of a cancel: if the answer comes before the end, the author's code hears of that
        heartbeat.beat_now()
        loop.call_later(max(0.0, grace_seconds - _RESERVE_SECONDS), stop, name)
        session.departure.drain(AttemptDisrupted(f"the process was asked to stop ({name})"))

    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, hand_over, number.name)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
