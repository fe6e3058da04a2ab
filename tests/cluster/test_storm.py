"""The storm: all runs succeed whatever happens around them, and no finished step is executed again.

The whole one takes three minutes: `pytest tests/cluster/test_storm.py --storm-seconds 180`.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random, randrange

import asyncpg
import pytest

from tests.cluster.node_scene import NodeScene, inline_task
from tests.cluster.storm import Storm
from tests.cluster.witness import Report

RUNS = 20
STEPS = 20
SLOTS = 10
#: Of the storm's time, what all runs would take without it.
PART_UNDISTURBED = 0.7
CLEARING_SECONDS = 300

#: Runs, each with its attempts and the attempt that recorded each step.
RECORDED = """
    select r.name, r.state, r.attempt, r.failures, r.disruptions,
        array_agg(s.attempt order by s.sequence) as recorded_by, array_agg(s.key order by s.sequence) as keys
    from holdfast.runs r join holdfast.steps s on s.run_id = r.id
    where r.namespace = $1 group by r.id
"""
SLOTS_USED = """
    select count(*) from holdfast.runs where namespace = $1 and state in ('Starting', 'Running', 'Canceling')
"""


@dataclass
class Account:
    """What the witness saw, compared with what was recorded."""

    #: By run, place and attempt: how often the body of a step began.
    bodies: Counter[Report]
    repeated: int = 0
    problems: list[str] = field(default_factory=list)

    def check(self, run: str, recorded_by: list[int]) -> None:
        """Compare the steps of one run; `recorded_by` are the attempts that recorded them, in their order."""
        for number, attempt in enumerate(recorded_by):
            by_attempt = {seen.attempt: count for seen, count in self.bodies.items() if seen[::2] == (run, str(number))}
            if by_attempt.get(attempt) != 1:
                self.problems.append(f"{run}: step {number} is recorded by attempt {attempt}; it began in {by_attempt}")
            if later := [each for each in by_attempt if each > attempt]:
                self.problems.append(
                    f"{run}: step {number} was recorded by attempt {attempt}, and again began in {later}"
                )
            self.repeated += sum(by_attempt.values()) - 1


@pytest.mark.parametrize(
    ("began_in", "problems"),
    [
        ([1], 0),  # as it should be
        ([1, 2], 0),  # the first attempt was lost before it could record
        ([1, 2, 3], 1),  # executed again after it was recorded
        ([2, 2], 1),  # executed twice by the attempt that recorded it
        ([3], 2),  # recorded, and never executed by who recorded it
    ],
)
def test_the_account_finds_what_must_not_be(began_in: list[int], problems: int) -> None:
    recorded_by = 1 if began_in == [1] else 2
    account = Account(Counter(Report("run", attempt, "0") for attempt in began_in))
    account.check("run", [recorded_by])
    assert len(account.problems) == problems


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Of the storm."""
    given: int | None = request.config.getoption("--storm-seed")
    return randrange(1_000_000) if given is None else given


@pytest.mark.timeout(1200, func_only=True)
async def test_all_runs_succeed_in_a_storm(
    scene: NodeScene, seed: int, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds: int = request.config.getoption("--storm-seconds")
    began = time.monotonic()
    print(f"--storm-seconds {seconds} --storm-seed {seed}")
    await apply_runs(scene, pause_seconds=PART_UNDISTURBED * seconds * SLOTS / RUNS / STEPS)
    storm = Storm(scene, Random(seed))
    await storm.rage(seconds)
    await scene.kubectl("wait", "--for=condition=Succeeded", "taskrun", "--all", f"--timeout={CLEARING_SECONDS}s")

    runs = await scene.installation.rows(RECORDED, scene.namespace)
    account = Account(Counter(scene.witness.reports))
    for run in runs:
        account.check(run["name"], run["recorded_by"])
    with capsys.disabled():
        print(f"\nstorm of {seconds} s, --storm-seed {seed}: {dict(storm.struck)}")
        print(summary(runs, account), f"{time.monotonic() - began:.0f} s in all")
    assert account.problems == []
    assert [len(set(run["keys"])) for run in runs] == [STEPS] * RUNS
    assert {(run["state"], run["failures"]) for run in runs} == {("Succeeded", 0)}
    await nothing_is_left_over(scene)


def summary(runs: list[asyncpg.Record], account: Account) -> str:
    """What became of it all, in figures."""
    attempts, disruptions, failures = (
        [run[column] for run in runs] for column in ("attempt", "disruptions", "failures")
    )
    return (
        f"{len(runs)} runs, {sum(attempts)} attempts (at most {max(attempts)} of a run), "
        f"{sum(disruptions)} disruptions, {sum(failures)} failures; "
        f"{sum(len(run['keys']) for run in runs)} steps recorded, "
        f"{sum(account.bodies.values())} bodies began, {account.repeated} of them again before their record;"
    )


async def apply_runs(scene: NodeScene, pause_seconds: float) -> None:
    """More runs than there are slots, each of as many steps."""
    queue = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "TaskQueue", "metadata": {"name": "storm"}}
    await scene.kubectl.apply({**queue, "spec": {"concurrency": SLOTS}})
    await scene.kubectl("wait", "--for=condition=Ready", "taskqueue/storm", "--timeout=30s")
    env = [{"name": "WITNESS", "value": scene.witness.address}]
    spec = {
        "task": inline_task("many_steps", env=env),
        "queueName": "storm",
        "input": {"count": STEPS, "pause_seconds": pause_seconds},
        "retry": {"disruptionLimit": 1000},
    }
    await scene.apply_runs({f"run-{number}": spec for number in range(RUNS)})


async def nothing_is_left_over(scene: NodeScene) -> None:
    """No slot, no pod, and both replicas are there."""
    ((used,),) = await scene.installation.rows(SLOTS_USED, scene.namespace)
    assert used == 0
    await scene.kubectl.until("taskqueue", "storm", lambda queue: queue["status"].get("running", 0) == 0)
    await scene.until_no_pod_lives()
    await scene.kubectl("delete", "taskruns", "--all")
    await scene.kubectl("wait", "--for=delete", "pod", "--all", "--timeout=60s")
    await scene.installation.system("rollout", "status", "deployment/holdfast-operator", "--timeout=120s")
