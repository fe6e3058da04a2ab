"""`holdfast runs fork`."""

from __future__ import annotations

from holdfast.contract.exit_codes import CliExit
from tests.support.cli import Cli

SHOP = """
from holdfast import step, task


@step
async def weigh(item: str) -> int:
    return len(item)


@task
async def pack(items: list[str]) -> int:
    return sum([await weigh(item) for item in items])
"""


async def test_a_run_is_forked(cli: Cli) -> None:
    cli.module("shop", SHOP)
    run = (await cli("run", "shop:pack", "--input", '{"items": ["lamp", "rope"]}', "-o", "json")).document["run"]

    forked = await cli("runs", "fork", run, "--from", "0/weigh#2", "-o", "json")
    told = await cli("runs", "fork", run, "--from", "0/weigh#1")

    assert forked.code == CliExit.OK, forked.err
    assert (forked.document["step"], forked.document["kept_steps"]) == ("0/weigh#2", 1)
    (kept,) = (await cli("runs", "steps", forked.document["run"], "-o", "json")).document
    assert (kept["key"], kept["value"], kept["attempt"]) == ("0/weigh#1", 4, 0)
    assert "it goes on before 0/weigh#1, with 0 records" in told.out


async def test_what_cannot_be_forked(cli: Cli) -> None:
    cli.module("shop", SHOP)
    run = (await cli("run", "shop:pack", "--input", '{"items": ["lamp", "rope"]}', "-o", "json")).document["run"]

    assert (await cli("runs", "fork", "nobody", "--from", "weigh")).code == CliExit.NOT_FOUND
    assert (await cli("runs", "fork", run, "--from", "ship")).code == CliExit.NOT_FOUND
    several = await cli("runs", "fork", run, "--from", "weigh")
    assert several.code == CliExit.REFUSED
    assert "0/weigh#1, 0/weigh#2" in several.err
    assert (await cli("runs", "fork", run)).code == CliExit.USAGE
    assert len((await cli("runs", "list", "-o", "json")).document) == 1
