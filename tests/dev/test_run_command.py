"""`holdfast run`: the whole machinery for one run, with real processes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import asyncpg
import pytest

from holdfast.contract.exit_codes import CliExit
from holdfast.domain.states import State
from holdfast_engine.control.options import TriggerOptions
from holdfast_engine.control.plane import ControlPlane
from tests.support.cli import Cli
from tests.support.gate import Gate

TASKS = """
import os
from pathlib import Path
from typing import Annotated
from pydantic import WithJsonSchema
from holdfast import NonRetryableError, step, task

@step
async def note(word: str) -> str:
    with open("bodies", "a") as file:
        file.write(f"{word}\\n")
    return word.upper()

@step
async def come_to_the_gate(gate: str) -> int:
    if Path(gate).exists():
        Path(gate).write_text(str(os.getpid()))
        if not Path("open").exists():
            import asyncio
            await asyncio.Event().wait()
    return os.getpid()

@task
async def walk(gate: str = "none") -> list[str]:
    before = await note("before")
    await come_to_the_gate(gate)
    return [before, await note("after")]

@task
async def report(word: str, count: int = 1) -> dict[str, str]:
    print("hello from the attempt")
    return {"word": word * count, "directory": os.getcwd(), "colour": os.environ.get("COLOUR", "none")}

@task
async def look_around() -> dict[str, str]:
    import asyncpg
    answers = {}
    connection = await asyncpg.connect(os.environ["HOLDFAST_DATABASE"])
    for query in ("select current_user", "select id from holdfast.runs", "select holdfast.cancel_run(null)"):
        try:
            answers[query] = str(await connection.fetchval(query))
        except asyncpg.PostgresError as error:
            answers[query] = str(error)
    await connection.close()
    return answers

@task
async def narrow(count: Annotated[int, WithJsonSchema({"type": "integer", "maximum": 5})]) -> int:
    return count

@task
async def refuse() -> None:
    raise NonRetryableError("no use")

@task
async def enclosed() -> object:
    return object()
