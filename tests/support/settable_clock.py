"""A clock that stands still until a test sets it, and the alarms that are set by it."""

from __future__ import annotations

from collections.abc import Callable


class SettableAlarm:
    """A call that will come when the clock is set past its time."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self._when = when
        self.callback = callback
        self.is_canceled = False

    def cancel(self) -> None:
        self.is_canceled = True

    def when(self) -> float:
        return self._when


class SettableClock:
    """What `WorkQueue` needs of an event loop's clock."""

    def __init__(self) -> None:
        self._now = 1000.0
        self.alarms: list[SettableAlarm] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None], /) -> SettableAlarm:
        alarm = SettableAlarm(when, callback)
        self.alarms.append(alarm)
        return alarm

    def advance(self, seconds: float) -> None:
        """Let time pass: alarms ring in order, each at its own time."""
        until = self._now + seconds
        while due := [alarm for alarm in self.pending if alarm.when() <= until]:
            alarm = min(due, key=SettableAlarm.when)
            self.alarms.remove(alarm)
            self._now = max(self._now, alarm.when())
            alarm.callback()
        self._now = until

    @property
    def pending(self) -> list[SettableAlarm]:
        """The alarms that will ring."""
        return [alarm for alarm in self.alarms if not alarm.is_canceled]
