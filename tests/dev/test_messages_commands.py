"""`holdfast signals` and `holdfast events`, as processes on a real database."""

from __future__ import annotations

from uuid import uuid4

import pytest

from holdfast.contract.exit_codes import CliExit
from holdfast.domain.errors import InputError, NotFoundError
from holdfast_engine.control.options import TriggerOptions
from holdfast_engine.control.plane import ControlPlane
from holdfast_engine.control.views import Triggered
from tests.support.cli import Cli
from tests.support.databases import Database


@pytest.fixture
async def run(plane: ControlPlane) -> Triggered:
    """A run that nobody executes."""
    return await plane.trigger("listen", {}, TriggerOptions(entrypoint="listening:listen", name="listener"))


async def test_a_signal_is_kept_for_the_run(cli: Cli, run: Triggered, database: Database) -> None:
    sent = await cli("signals", "send", "listener", "go", "--value", '{"n": 1}', "-o", "json")
    assert sent.code == CliExit.OK
    assert (sent.document["run_name"], sent.document["name"]) == ("listener", "go")
    told = await cli("signals", "send", str(run.run_id), "go")
    assert told.out == "sent signal go to run listener\n"
    connection = await database.connect()
    rows = await connection.fetch("select run_id, name, value from holdfast.signals order by number")
    assert [tuple(row) for row in rows] == [(run.run_id, "go", '{"n": 1}'), (run.run_id, "go", "null")]


@pytest.mark.usefixtures("run")
async def test_what_cannot_be_sent_is_one_sentence(cli: Cli, plane: ControlPlane) -> None:
    refused = {
        ("nobody", "go"): (CliExit.NOT_FOUND, "nobody"),
        ("listener", "go", "--value", "yes"): (CliExit.USAGE, "The value is no JSON"),
        ("listener", ""): (CliExit.USAGE, "the name has 0 characters"),
    }
    for arguments, (code, sentence) in refused.items():
        result = await cli("signals", "send", *arguments)
        assert (result.code, len(result.err.splitlines())) == (code, 1), result.err
        assert sentence in result.err
    await plane.cancel("listener")
    ended = await cli("signals", "send", "listener", "go")
    assert ended.code == CliExit.REFUSED
    assert "has ended as Canceled" in ended.err


async def test_a_run_of_another_namespace_is_none(plane: ControlPlane, run: Triggered) -> None:
    other = plane.in_namespace("other")
    for given in (run.run_id, "listener", uuid4()):
        with pytest.raises(NotFoundError):
            await other.send_signal(given, "go")


async def test_an_event_is_published_and_listed(cli: Cli) -> None:
    assert (await cli("events", "list", "-o", "json")).document == []
    published = await cli("events", "publish", "paid", "--value", '{"order": "42"}', "--key", "42", "-o", "json")
    assert published.code == CliExit.OK
    again = await cli("events", "publish", "paid", "--value", '{"order": "42"}', "--key", "42", "-o", "json")
    assert again.document == published.document
    told = await cli("events", "publish", "sent")
    assert told.out.startswith("published event sent (")

    listed = (await cli("events", "list", "-o", "json")).document
    assert [(event["name"], event["key"], event["value"]) for event in listed] == [
        ("sent", None, None),
        ("paid", "42", {"order": "42"}),
    ]
    assert [event["name"] for event in (await cli("events", "list", "--name", "paid", "-o", "json")).document] == [
        "paid"
    ]
    table = (await cli("events", "list")).out
    assert '{"order": "42"}' in table


async def test_the_first_write_of_a_key_stands(cli: Cli) -> None:
    assert (await cli("events", "publish", "paid", "--value", "1", "--key", "42")).code == CliExit.OK
    refused = await cli("events", "publish", "paid", "--value", "2", "--key", "42")
    assert refused.code == CliExit.REFUSED
    assert "was published with another value" in refused.err


async def test_namespaces_are_a_border_for_events(plane: ControlPlane) -> None:
    await plane.publish_event("paid", "1")
    assert await plane.in_namespace("other").events() == []
    with pytest.raises(InputError, match="no JSON"):
        await plane.publish_event("paid", "yes")
