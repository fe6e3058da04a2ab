"""The examples do what their READMEs say."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from holdfast.contract.exit_codes import CliExit
from tests.support.cli import Cli
from tests.support.databases import Database

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cli(database: Database) -> Cli:
    """Commands in the root of the repository."""
    return Cli(ROOT, database.dsn)


async def test_the_demo_ends_with_the_right_answer_after_a_kill() -> None:
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.census.demo"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await demo.communicate()

    assert demo.returncode == 0, out.decode()
    assert "the run is Succeeded after 2 attempts" in out.decode()
    assert "finished steps executed more than once: 0" in out.decode()


async def test_the_census_is_that_of_the_plain_loop(cli: Cli) -> None:
    from examples.census import plain

    result = await cli("run", "examples.census.census:census", "-o", "json")

    assert result.code == CliExit.OK, result.err
    assert result.document["result"] == asdict(plain.census())


async def test_an_order_is_charged_at_the_third_request(cli: Cli) -> None:
    given = '{"order_id": "42", "cents": 1200}'

    result = await cli("run", "examples.orders.orders:process_order", "--input", given, "-o", "json")

    assert result.code == CliExit.OK, result.err
    assert (result.document["attempts"], result.document["result"]["order_id"]) == (1, "42")
    steps = (await cli("runs", "steps", result.document["run"], "-o", "json")).document
    assert [(step["name"], step["tries"]) for step in steps if step["kind"] == "step"] == [
        ("reserve", 1),
        ("charge", 3),
        ("ship", 1),
    ]


async def test_a_declined_card_is_a_dead_letter_at_once(cli: Cli) -> None:
    given = '{"order_id": "43", "cents": 9, "card": "declined"}'

    result = await cli("run", "examples.orders.orders:process_order", "--input", given, "-o", "json")

    assert result.code == CliExit.RUN_FAILED
    assert (result.document["attempts"], result.document["failures"]) == (1, 1)
    assert "refuses to pay 9 cents" in result.document["error"]["message"]


async def test_an_order_that_does_not_fit_is_refused_with_paths(cli: Cli) -> None:
    given = '{"order_id": "44", "cents": "many", "colour": "red"}'

    result = await cli("run", "examples.orders.orders:process_order", "--input", given)

    assert result.code == CliExit.USAGE
    assert "cents: Input should be a valid integer" in result.err
    assert "colour: no such parameter" in result.err


async def test_without_a_run_an_order_is_a_plain_function() -> None:
    from examples.orders.orders import process_order

    with pytest.raises(Exception, match="too many requests"):
        await process_order("42", 1200)
