"""Health: each part has to make progress of its own."""

from __future__ import annotations

from holdfast_operator.health import Health
from tests.support.settable_clock import SettableClock


def test_a_part_without_progress_is_named_with_its_limit() -> None:
    clock = SettableClock()
    health = Health(clock.time)
    sweep = health.pulse("sweep", 60)
    health.pulse("engine", 30).beat()
    clock.advance(31)
    assert [str(stall) for stall in health.stalls()] == ["engine: no progress for 31 s; 30 s are allowed"]
    clock.advance(30)
    assert {stall.name for stall in health.stalls()} == {"engine", "sweep"}
    sweep.beat()
    assert {stall.name for stall in health.stalls()} == {"engine"}


def test_a_part_is_watched_over_from_its_start_on() -> None:
    clock = SettableClock()
    health = Health(clock.time)
    clock.advance(1000)
    assert health.stalls() == []
    health.pulse("engine", 30)
    assert health.stalls() == []


def test_an_idle_part_says_so_when_it_is_asked() -> None:
    clock = SettableClock()
    health = Health(clock.time)
    queue = health.pulse("work queue", 30)
    is_idle = True
    health.before_check(lambda: queue.beat() if is_idle else None)
    clock.advance(1000)
    assert health.stalls() == []
    is_idle = False
    clock.advance(31)
    assert [stall.name for stall in health.stalls()] == ["work queue"]


def test_the_first_progress_has_a_limit_of_its_own() -> None:
    clock = SettableClock()
    health = Health(clock.time)
    watch = health.pulse("watch", 300, start_seconds=60)
    clock.advance(61)
    assert [str(stall) for stall in health.stalls()] == ["watch: no progress for 61 s; 60 s are allowed"]
    watch.beat()
    clock.advance(299)
    assert health.stalls() == []
    clock.advance(2)
    assert [str(stall) for stall in health.stalls()] == ["watch: no progress for 301 s; 300 s are allowed"]
