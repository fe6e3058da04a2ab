"""The clock of a pod is wrong by a day: only the database's counts."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast.contract.exit_codes import RunnerExit
from tests.support.protocol import ControlPlane
from tests.support.runner_process import BAD_DAYS

if TYPE_CHECKING:
    from tests.engine.conftest import Launch

WRONG_CLOCK = str(Path(__file__).parents[1] / "support" / "wrong_clock")
DAY_SECONDS = 86_400

each_way = pytest.mark.parametrize("wrong_by_seconds", [DAY_SECONDS, -DAY_SECONDS], ids=["ahead", "behind"])


def _wrong(seconds: int) -> dict[str, str]:
    return {"PYTHONPATH": WRONG_CLOCK, "CLOCK_WRONG_BY_SECONDS": str(seconds)}


@each_way
async def test_now_sleep_and_lease_do_not_care(control: ControlPlane, launch: Launch, wrong_by_seconds: int) -> None:
    pod = await control.started(
        entrypoint=f"{BAD_DAYS}:looks_at_clocks", input_text='{"sleep_seconds": 0.05}', lease_seconds=6
    )
    began = await control.call("now")
    async with launch(pod, variables=_wrong(wrong_by_seconds)) as process:
        said = (await process.says("the machine says")).split(" ")
        assert abs(datetime.fromisoformat(said[3]) - began) > timedelta(hours=23), "its clock is right"
        assert abs(float(said[4]) - time.time()) > DAY_SECONDS * 0.9
        await process.says("at the clock")
        before = (await control.run(pod.run_id))["lease_expires_at"]
        while (lease := (await control.run(pod.run_id))["lease_expires_at"]) == before:
            pass
        assert timedelta(0) < lease - await control.call("now") <= timedelta(seconds=6)
        process.tell()
        assert await process.exit() is RunnerExit.SUCCEEDED
    result = {
        name: datetime.fromisoformat(text)
        for name, text in json.loads((await control.run(pod.run_id))["result"]).items()
    }
    assert began <= result["before"] < result["after"] <= await control.call("now")
    steps = await control.steps(pod.run_id)
    assert [step["kind"] for step in steps] == ["now", "sleep", "now"]
    lines = await control.connection.fetch("select logged_at from holdfast.logs where run_id = $1", pod.run_id)
    ended = await control.call("now")
    assert [began <= line["logged_at"] <= ended for line in lines] == [True, True]


@each_way
async def test_a_wait_ends_by_the_clock_of_the_database(
    control: ControlPlane, launch: Launch, wrong_by_seconds: int
) -> None:
    pod = await control.started(entrypoint=f"{BAD_DAYS}:looks_at_clocks", input_text='{"sleep_seconds": 3600}')
    async with launch(pod, variables=_wrong(wrong_by_seconds)) as process:
        assert await process.exit() is RunnerExit.PARKED
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert run["state"] == "Waiting"
    assert timedelta(seconds=3590) < run["due_at"] - attempt["ended_at"] <= timedelta(seconds=3600)
    await control.requeue(pod.run_id)
    await control.connection.execute(
        "update holdfast.steps set value = to_json(holdfast.now()) where run_id = $1 and kind = 'sleep'", pod.run_id
    )
    async with launch(await control.admit(pod.run_id), variables=_wrong(-wrong_by_seconds)) as process:
        await process.says("at the clock")
        process.tell()
        assert await process.exit() is RunnerExit.SUCCEEDED
