"""Puts the clock of this Python wrong by ``CLOCK_WRONG_BY_SECONDS``: on the path of a process, it is imported first."""

from __future__ import annotations

import datetime
import os
import time
from typing import Any

_OFF_SECONDS = int(os.environ["CLOCK_WRONG_BY_SECONDS"])
_real_time, _real_time_ns = time.time, time.time_ns
_real_datetime = datetime.datetime


class _Kind(type(_real_datetime)):  # type: ignore[misc]  # the type of a type
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real_datetime)


class _WrongDatetime(_real_datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return _real_datetime.now(tz) + datetime.timedelta(seconds=_OFF_SECONDS)


time.time = lambda: _real_time() + _OFF_SECONDS
time.time_ns = lambda: _real_time_ns() + _OFF_SECONDS * 10**9
datetime.datetime = _WrongDatetime  # type: ignore[misc]  # for whoever imports it from now on
