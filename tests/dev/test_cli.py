"""The commands beside `run` and `dev`, as processes on a real database."""

from __future__ import annotations

import pytest

from holdfast.contract.exit_codes import CliExit
from holdfast_engine.control.options import TriggerOptions
from holdfast_engine.control.plane import ControlPlane
from tests.support.cli import Cli
from tests.support.databases import Database
from tests.support.protocol import ControlPlane as ControlFunctions

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@pytest.fixture
async def plane(plane: ControlPlane) -> ControlPlane:
    """It knows the task `count`."""
    await plane.put_task("count", entrypoint="counting:count", input_schema=SCHEMA)
    return plane


async def test_version_and_migrate(cli: Cli) -> None:
    assert set((await cli("version", "-o", "json")).document) == {"holdfast", "python"}
    migrated = await cli("migrate", "-o", "json")
    assert migrated.code == CliExit.OK
    assert migrated.document["version"] >= 1
    assert migrated.document["applied"] == []


READING = [("runs", "list"), ("runs", "get", "x"), ("queues", "list"), ("dead-letters", "list")]


@pytest.mark.parametrize("arguments", READING)
async def test_who_only_reads_sets_up_no_database(
    empty_database: Database, cli: Cli, arguments: tuple[str, ...]
) -> None:
    given = await Cli(cli.folder, empty_database.dsn)(*arguments)
    embedded = await Cli(cli.folder)(*arguments)

    for result in (given, embedded):
        assert result.code == CliExit.DATABASE
        assert result.err.startswith("There is no Holdfast database here:")
        assert "`holdfast migrate`" in result.err
    assert "`holdfast dev`" in embedded.err
    assert not (cli.folder / ".holdfast").exists()


async def test_who_triggers_sets_up_an_empty_database(empty_database: Database, cli: Cli) -> None:
    cli = Cli(cli.folder, empty_database.dsn)

    assert (await cli("trigger", "nothing")).code == CliExit.NOT_FOUND
    assert (await cli("runs", "list", "-o", "json")).document == []


async def test_an_outdated_database_is_left_to_whoever_may_migrate_it(cli: Cli, database: Database) -> None:
    connection = await database.connect()
    await connection.execute("insert into holdfast.function_sets (digest) values ('older')")

    result = await cli("runs", "list")

    assert result.code == CliExit.DATABASE
    assert "Run: holdfast migrate" in result.err
    assert (await cli("migrate")).code == CliExit.OK
    assert (await cli("runs", "list")).code == CliExit.OK


async def test_a_database_that_is_not_there_is_one_sentence(cli: Cli) -> None:
    result = await Cli(cli.folder, "postgresql://nobody@127.0.0.1:1/nothing")("runs", "list")

    assert result.code == CliExit.DATABASE
    assert result.err.startswith("The database cannot be reached:")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("dsn", ["nonsense", "postgresql://host:port/x", "mysql://x/y"])
async def test_a_dsn_that_is_none_is_one_sentence(cli: Cli, dsn: str) -> None:
    for arguments in (("runs", "list"), ("migrate",)):
        result = await Cli(cli.folder, dsn)(*arguments)

        assert result.code == CliExit.USAGE
        assert "postgresql://user:password@host:5432/database" in result.err
        assert len(result.err.splitlines()) == 1


async def test_a_password_is_not_shown_although_it_makes_the_dsn_unreadable(cli: Cli) -> None:
    unreadable = Cli(cli.folder, "postgresql://app:s3cret/w0rd@127.0.0.1:1/runs")
    for arguments in (("runs", "list"), ("migrate",), ("queues", "list", "-o", "json")):
        result = await unreadable(*arguments)

        assert result.code == CliExit.USAGE
        assert "%2F" in result.err
        assert not any(part in result.out + result.err for part in ("s3cret", "w0rd"))


async def test_a_missing_socket_is_named(cli: Cli) -> None:
    result = await Cli(cli.folder, "postgresql:///x?host=/nowhere/there")("runs", "list")

    assert result.code == CliExit.DATABASE
    assert "no socket /nowhere/there/.s.PGSQL.5432" in result.err


