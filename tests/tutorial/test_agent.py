"""The research agent: killed in the middle of calls and between them, it asks nothing twice that it was told."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

import asyncpg
import pytest

from examples.agent.research import Report, research
from holdfast.contract.exit_codes import CliExit
from holdfast.testing import TaskEnvironment
from holdfast_engine.control.plane import ControlPlane
from tests.support.cli import Cli
from tests.support.databases import Database
from tests.support.held_model import HeldModel, held_model
from tests.support.killed_processes import KilledProcesses
from tests.support.processes import wait_for_end

QUESTION = 'What does the library have for "gzip"?'
INPUT = json.dumps({"question": QUESTION})
MODEL_CALLS = 4
TOOL_CALLS = 6


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HeldModel]:
    """The server that the tasks find in the environment."""
    with held_model() as model:
        monkeypatch.setenv("OPENAI_BASE_URL", model.server.base_url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield model


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to which each tool that was used is told."""
    monkeypatch.setenv("AGENT_TRACE", str(tmp_path / "trace"))
    return tmp_path / "trace"


@pytest.fixture
async def plain(model: HeldModel, trace: Path) -> Report:
    """What comes of it without a run, as a plain function."""
    report: Report = await research(QUESTION)
    assert len(model.calls) == report.rounds == MODEL_CALLS
    assert "gzip (" in report.answer
    model.calls.clear()
    trace.unlink()
    return report


def told(trace: Path) -> list[tuple[str, str]]:
    """Each use of a tool, in order: the number of the process, and the tool with its arguments."""
    return [(pid, label) for pid, _, label in (line.partition(" ") for line in trace.read_text().splitlines())]


def used(trace: Path) -> Counter[str]:
    """How often each tool was used with the same arguments, whoever did it."""
    return Counter(label for _, label in told(trace))


def transcript_lengths(report: Report) -> list[int]:
    """With how many messages an undisturbed model is asked, in order."""
    return [place for place, message in enumerate(report.transcript) if message.role == "assistant"]


@pytest.mark.parametrize("call", range(1, MODEL_CALLS + 1))
async def test_a_kill_in_the_middle_of_a_call_repeats_that_call_alone(
    cli: Cli, database: Database, model: HeldModel, trace: Path, plain: Report, call: int
) -> None:
    model.hold(call)
    async with cli.started(
        *("run", "examples.agent.research:research", "--input", INPUT, "--name", "question", "-o", "json")
    ) as command:
        await model.held()
        async with asyncpg.create_pool(database.dsn, min_size=1, max_size=1) as pool:
            (attempt,) = await ControlPlane(pool).attempts("question")
        os.kill(attempt.runner["pid"], signal.SIGKILL)
        await wait_for_end(attempt.runner["pid"])
        model.release()
        out, err = await command.communicate()

    assert command.returncode == CliExit.OK, err.decode()
    document = json.loads(out)
    assert (document["attempts"], document["failures"]) == (2, 0)
    assert document["result"] == json.loads(json.dumps(asdict(plain)))
    lengths = transcript_lengths(plain)
    assert model.calls == sorted([*lengths, lengths[call - 1]])
    assert set(used(trace).values()) == {1}


async def test_a_kill_after_each_recorded_call_repeats_none(
    processes: KilledProcesses, model: HeldModel, trace: Path, plain: Report
) -> None:
    processes.deaths = {research.entrypoint: ["after record|ask_model"] * MODEL_CALLS}

    result = await processes.run(research, question=QUESTION)

    assert (result.state, result.result) == ("Succeeded", plain)
    assert (processes.kills, result.attempts) == (MODEL_CALLS, MODEL_CALLS + 1)
    assert model.calls == transcript_lengths(plain)
    assert set(used(trace).values()) == {1}


async def test_a_kill_after_each_recorded_tool_repeats_no_tool_that_is_recorded(
    processes: KilledProcesses, model: HeldModel, trace: Path, plain: Report
) -> None:
    processes.deaths = {research.entrypoint: ["after record|use_tool"] * TOOL_CALLS}

    result = await processes.run(research, question=QUESTION)

    assert (result.state, result.result) == ("Succeeded", plain)
    assert processes.kills >= 3  # one per round with tools at the least
    assert model.calls == transcript_lengths(plain)
    recorded_by = {
        json.loads(step.value or "")["tool_call_id"]: step.attempt for step in result.steps if step.name == "use_tool"
    }
    processes_in_order = list(dict.fromkeys(pid for pid, _ in told(trace)))
    calls = {f"{call.name} {call.arguments}": call.id for message in plain.transcript for call in message.tool_calls}
    assert used(trace).keys() == calls.keys()
    for pid, label in told(trace):
        # every attempt but the last uses a tool, so the n-th process is that of attempt n
        assert processes_in_order.index(pid) + 1 <= recorded_by[calls[label]], f"{label} was recorded, and used again"


async def test_what_a_tool_cannot_do_goes_back_to_the_model_as_text(
    environment: TaskEnvironment, model: HeldModel
) -> None:
    result = await environment.run(research, question=QUESTION)

    texts = [message.content for message in result.result.transcript if message.role == "tool"]
    assert [text for text in texts if text.startswith("error: ")] == [
        "error: the standard library has no module 'gzip_magic' of one file"
    ]


async def test_in_the_last_round_the_model_must_answer(environment: TaskEnvironment, model: HeldModel) -> None:
    result = await environment.run(research, question=QUESTION, rounds=2)

    assert result.result.rounds == len(model.calls) == 2
    assert result.result.answer.startswith("As far as I came: ")


async def test_a_busy_model_is_asked_again_when_it_says_so(
    environment: TaskEnvironment, model: HeldModel, plain: Report
) -> None:
    model.refusals = [(429, {"Retry-After": "0"}), (503, {"Retry-After": "0"}), (500, {})]

    result = await environment.run(research, question=QUESTION)

    assert (result.result, result.attempts, result.failures) == (plain, 1, 0)
    assert [step.tries for step in result.steps if step.name == "ask_model"] == [4, 1, 1, 1]


async def test_a_model_that_refuses_is_not_asked_again(environment: TaskEnvironment, model: HeldModel) -> None:
    model.refusals = [(401, {})]

    result = await environment.run(research, question=QUESTION)

    assert (result.state, result.attempts, model.calls) == ("Failed", 1, [2])
    assert "401" in str(result.error)
