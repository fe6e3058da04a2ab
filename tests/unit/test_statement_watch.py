"""One timer watches all statements; only one that does not end is overdue."""

from __future__ import annotations

import asyncio

from holdfast.protocol.statement_watch import StatementWatch


async def test_a_statement_that_does_not_end_is_overdue() -> None:
    overdue = asyncio.Event()
    watch = StatementWatch(0.0, overdue.set)
    watch.began()
    await overdue.wait()


async def test_a_statement_that_has_ended_is_not() -> None:
    overdue = asyncio.Event()
    watch = StatementWatch(0.0, overdue.set)
    watch.began()
    watch.ended()
    await _timers_that_are_due()
    assert not overdue.is_set()


async def test_the_timer_of_an_earlier_statement_leaves_a_later_one_its_time() -> None:
    overdue = asyncio.Event()
    watch = StatementWatch(3600.0, overdue.set)
    watch.began()
    watch.ended()
    watch.began()
    watch._look()
    assert not overdue.is_set()
    watch.close()


async def _timers_that_are_due() -> None:
    await asyncio.sleep(0.001)
