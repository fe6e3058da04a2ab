"""A bound on computations that somebody else has written: schemas with their patterns, references and lists."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooLongError(Exception):
    """It was given up."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Give up what is computed inside after so long; no other task of the event loop runs meanwhile.

    A signal, because it reaches even a regular expression, which lets neither threads nor tasks have a turn. Signals
    are the main thread's: in another one there is no limit.

    Raises:
        TooLongError: it took longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _give_up)
    timer_before = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer_before)


def _give_up(_number: int, _frame: FrameType | None) -> None:
    raise TooLongError
