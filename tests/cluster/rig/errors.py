"""What the rig cannot do here, and why."""

from __future__ import annotations


class RigError(Exception):
    """The rig failed; the message says at what, and where to read more."""


class Unavailable(RigError):
    """This machine lacks what a rung needs: the message names it."""
