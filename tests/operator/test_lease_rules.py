"""Who may take the Lease, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from holdfast_operator.lease_rules import fresh, leads_until, look, may_take, released, taken

THEN = datetime(2027, 1, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC)


def stored(lease: dict[str, Any], version: str) -> dict[str, Any]:
    return {**lease, "metadata": {**lease["metadata"], "resourceVersion": version}}


LEASE = stored(fresh("holdfast-operator", "one", 15, THEN), "7")


def test_a_lease_runs_out_when_it_was_seen_unchanged_for_its_duration() -> None:
    sight = look(None, LEASE, now=100.0)
    sight = look(sight, LEASE, now=110.0)
    assert sight.since == 100.0
    assert not may_take(sight, "two", now=114.9)
    assert may_take(sight, "two", now=115.0)


def test_a_sign_of_life_begins_the_time_again() -> None:
    sight = look(None, LEASE, now=100.0)
    sight = look(sight, stored(taken(LEASE, "one", 15, LATER), "8"), now=114.0)
    assert not may_take(sight, "two", now=128.9)
    assert may_take(sight, "two", now=129.0)


def test_clocks_of_other_machines_do_not_matter() -> None:
    ancient = stored(fresh("holdfast-operator", "one", 15, datetime(1999, 1, 1, tzinfo=UTC)), "7")
    assert not may_take(look(None, ancient, now=100.0), "two", now=100.0)


def test_the_holder_may_always_take_it() -> None:
    assert may_take(look(None, LEASE, now=100.0), "one", now=100.0)


def test_a_released_lease_is_for_anyone_at_once() -> None:
    lease = stored(released(LEASE, LATER), "8")
    assert may_take(look(None, lease, now=100.0), "two", now=100.0)
    assert lease["spec"]["leaseTransitions"] == 0


def test_a_renewal_keeps_since_when_it_is_held_and_a_takeover_counts() -> None:
    renewed = taken(LEASE, "one", 15, LATER)["spec"]
    assert (renewed["acquireTime"], renewed["renewTime"]) == (
        "2027-01-01T00:00:00.000000Z",
        "2027-01-01T00:00:05.000000Z",
    )
    assert renewed["leaseTransitions"] == 0
    other = taken(LEASE, "two", 15, LATER)["spec"]
    assert (other["holderIdentity"], other["leaseTransitions"]) == ("two", 1)
    assert other["acquireTime"] == "2027-01-01T00:00:05.000000Z"


def test_a_write_names_the_version_it_was_made_from() -> None:
    assert taken(LEASE, "two", 15, LATER)["metadata"]["resourceVersion"] == "7"
    assert released(LEASE, LATER)["metadata"]["resourceVersion"] == "7"


def test_who_cannot_renew_stops_before_anybody_may_take_it() -> None:
    asked = 100.0
    seen_at_the_earliest = look(None, LEASE, now=asked)
    assert leads_until(asked, 15) == 110.0
    assert not may_take(seen_at_the_earliest, "two", now=leads_until(asked, 15))