async def test_a_trigger_is_answered_with_the_run(cli: Cli, plane: ControlPlane) -> None:
    options = ("--tag", "a", "--tag", "b", "--priority", "3", "--idempotency-key", "k", "-o", "json")

    first = await cli("trigger", "count", "--input", '{"n": 1}', *options)
    second = await cli("trigger", "count", "--input", '{"n": 1}', *options)

    assert (first.code, second.code) == (CliExit.OK, CliExit.OK)
    assert (first.document["created"], second.document["created"]) == (True, False)
    assert first.document["run"] == second.document["run"]
    run = await plane.get(first.document["run"])
    assert (run.tags, run.priority) == (("a", "b"), 3)


@pytest.mark.parametrize(
    ("task", "given", "code", "complaint"),
    [
        ("count", '{"n": "one"}', CliExit.USAGE, "n: 'one' is not of type 'integer'"),
        ("count", "{}", CliExit.USAGE, "n: missing"),
        ("count", '{"n": 1, "m": 2}', CliExit.USAGE, "m: no such parameter"),
        ("count", '{"n": 1, "n": 2}', CliExit.USAGE, "the key 'n' comes twice in one object"),
        ("count", '{"n": 1.0}', CliExit.USAGE, "n: 1.0 is not of type 'integer'"),
        ("count", "{n: 1}", CliExit.USAGE, "not JSON"),
        ("cuont", "{}", CliExit.NOT_FOUND, "Did you mean count? Register one with `holdfast dev MODULE`"),
        ("mound", "{}", CliExit.NOT_FOUND, "There are: count."),
    ],
)
async def test_a_bad_trigger_is_refused(
    cli: Cli, plane: ControlPlane, task: str, given: str, code: CliExit, complaint: str
) -> None:
    result = await cli("trigger", task, "--input", given, "-o", "json")

    assert result.code == code
    assert complaint in result.err
    assert complaint in result.document["error"]["message"]
    assert await plane.runs() == []


@pytest.mark.parametrize("option", ["--name", "--queue"])
@pytest.mark.parametrize(("given", "complaint"), [("Order_42", "RFC 1123"), ("a" * 64, "63 are the most")])
async def test_a_name_that_no_manifest_may_have_is_refused(
    cli: Cli, plane: ControlPlane, option: str, given: str, complaint: str
) -> None:
    result = await cli("trigger", "count", "--input", '{"n": 1}', option, given, "-o", "json")

    assert result.code == CliExit.USAGE
    assert f"{option} {given!r}" in result.document["error"]["message"]
    assert complaint in result.err
    assert await plane.runs() == []


async def test_a_queue_that_nobody_defined_is_told_of(cli: Cli, plane: ControlPlane) -> None:
    await plane.put_queue("orders", concurrency=1)

    known = await cli("trigger", "count", "--input", '{"n": 1}', "--queue", "orders")
    typo = await cli("trigger", "count", "--input", '{"n": 1}', "--queue", "ordres", "-o", "json")

    assert (known.code, typo.code) == (CliExit.OK, CliExit.OK)
    assert "nobody has defined" not in known.err
    assert "the queue 'ordres' is new: nobody has defined its limits. Did you mean orders?" in typo.err
    assert typo.document["created"]


async def test_an_idempotency_key_with_another_input_is_refused(cli: Cli, plane: ControlPlane) -> None:
    first = await plane.trigger("count", {"n": 1}, TriggerOptions(idempotency_key="k"))

    second = await cli("trigger", "count", "--input", '{"n": 2}', "--idempotency-key", "k")

    assert second.code == CliExit.REFUSED
    assert f"'k' belongs to run {first.name} ({first.run_id}), whose input differs" in second.err


