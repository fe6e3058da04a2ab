"""Whether every part of the operator makes progress; a loop that lives proves little."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


class Pulse:
    """The last progress of one part.

    Args:
        name: of the part, for people.
        stall_seconds: how long it may go without progress.
        start_seconds: how long the first progress may take.
        now: the clock, in seconds.
    """

    def __init__(self, name: str, stall_seconds: float, start_seconds: float, now: Callable[[], float]) -> None:
        self.name = name
        #: How long it may go without progress now.
        self.limit_seconds = start_seconds
        self._stall_seconds = stall_seconds
        self._now = now
        self._last = now()

    def beat(self) -> None:
        """There is progress, or nothing to do."""
        self._last = self._now()
        self.limit_seconds = self._stall_seconds

    @property
    def silent_seconds(self) -> float:
        """How long ago the last progress was."""
        return self._now() - self._last


@dataclass(frozen=True)
class Stall:
    """A part without progress."""

    name: str
    silent_seconds: float
    limit_seconds: float

    def __str__(self) -> str:
        return f"{self.name}: no progress for {self.silent_seconds:.0f} s; {self.limit_seconds:.0f} s are allowed"


class Health:
    """The pulses of all parts that have started.

    Args:
        now: the clock, in seconds. Default: the monotonic one.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._pulses: dict[str, Pulse] = {}
        self._checks: list[Callable[[], None]] = []
        #: Why it is not ready yet; "" if it is.
        self.not_ready = "starting"

    def pulse(self, name: str, stall_seconds: float, *, start_seconds: float | None = None) -> Pulse:
        """The pulse of a part; the first call begins to watch over it.

        Args:
            name: of the part, for people.
            stall_seconds: how long it may go without progress.
            start_seconds: how long the first progress may take. Default: as long as any other.
        """
        if name not in self._pulses:
            first_seconds = stall_seconds if start_seconds is None else start_seconds
            self._pulses[name] = Pulse(name, stall_seconds, first_seconds, self._now)
        return self._pulses[name]

    def before_check(self, look: Callable[[], None]) -> None:
        """Call ``look`` before each check: for a part that is idle and has to say so."""
        self._checks.append(look)

    def stalls(self) -> list[Stall]:
        """The parts without progress for longer than they may."""
        for look in self._checks:
            look()
        return [
            Stall(pulse.name, pulse.silent_seconds, pulse.limit_seconds)
            for pulse in self._pulses.values()
            if pulse.silent_seconds > pulse.limit_seconds
        ]

    def report(self) -> str:
        """One line per part, for people."""
        lines = (
            f"{pulse.name}: {pulse.silent_seconds:.1f} s ago (at most {pulse.limit_seconds:.0f} s)"
            for pulse in self._pulses.values()
        )
        return "\n".join(lines) + "\n"
