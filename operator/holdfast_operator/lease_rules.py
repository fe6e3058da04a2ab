"""Who leads, and until when: pure rules about the Lease.

As in client-go, a Lease has run out when it was *seen* unchanged for its duration: the times written in it come from
other machines' clocks and are for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from holdfast_operator.kinds import LEASES, Object

DEFAULT_DURATION_SECONDS = 15
LEADS_FOR = 2 / 3
"""The part of the duration after which a leader that could not renew leads no more; the rest is for it to end."""


@dataclass(frozen=True)
class Sight:
    """What was seen of the Lease, and when it was first seen so, by this process' clock."""

    lease: Object
    since: float

    @property
    def holder(self) -> str:
        """Who holds it; "" if it was released."""
        holder: str = (self.lease.get("spec") or {}).get("holderIdentity") or ""
        return holder

    @property
    def version(self) -> str:
        """Changes with every sign of life."""
        version: str = self.lease["metadata"]["resourceVersion"]
        return version

    @property
    def expires(self) -> float:
        """When it runs out, unless its holder gives a sign of life."""
        seconds = (self.lease.get("spec") or {}).get("leaseDurationSeconds") or DEFAULT_DURATION_SECONDS
        return self.since + float(seconds)


def look(earlier: Sight | None, lease: Object, now: float) -> Sight:
    """Take note of the Lease as it is now."""
    if earlier is not None and earlier.version == lease["metadata"]["resourceVersion"]:
        return earlier
    return Sight(lease, now)


def may_take(sight: Sight, identity: str, now: float) -> bool:
    """Whether ``identity`` may write itself into the Lease."""
    return sight.holder in ("", identity) or now >= sight.expires


def leads_until(asked: float, duration_seconds: int) -> float:
    """When a leader has to stop that sent its last successful request at ``asked``, by the same clock.

    Another replica saw what that request wrote later than it was sent, and waits for the whole duration from then on.
    """
    return asked + LEADS_FOR * duration_seconds


def fresh(name: str, identity: str, duration_seconds: int, wall_time: datetime) -> dict[str, Any]:
    """A Lease that nobody held before."""
    time = _micro_time(wall_time)
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.name,
        "metadata": {"name": name},
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": duration_seconds,
            "acquireTime": time,
            "renewTime": time,
            "leaseTransitions": 0,
        },
    }


def taken(lease: Object, identity: str, duration_seconds: int, wall_time: datetime) -> dict[str, Any]:
    """The Lease with ``identity`` as its holder: renewed if it is so already."""
    spec: Mapping[str, Any] = lease.get("spec") or {}
    changed: dict[str, Any] = {
        **spec,
        "holderIdentity": identity,
        "leaseDurationSeconds": duration_seconds,
        "renewTime": _micro_time(wall_time),
    }
    if spec.get("holderIdentity") != identity:
        changed["acquireTime"] = changed["renewTime"]
        changed["leaseTransitions"] = (spec.get("leaseTransitions") or 0) + 1
    return {**lease, "spec": changed}


def released(lease: Object, wall_time: datetime) -> dict[str, Any]:
    """The Lease without a holder, for the next one to take at once."""
    spec = {
        **(lease.get("spec") or {}),
        "holderIdentity": "",
        "leaseDurationSeconds": 1,
        "renewTime": _micro_time(wall_time),
    }
    return {**lease, "spec": spec}


def _micro_time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