async def test_what_is_asked_of_a_running_run_is_told_as_still_to_come(
    cli: Cli, plane: ControlPlane, database: Database
) -> None:
    triggered = await plane.trigger("count", {"n": 1}, TriggerOptions(name="first"))
    await ControlFunctions(await database.connect()).admit(triggered.run_id)

    suspended = await cli("runs", "suspend", "first")
    page = await cli("runs", "get", "first")

    assert suspended.out == "run first is Starting and will be suspended before its next step\n"
    assert "requested:  to suspend before its next step" in page.out
    assert "next:" not in page.out


async def test_runs_are_listed_for_people_and_for_programs(cli: Cli, plane: ControlPlane) -> None:
    await plane.trigger("count", {"n": 1}, TriggerOptions(name="first"))
    await plane.trigger("count", {"n": 2}, TriggerOptions(name="second"))

    listed = await cli("runs", "list", "-o", "json")
    table = await cli("runs", "list", "--state", "Queued")

    assert [run["name"] for run in listed.document] == ["second", "first"]
    assert {"run", "state", "attempts"} <= set(listed.document[0])
    assert table.out.index("second") < table.out.index("first")
    assert "\x1b" not in table.out


async def test_a_run_is_shown_for_people_and_for_programs(cli: Cli, plane: ControlPlane) -> None:
    await plane.trigger("count", {"n": 1}, TriggerOptions(name="first"))

    shown = await cli("runs", "get", "first", "-o", "json")

    assert shown.document["input"] == {"n": 1}
    assert {"run", "state", "attempts", "result", "error"} <= set(shown.document)
    assert "count (counting:count)" in (await cli("runs", "get", "first")).out


async def test_requests_about_a_run(cli: Cli, plane: ControlPlane) -> None:
    await plane.trigger("count", {"n": 1}, TriggerOptions(name="first"))

    answers = [(await cli("runs", verb, "first", "-o", "json")).document for verb in ("suspend", "unsuspend", "cancel")]

    run = await plane.get("first")
    assert {(answer["run"], answer["name"]) for answer in answers} == {(str(run.id), "first")}
    assert [answer["state"] for answer in answers] == ["Suspended", "Queued", "Canceled"]
    again = await cli("runs", "cancel", "first", "-o", "json")
    assert again.code == CliExit.REFUSED
    assert "run first is Canceled already" in again.err
    refused = await cli("runs", "resume", "first")
    assert refused.code == CliExit.REFUSED
    assert "only a dead letter can be resumed" in refused.err
    replayed = await cli("runs", "replay", "first", "-o", "json")
    assert (await plane.get(replayed.document["name"])).input == {"n": 1}
    for nothing in ("steps", "logs"):
        assert (await cli("runs", nothing, "first", "-o", "json")).document == []


@pytest.mark.parametrize(
    "verb", ["get", "steps", "logs", "cancel", "suspend", "unsuspend", "resume", "replay", "discard"]
)
async def test_an_unknown_run_has_its_exit_code(cli: Cli, verb: str) -> None:
    result = await cli("runs", verb, "nobody")

    assert (result.code, result.out) == (CliExit.NOT_FOUND, "")
    assert result.err == "No run 'nobody' in namespace 'default'. See: holdfast runs list\n"


async def test_queues_are_listed_paused_and_resumed(cli: Cli, plane: ControlPlane) -> None:
    await plane.put_queue("mail", concurrency=2)

    assert (await cli("queues", "pause", "mail")).code == CliExit.OK
    (queue,) = (await cli("queues", "list", "-o", "json")).document
    assert (queue["name"], queue["concurrency"], queue["paused"]) == ("mail", 2, True)
    assert (await cli("queues", "resume", "mail")).code == CliExit.OK
    unknown = await cli("queues", "pause", "mial")
    assert unknown.code == CliExit.NOT_FOUND
    assert "Did you mean mail?" in unknown.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("runs", "list", "--limit", "0"),
        ("runs", "list", "--state", "Odd"),
        ("trigger", "count", "--max-attempts", "0"),
        ("trigger", "count", "--delay", "-1"),
    ],
)
async def test_bad_usage_has_its_exit_code(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert (await cli(*arguments)).code == CliExit.USAGE