"""


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def cli(cli: Cli) -> Cli:
    cli.module("tasks", TASKS)
    return cli


async def test_it_prints_one_document_and_everything_else_beside_it(cli: Cli) -> None:
    result = await cli("run", "tasks:report", "--input", '{"word": "ab", "count": 2}', "-o", "json")

    assert result.code == CliExit.OK, result.err
    document = result.document
    assert (document["state"], document["attempts"], document["error"]) == ("Succeeded", 1, None)
    assert document["result"]["word"] == "abab"
    assert "hello from the attempt" in result.err


async def test_the_attempt_has_the_directory_and_the_environment_of_the_command(cli: Cli) -> None:
    cli.environment["COLOUR"] = "green"

    result = await cli("run", "tasks:report", "--input", "-", "-o", "json", stdin='{"word": "x"}')

    assert result.document["result"] == {"word": "x", "directory": str(cli.folder), "colour": "green"}


async def test_people_get_the_result_alone_on_standard_output(cli: Cli) -> None:
    (cli.folder / "input.json").write_text('{"word": "x"}')

    result = await cli("run", "tasks:report", "--input", "@input.json")

    assert '"word": "x"' in result.out
    assert "Succeeded" not in result.out
    assert "Succeeded" in result.err


async def test_a_killed_attempt_is_followed_by_the_next_which_does_not_repeat_what_is_recorded(
    cli: Cli, gate: Gate
) -> None:
    running = asyncio.create_task(cli("run", "tasks:walk", "--input", '{"gate": "gate"}', "-o", "json"))
    os.kill(await gate.pid(), signal.SIGKILL)
    (cli.folder / "open").touch()
    second_pid = await gate.pid()

    result = await running

    assert result.code == CliExit.OK, result.err
    assert (result.document["state"], result.document["attempts"]) == ("Succeeded", 2)
    assert result.document["result"] == ["BEFORE", "AFTER"]
    assert result.document["disruptions"] == 1
    assert (cli.folder / "bodies").read_text().split() == ["before", "after"]
    assert f"process {second_pid}" in result.err
    assert "ended by SIGKILL" in result.err


async def test_commands_at_once_launch_only_what_is_their_own(cli: Cli, plane: ControlPlane) -> None:
    await plane.put_queue("held", concurrency=10, paused=True)
    others = Cli(cli.folder / "elsewhere", cli.dsn, {"COLOUR": "red"})
    others.folder.mkdir()
    others.module("tasks", TASKS)
    cli.environment["COLOUR"] = "green"
    arguments = ("run", "tasks:report", "--input", '{"word": "x"}', "--queue", "held", "-o", "json")

    running = asyncio.gather(*(each(*arguments) for each in (cli, others, cli, others)))
    async for _ in plane.follow_all():
        if len(await plane.runs(state=State.QUEUED)) == 4:
            break
    # whichever engine comes first could have them all now
    await plane.resume_queue("held")
    results = await running

    assert [result.code for result in results] == [CliExit.OK] * 4, [result.err for result in results]
    assert [result.document["result"]["colour"] for result in results] == ["green", "red", "green", "red"]
    assert results[1].document["result"]["directory"] == str(others.folder)


async def test_a_killed_command_can_be_given_again_with_its_idempotency_key(cli: Cli, gate: Gate) -> None:
    arguments = ("run", "tasks:walk", "--input", '{"gate": "gate"}', "--idempotency-key", "k", "-o", "json")
    async with cli.started(*arguments) as first:
        attempt_pid = await gate.pid()
        first.kill()
        await first.wait()
    os.kill(attempt_pid, signal.SIGKILL)
    (cli.folder / "open").touch()
    assert cli.dsn is not None
    await _lose_attempt(cli.dsn)

    again = asyncio.create_task(cli(*arguments))
    await gate.pid()
    result = await again

    assert result.code == CliExit.OK, result.err
    assert (result.document["attempts"], result.document["result"]) == (2, ["BEFORE", "AFTER"])
    assert (cli.folder / "bodies").read_text().split() == ["before", "after"]


async def test_ctrl_c_cancels_the_run_then_leaves(cli: Cli, gate: Gate) -> None:
    async with cli.started("run", "tasks:walk", "--input", '{"gate": "gate"}', "-o", "json") as process:
        pid = await gate.pid()
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()

    assert process.returncode == CliExit.INTERRUPTED, err.decode()
    assert '"state": "Canceled"' in out.decode()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_run_that_someone_cancels_has_its_own_exit_code(cli: Cli, gate: Gate) -> None:
    async with cli.started("run", "tasks:walk", "--input", '{"gate": "gate"}', "--name", "mine") as process:
        await gate.pid()
        assert (await cli("runs", "cancel", "mine")).code == CliExit.OK
        await process.communicate()

    assert process.returncode == CliExit.RUN_CANCELED


@pytest.mark.parametrize("where", ["given", "embedded"])
async def test_an_attempt_has_the_rights_of_the_protocol_and_no_more(cli: Cli, embedded_cli: Cli, where: str) -> None:
    embedded_cli.module("tasks", TASKS)

    result = await (cli if where == "given" else embedded_cli)("run", "tasks:look_around", "-o", "json")

    user, *others = result.document["result"].values()
    assert user == {"given": "holdfast_runner", "embedded": "holdfast_attempt"}[where]
    assert [answer.partition(" for ")[0] for answer in others] == ["permission denied"] * 2


async def test_a_failed_run_ends_with_its_traceback_and_is_a_dead_letter(cli: Cli) -> None:
    result = await cli("run", "tasks:refuse", "-o", "json")

    assert result.code == CliExit.RUN_FAILED
    assert (result.document["state"], result.document["attempts"]) == ("Failed", 1)
    assert result.document["error"]["message"] == "no use"
    assert "raise NonRetryableError" in result.document["error"]["traceback"]
    letters = await cli("dead-letters", "list", "-o", "json")
    assert [letter["run"] for letter in letters.document] == [result.document["run"]]


async def test_people_are_told_of_a_failure_beside_standard_output_in_the_authors_frames(cli: Cli) -> None:
    result = await cli("run", "tasks:refuse")

    assert (result.code, result.out) == (CliExit.RUN_FAILED, "")
    assert "raise NonRetryableError" in result.err
    assert "holdfast/runtime" not in result.err
    assert re.search(r"dead letter\. To go on from the failed step: holdfast runs resume refuse-\w+, while", result.err)


async def test_a_name_that_a_killed_command_holds_says_how_to_go_on(cli: Cli, plane: ControlPlane) -> None:
    await plane.trigger("walk", {}, TriggerOptions(name="mine", entrypoint="tasks:walk", launcher="of the killed one"))

    result = await cli("run", "tasks:walk", "--name", "mine")

    assert result.code == CliExit.REFUSED
    assert "That one is Queued: if its command was killed, `holdfast dev`" in result.err
    assert "--idempotency-key" in result.err


async def test_a_result_that_cannot_be_recorded_says_why(cli: Cli) -> None:
    result = await cli("run", "tasks:enclosed", "-o", "json")

    assert result.code == CliExit.RUN_FAILED
    assert "cannot be recorded" in result.document["error"]["message"]


@pytest.mark.parametrize(
    ("entrypoint", "given", "code", "complaint"),
    [
        ("tasks:report", '{"word": 1}', CliExit.USAGE, "word: Input should be a valid string"),
        ("tasks:report", "{}", CliExit.USAGE, "word: missing"),
        ("tasks:report", '{"word": "x", "wrod": 1}', CliExit.USAGE, "wrod: no such parameter; did you mean 'word'"),
        ("tasks:report", '{"word": "x", "count": "2"}', CliExit.USAGE, "count: Input should be a valid integer"),
        ("tasks:report", '{"word": "x", "word": "y"}', CliExit.USAGE, "the key 'word' comes twice in one object"),
        ("tasks:narrow", '{"count": 7}', CliExit.USAGE, "count: 7 is greater than the maximum of 5"),
        ("tasks:report", '{"word"', CliExit.USAGE, "not JSON"),
        ("tasks:report", "[1]", CliExit.USAGE, "must be a JSON object"),
        ("tasks:report", "@nowhere.json", CliExit.USAGE, "nowhere.json cannot be read"),
        ("tasks:report", "@/dev/zero", CliExit.USAGE, "The input is over the limit of 1,048,576 bytes"),
        ("tasks:reprot", "{}", CliExit.NOT_FOUND, "has no task 'reprot'; its tasks are: "),
        ("tasks", "{}", CliExit.USAGE, "'tasks' must have the form 'package.module:function'"),
        ("tasks:", "{}", CliExit.USAGE, "'tasks:' must have the form 'package.module:function'"),
        ("./tasks.py:report", "{}", CliExit.USAGE, "must have the form 'package.module:function'"),
        ("nowhere:report", "{}", CliExit.USAGE, "No module named 'nowhere'"),
    ],
)
async def test_bad_input_is_one_sentence_and_makes_no_run(
    cli: Cli, entrypoint: str, given: str, code: CliExit, complaint: str
) -> None:
    result = await cli("run", entrypoint, "--input", given, "-o", "json")

    assert result.code == code, result.err
    assert complaint in result.err
    assert result.document["run"] is None
    assert "Traceback" not in result.err or entrypoint == "nowhere:report"
    assert (await cli("runs", "list", "-o", "json")).document == []


async def test_a_module_that_fails_to_import_shows_its_traceback_and_nothing_of_ours(cli: Cli) -> None:
    cli.module("broken", "def load():\n    return {}['missing']\n\nload()\n")

    result = await cli("run", "broken:anything")

    assert result.code == CliExit.USAGE
    assert "line 2, in load" in result.err
    assert "KeyError: 'missing'" in result.err
    assert "loading.py" not in result.err
    assert result.out == ""


async def _lose_attempt(dsn: str) -> None:
    """What any engine does when the lease is over, without the wait for it."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        (run,) = await ControlPlane(pool).runs()
        assert run.state is State.RUNNING
        await pool.execute("select holdfast.end_attempt($1, 1, 'Disruption', 'ProcessLost', 'gone')", run.id)
