"""What people see of a run that is being closed, and what the control plane knows of hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from holdfast import task
from holdfast.cli.definitions import register
from holdfast.cli.run_page import run_page
from holdfast.domain.states import State
from holdfast_engine.control import plane as control_plane
from tests.endings.test_hooks import tell
from tests.support.databases import Database
from tests.support.protocol import ControlPlane


@pytest.fixture
async def plane(database: Database) -> AsyncIterator[control_plane.ControlPlane]:
    """The control plane of the namespace in which the protocol is spoken by hand."""
    async with asyncpg.create_pool(database.dsn, min_size=1, max_size=2) as pool:
        yield control_plane.ControlPlane(pool, "tests")


async def test_a_page_says_how_the_run_will_end(plane: control_plane.ControlPlane, database: Database) -> None:
    control = ControlPlane(await database.connect())
    run_id = await control.trigger(hooks=["on_cancel"])
    assert (await plane.get(run_id)).closing is None
    assert await plane.cancel(run_id) is State.QUEUED
    run = await plane.get(run_id)
    assert (run.state, run.closing) == (State.QUEUED, State.CANCELED)
    assert "closing:    it will end as Canceled" in run_page(run, await plane.attempts(run_id))

    pod = await control.admit(run_id)
    await pod.open(runner='{"closes": true}')
    await pod.finish(outcome="Closed")
    assert (await plane.get(run_id)).closing is None


async def test_a_registered_task_tells_of_its_hooks(plane: control_plane.ControlPlane, database: Database) -> None:
    @task(on_cancel=tell("cancel"), on_success=tell("success"))
    async def registered_with_hooks() -> None: ...

    await register(plane, registered_with_hooks, "here")
    run = await plane.trigger("registered_with_hooks", {})
    control = ControlPlane(await database.connect())
    assert (await control.run(run.run_id))["hooks"] == ["on_cancel"]
