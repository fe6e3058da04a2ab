"""How the operator's process ends."""

from __future__ import annotations

from enum import IntEnum


class OperatorExit(IntEnum):
    """Exit codes. Anything but 0 comes with a sentence on the error output."""

    OK = 0
    """It was asked to stop, and its Lease is released."""

    FAILED = 1
    """A setting is wrong, or something happened that should not."""

    LEASE_LOST = 3
    """Another replica leads, or may soon, because the Lease could not be renewed."""

    WATCHES_ENDED = 4
    """The watches ended by themselves."""
