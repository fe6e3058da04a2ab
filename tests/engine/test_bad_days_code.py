"""Code and values that are wrong: the run says what, where and why, and nothing is tried again in vain."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from holdfast.contract.environment import AttemptEnvironment
from holdfast.contract.exit_codes import RunnerExit
from holdfast.contract.limits import RESULT_LIMIT_BYTES
from holdfast.runtime.attempt import Attempt
from holdfast.sdk import tagged
from tests.support.broken_tasks import ODD_TEXT
from tests.support.databases import Database
from tests.support.protocol import ControlPlane, Pod

if TYPE_CHECKING:
    from tests.engine.conftest import Launch

BROKEN = "tests.support.broken_tasks"


class Outcome:
    """What became of a run after one attempt."""

    def __init__(self, pod: Pod, run: asyncpg.Record, steps: list[asyncpg.Record], code: RunnerExit) -> None:
        self.pod = pod
        self.run = run
        self.steps = steps
        self.code = code
        self.error: dict[str, Any] = json.loads(run["error"]) if run["error"] else {}

    @property
    def row(self) -> tuple[str, str]:
        return self.run["state"], self.run["reason"]


Live = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def live(control: ControlPlane, shared_database: Database) -> Live:
    """Makes one attempt of a new run in this process."""

    async def live(entrypoint: str, given: Any = None) -> Outcome:
        pod = await control.started(entrypoint=entrypoint, input_text=json.dumps(given or {}))
        return await _attempt(control, shared_database, pod)

    return live


async def _attempt(control: ControlPlane, database: Database, pod: Pod) -> Outcome:
    environment = AttemptEnvironment(
        database=database.runner_dsn, run_id=pod.run_id, attempt=pod.attempt, token=pod.token, entrypoint="the:run's"
    )
    code = await Attempt(environment, owns_process=False).run()
    return Outcome(pod, await control.run(pod.run_id), await control.steps(pod.run_id), code)


# --- input -----------------------------------------------------------------------------------------------------------

ORDER = {"id": "a", "cents": 5}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "order"),
        ({"order": ORDER, "extra": 1}, "extra"),
        ({"order": {"id": "a"}}, "order.cents"),
        ({"order": {"id": "a", "cents": "many"}}, "order.cents"),
        ({"order": {"id": 7, "cents": 5}}, "order.id"),
        ({"order": ORDER, "count": 1.5}, "count"),
        ({"order": ORDER, "count": None}, "count"),
        ({"order": ORDER, "tags": ["a", 2]}, "tags[1]"),
        ({"order": [ORDER]}, "order"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_input_that_does_not_fit(live: Live, given: Any, named: str) -> None:
    """Never tried again, though the run had attempts left."""
    outcome = await live(f"{BROKEN}:typed", given)
    assert outcome.code is RunnerExit.FAILED
    assert outcome.row == ("Failed", "InputInvalid")
    assert named in outcome.run["message"]
    assert outcome.error["type"] == "holdfast.domain.errors:InputError"


async def test_an_input_that_fits(live: Live) -> None:
    outcome = await live(f"{BROKEN}:typed", {"order": ORDER, "count": 3, "tags": None})
    assert (outcome.code, outcome.run["result"]) == (RunnerExit.SUCCEEDED, "15")


# --- where the code is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise ValueError('nul \\0 and \\ud800')", "ValueError"),
        ("import sys; sys.exit('no configuration')", "no configuration"),
        ("from holdfast import task\n@task\nasync def work(): yield 1", "is a generator"),
        ("from holdfast import task\n@task\ndef a(): ...\n@task(name='a')\ndef b(): ...", "two tasks are called 'a'"),
    ],
    ids=["module", "syntax", "exception", "odd text", "exit", "definition", "duplicate"],
)
async def test_a_module_that_does_not_import(
    control: ControlPlane, launch: Launch, tmp_path: Path, source: str, says: str
) -> None:
    (tmp_path / "broken_module.py").write_text(source)
    pod = await control.started(entrypoint="broken_module:work")
    async with launch(pod, folder=tmp_path) as process:
        assert await process.exit() is RunnerExit.FAILED
    assert says in process.text
    run = await control.run(pod.run_id)
    assert (run["state"], run["reason"]) == ("Failed", "ImportFailed")
    assert says in run["message"]
    assert "broken_module" in json.loads(run["error"])["traceback"]


@pytest.mark.parametrize(
    ("entrypoint", "says"),
    [
        (f"{BROKEN}:no_such_task", "has no task 'no_such_task'; its tasks are: child_raises, "),
        (f"{BROKEN}:Order", "Order is there but is no task: put @task above it"),
        ("json:dumps", "it has no tasks"),
        ("nowhere", "is not an entrypoint: write module:function"),
    ],
)
async def test_an_unknown_task(live: Live, entrypoint: str, says: str) -> None:
    outcome = await live(entrypoint)
    assert outcome.row == ("Failed", "UnknownTask")
    assert says in outcome.run["message"]


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["step_gives", "task_gives"])
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("object", "value['orders'][0]['handle']"),
        ("generator", "generator"),
        ("recursive", "itself"),
        ("deep", "deep"),
        ("too large", f"is {RESULT_LIMIT_BYTES + 1:,} bytes of JSON, over the limit of {RESULT_LIMIT_BYTES:,} bytes"),
    ],
)
async def test_a_value_that_cannot_be_recorded(live: Live, task: str, kind: str, says: str) -> None:
    outcome = await live(f"{BROKEN}:{task}", {"kind": kind})
    assert outcome.code is RunnerExit.FAILED
    assert outcome.row == ("Failed", "ResultNotRecordable")
    assert says in outcome.run["message"]
    assert "the result of " in outcome.run["message"]
    assert outcome.steps[0]["outcome"] == "Succeeded"


@pytest.mark.parametrize("task", ["step_gives", "task_gives"])
@pytest.mark.parametrize("kind", ["just fits", "odd text", "nan"])
async def test_a_value_that_can_be_recorded(live: Live, task: str, kind: str) -> None:
    outcome = await live(f"{BROKEN}:{task}", {"kind": kind})
    assert outcome.code is RunnerExit.SUCCEEDED
    value = outcome.run["result"] if task == "task_gives" else outcome.steps[-1]["value"]
    if kind == "odd text":
        assert tagged.decode(value) == {ODD_TEXT: ODD_TEXT}
    if kind == "just fits":
        assert len(value) == RESULT_LIMIT_BYTES


@pytest.mark.parametrize(("key", "is_fine"), [("squid 🦑 " * 20, True), ("\\ud800", False), ("k" * 201, False)])
async def test_keys_with_odd_characters(live: Live, key: str, is_fine: bool) -> None:
    outcome = await live(f"{BROKEN}:odd_key", {"key": key})
    if is_fine:
        assert (outcome.code, outcome.steps[0]["key"]) == (RunnerExit.SUCCEEDED, f"={key}")
    else:
        assert outcome.row == ("Failed", "ExceptionRaised")
        assert "step keyed: its key is" in outcome.run["message"]


@pytest.mark.parametrize(("depth", "is_fine"), [(3, True), (6, False)])
async def test_steps_inside_of_steps_have_a_depth(live: Live, depth: int, is_fine: bool) -> None:
    outcome = await live(f"{BROKEN}:nests", {"depth": depth})
    if is_fine:
        assert outcome.code is RunnerExit.SUCCEEDED
    else:
        assert outcome.row == ("Failed", "ExceptionRaised")
        assert "and 1000 is the limit" in outcome.run["message"]


# --- exceptions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["step_raises", "task_raises", "thread_raises", "child_raises"])
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("odd text", "surrogate \\ud800, squid 🦑"),
        ("unspeakable", "Unspeakable"),
        ("picky", "Picky: code 7"),
        ("group", "several"),
        ("huge", "xxxxx"),
        ("recursion", "RecursionError"),
        ("assertion", "AssertionError"),
        ("rude", "good bye"),
    ],
)
async def test_whatever_is_raised_is_told_and_tried_again(live: Live, task: str, kind: str, says: str) -> None:
    outcome = await live(f"{BROKEN}:{task}", {"kind": kind})
    assert outcome.code is RunnerExit.FAILED
    assert outcome.row == ("Backoff", "ExceptionRaised")
    if task != "child_raises":
        assert says in outcome.run["message"]
    assert (outcome.run["failures"], outcome.run["disruptions"]) == (1, 0)
    assert len(outcome.run["message"]) <= 2000
    assert len(outcome.run["error"]) <= 64 * 1024
    assert "broken_tasks.py" in outcome.error["traceback"]


@pytest.mark.parametrize("task", ["step_raises", "task_raises", "thread_raises"])
@pytest.mark.parametrize(
    "kind",
    ["exit", "exit in words", "exit quietly", "interrupt", "generator exit", "stop iteration", "cancelled"],
)
async def test_what_is_meant_to_end_something_ends_the_attempt_in_good_order(live: Live, task: str, kind: str) -> None:
    """It would end an event loop, a generator or a task: here it is a failure like others."""
    outcome = await live(f"{BROKEN}:{task}", {"kind": kind})
    assert outcome.code is RunnerExit.FAILED
    assert outcome.run["state"] == "Backoff"
    assert (outcome.run["failures"], outcome.run["disruptions"]) == (1, 0)


@pytest.mark.parametrize("task", ["step_raises", "task_raises", "thread_raises"])
async def test_a_delay_that_the_code_asks_for(control: ControlPlane, live: Live, task: str) -> None:
    outcome = await live(f"{BROKEN}:{task}", {"kind": "retry after"})
    assert outcome.row == ("Backoff", "ExceptionRaised")
    attempt = await control.attempt(outcome.pod)
    assert (outcome.run["due_at"] - attempt["ended_at"]).total_seconds() == 1234.5
    assert "the service is down until then" in outcome.run["message"]


@pytest.mark.parametrize("task", ["step_raises", "task_raises", "thread_raises"])
async def test_code_that_says_it_is_pointless(
    control: ControlPlane, shared_database: Database, live: Live, task: str
) -> None:
    outcome = await live(f"{BROKEN}:{task}", {"kind": "pointless"})
    assert outcome.row == ("Failed", "ExceptionRaised")
    assert (await control.attempt(outcome.pod))["class"] == "NonRetryable"
    assert outcome.run["message"] == "the card was stolen"
    assert await control.call("resume_run", outcome.pod.run_id) == "Queued"
    outcome = await _attempt(control, shared_database, await control.admit(outcome.pod.run_id))
    assert outcome.code is RunnerExit.FAILED, "a resumed step is executed again"


@pytest.mark.parametrize("inside", [False, True], ids=["in the task", "in a step that would be tried again"])
async def test_a_call_that_has_no_place_of_its_own_is_not_tried_again(
    control: ControlPlane, live: Live, inside: bool
) -> None:
    outcome = await live(f"{BROKEN}:keys_alike", {"inside": inside})
    assert outcome.row == ("Failed", "ExceptionRaised")
    assert "'one'" in outcome.run["message"]
    assert (await control.attempt(outcome.pod))["class"] == "NonRetryable"
    reopened = [step for step in outcome.steps if step["outcome"] != "Succeeded"]
    assert [step["name"] for step in reopened] == (["keyed_alike_inside"] if inside else [])


@pytest.mark.parametrize(("times", "state", "tries"), [(1, "Succeeded", 1), (3, "Succeeded", 3), (4, "Backoff", 3)])
async def test_a_step_is_tried_again_in_the_process(live: Live, times: int, state: str, tries: int) -> None:
    outcome = await live(f"{BROKEN}:is_unlucky", {"times": times})
    assert outcome.run["state"] == state
    assert outcome.steps[0]["tries"] == (tries if state == "Succeeded" else 0), "reopened for the next attempt"


@pytest.mark.parametrize(("kind", "code"), [("exit", 3), ("exit in words", 1), ("exit quietly", 0)])
async def test_a_child_task_that_exits_ends_the_process(
    control: ControlPlane, launch: Launch, kind: str, code: int
) -> None:
    """As it does anywhere; what that means is for whoever sees the exit code."""
    pod = await control.started(entrypoint=f"{BROKEN}:child_raises", input_text=json.dumps({"kind": kind}))
    async with launch(pod) as process:
        assert await process.exit() == code
    assert (await control.run(pod.run_id))["state"] == "Running"


async def test_a_process_that_is_no_attempt(control: ControlPlane, launch: Launch) -> None:
    pod = await control.started()
    async with launch(pod, variables={"HOLDFAST_TOKEN": "", "HOLDFAST_ATTEMPT": "first"}) as process:
        assert await process.exit() is RunnerExit.USAGE
    assert "HOLDFAST_TOKEN is not set" in process.text
    assert "HOLDFAST_ATTEMPT='first'" in process.text
    assert (await control.run(pod.run_id))["state"] == "Starting"


async def test_a_connection_string_that_makes_no_sense(control: ControlPlane, launch: Launch) -> None:
    pod = await control.started()
    async with launch(pod, variables={"HOLDFAST_DATABASE": "postgresql://host:port/"}) as process:
        assert await process.exit() is RunnerExit.USAGE
    assert "HOLDFAST_DATABASE has no number from 1 to 65535 as its port" in process.text
