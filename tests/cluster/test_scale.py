"""Some hundred runs through the operator as a process, on simulated nodes: none lost, none doubled, few writes."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.cluster.lifecycles import live
from benchmarks.cluster.scene import fresh_scene
from tests.cluster.rig.fake_nodes import FakeNodes
from tests.support.databases import Database

RUNS = 300
CONCURRENCY = 10
WRITES_PER_RUN = 6
OTHER_WRITES = 50
"""Of the Lease, and of the status of the Task and its queue."""


@pytest.mark.timeout(400, func_only=True)
async def test_many_runs_through_few_slots(fake_nodes: FakeNodes, database: Database) -> None:
    with fresh_scene(fake_nodes, database.dsn, database.runner_dsn) as scene:
        async with asyncio.timeout(360):
            lived = await live(scene, RUNS, CONCURRENCY)
    assert lived.problems == []
    assert lived.writes <= WRITES_PER_RUN * RUNS + OTHER_WRITES
