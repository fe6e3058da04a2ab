"""The approval: asked once per letter, released once, whoever is killed, and whoever answers when."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples.approval.deployment import Decision, Outcome, deploy
from holdfast.contract.exit_codes import CliExit
from holdfast.testing import RunResult, TaskEnvironment
from holdfast.testing.environment import NAMESPACE
from tests.support.cli import Cli, Result
from tests.support.killed_processes import KilledProcesses

REQUEST = {"service": "shop", "version": "1.4", "owner": "ada", "head": "grace"}
APPROVED = '{"approved": true, "by": "ada"}'
REFUSED = '{"approved": false, "by": "ada", "comment": "not on a Friday"}'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where letters and releases go: the oracle outside of the database."""
    monkeypatch.setenv("APPROVAL_FOLDER", str(tmp_path / "outbox"))
    return tmp_path / "outbox"


def put(folder: Path, kind: str) -> list[str]:
    """What was put there, in the order of the ids."""
    return [path.read_text() for path in sorted((folder / kind).glob("*"))] if (folder / kind).exists() else []


async def answer(cli: Cli, environment: TaskEnvironment, run: RunResult, value: str) -> tuple[str, Result]:
    """Complete the one open token of a run, from the command line."""
    (token,) = await environment.open_tokens(run)
    return str(token), await complete(cli, str(token), value)


async def complete(cli: Cli, token: str, value: str) -> Result:
    return await cli("tokens", "complete", token, value, "--namespace", NAMESPACE, "-o", "json")


async def test_an_approval_while_no_process_exists_lets_it_go_on(
    environment: TaskEnvironment, cli: Cli, folder: Path
) -> None:
    waiting = await environment.run(deploy, **REQUEST)
    assert (waiting.state, put(folder, "releases")) == ("Waiting", [])
    token, answered = await answer(cli, environment, waiting, APPROVED)
    assert answered.code == CliExit.OK, answered.err
    assert f"tokens complete {token} " in put(folder, "letters")[0]

    done = await environment.go_on(waiting, deploy)

    assert done.result == Outcome("released", 1, Decision(True, "ada"))
    assert put(folder, "releases") == ["shop 1.4\n"]
    assert [letter.splitlines()[2] for letter in put(folder, "letters")] == [
        "Please approve the release of shop 1.4.",
        "shop 1.4: released, says ada.",
    ]


async def test_killed_wherever_it_works_it_asks_once_and_releases_once(
    processes: KilledProcesses, environment: TaskEnvironment, cli: Cli, folder: Path
) -> None:
    while_it_asks = ["after body|create_token", "after record|create_token", "after body|send", "after record|send"]
    while_it_acts = ["after record|wait_for_token", "after body|release", "after body|send", "before finish"]
    processes.deaths = {deploy.entrypoint: while_it_asks + while_it_acts}
    waiting = await processes.run(deploy, **REQUEST)
    assert (waiting.state, processes.kills) == ("Waiting", len(while_it_asks))
    token, answered = await answer(cli, environment, waiting, APPROVED)
    assert answered.code == CliExit.OK, answered.err

    done = await processes.go_on(waiting, deploy)

    assert (done.state, done.failures, processes.kills) == ("Succeeded", 0, len(while_it_asks + while_it_acts))
    assert put(folder, "releases") == ["shop 1.4\n"]
    letters = put(folder, "letters")
    assert len(letters) == 2
    assert token in letters[0]


async def test_a_refusal_releases_nothing(environment: TaskEnvironment, cli: Cli, folder: Path) -> None:
    waiting = await environment.run(deploy, **REQUEST)
    await answer(cli, environment, waiting, REFUSED)

    done = await environment.go_on(waiting, deploy)

    assert done.result == Outcome("refused", 1, Decision(False, "ada", "not on a Friday"))
    assert put(folder, "releases") == []
    assert "refused, says ada. not on a Friday" in put(folder, "letters")[-1]


async def test_it_reminds_then_escalates_and_old_letters_count_no_more(
    environment: TaskEnvironment, cli: Cli, folder: Path
) -> None:
    waiting = await environment.run(deploy, **REQUEST)
    (first,) = await environment.open_tokens(waiting)
    began_at = await environment.clock.now()
    waiting = await environment.go_on(waiting, deploy)
    waiting = await environment.go_on(waiting, deploy)
    assert (await environment.clock.now() - began_at).total_seconds() > 47 * 3600
    late = await complete(cli, str(first), APPROVED)
    assert late.code == CliExit.REFUSED
    assert "timed out" in late.err, late.err
    await answer(cli, environment, waiting, '{"approved": true, "by": "grace"}')

    done = await environment.go_on(waiting, deploy)

    assert done.result == Outcome("released", 3, Decision(True, "grace"))
    assert [letter.splitlines()[0] for letter in put(folder, "letters")] == [
        *("To: ada", "To: ada", "To: grace", "To: ada"),
    ]
    assert put(folder, "releases") == ["shop 1.4\n"]


async def test_what_nobody_answers_is_not_released(environment: TaskEnvironment, folder: Path) -> None:
    run = await environment.run(deploy, **REQUEST)
    for _ in range(3):
        assert run.state == "Waiting"
        run = await environment.go_on(run, deploy)

    assert run.result == Outcome("unanswered", 3)
    assert (len(put(folder, "letters")), put(folder, "releases")) == (4, [])


async def test_of_two_answers_the_first_counts(environment: TaskEnvironment, cli: Cli, folder: Path) -> None:
    waiting = await environment.run(deploy, **REQUEST)
    token, first = await answer(cli, environment, waiting, REFUSED)
    again = await complete(cli, token, REFUSED)
    other = await complete(cli, token, APPROVED)
    assert [first.code, again.code, other.code] == [CliExit.OK, CliExit.OK, CliExit.REFUSED], other.err
    assert json.loads(again.out)["id"] == token

    done = await environment.go_on(waiting, deploy)

    assert (done.result.state, put(folder, "releases")) == ("refused", [])
