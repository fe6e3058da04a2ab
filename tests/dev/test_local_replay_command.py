"""`holdfast runs replay --local`, on runs that processes have made."""

from __future__ import annotations

from holdfast.contract.exit_codes import CliExit
from holdfast_engine.control.options import TriggerOptions
from holdfast_engine.control.plane import ControlPlane
from tests.support.cli import Cli
from tests.support.databases import Database

SHOP = """
from pathlib import Path

from holdfast import step, task


@step
async def weigh(item: str) -> str:
    with Path("executed").open("a") as file:
        file.write(item + "\\n")
    return item * 40_000


@task
async def pack(items: list[str]) -> int:
    print("packing")
    return sum([len(await weigh(item)) for item in items])
"""

TABLES = ("runs", "steps", "attempts", "logs", "tokens", "waits")


async def contents(database: Database) -> list[object]:
    connection = await database.connect()
    return [
        [tuple(row) for row in await connection.fetch(f"select * from holdfast.{table} order by 1, 2")]
        for table in TABLES
    ]


async def packed(cli: Cli) -> str:
    """A run of two steps, whose results are too large to come with the opening."""
    cli.module("shop", SHOP)
    run = await cli("run", "shop:pack", "--input", '{"items": ["lamp", "rope"]}', "-o", "json")
    assert run.code == CliExit.OK, run.err
    return str(run.document["run"])


async def test_it_replays_and_changes_nothing(cli: Cli, database: Database) -> None:
    run = await packed(cli)
    before = await contents(database)

    replay = await cli("runs", "replay", run, "--local", "-o", "json")

    assert replay.code == CliExit.OK, replay.err
    assert replay.document["run"] == run
    assert (replay.document["end"], replay.document["agrees"], replay.document["result"]) == ("returned", True, 320_000)
    assert (replay.document["recorded_steps"], replay.document["replayed_steps"]) == (2, 2)
    assert "packing" in replay.err, "what the task prints does not mix with the document"
    assert (cli.folder / "executed").read_text() == "lamp\nrope\n"
    assert await contents(database) == before


async def test_a_changed_program_differs(cli: Cli) -> None:
    run = await packed(cli)
    cli.module("shop", SHOP.replace("weigh(item))", "weigh(item + '!'))"))

    replay = await cli("runs", "replay", run, "--local")

    assert replay.code == CliExit.RUN_FAILED
    assert "DIFFERS: the program and its recorded history disagree: its arguments differ." in replay.out
    assert "weigh('lamp!')" in replay.out
    assert (cli.folder / "executed").read_text() == "lamp\nrope\n"


async def test_another_module_can_be_given(cli: Cli) -> None:
    run = await packed(cli)
    cli.module("shop_of_tomorrow", SHOP.replace("sum(", "1 + sum("))

    replay = await cli("runs", "replay", run, "--local", "--task", "shop_of_tomorrow:pack", "-o", "json")

    assert (replay.code, replay.document["result"]) == (CliExit.RUN_FAILED, 320_001)


async def test_a_debugger_can_be_used(cli: Cli) -> None:
    run = await packed(cli)
    cli.module("shop", SHOP.replace('    print("packing")\n', '    breakpoint()\n    print("packing")\n'))

    replay = await cli("runs", "replay", run, "--local", stdin="p 'seen', items\nc\n")
    left = await cli("runs", "replay", run, "--local", stdin="q\n")

    assert replay.code == CliExit.OK, replay.err
    assert "('seen', ['lamp', 'rope'])" in replay.out
    assert left.code == CliExit.INTERRUPTED, left.err


BAD = [
    (("nobody", "--local"), CliExit.NOT_FOUND, "No run 'nobody'"),
    (("RUN", "--task", "shop:pack"), CliExit.USAGE, "--task goes with --local"),
    (("RUN", "--local", "--task", "shop"), CliExit.USAGE, "'shop'"),
    (("RUN", "--local", "--task", "shop:nothing"), CliExit.NOT_FOUND, "has no task 'nothing'"),
    (("RUN", "--local", "--task", "nowhere:pack"), CliExit.USAGE, "'nowhere'"),
]


async def test_what_cannot_be_replayed(cli: Cli) -> None:
    run = await packed(cli)
    for arguments, code, said in BAD:
        result = await cli("runs", "replay", *(run if each == "RUN" else each for each in arguments))
        assert (result.code, result.out) == (code, ""), arguments
        assert said in result.err
    assert len((await cli("runs", "list", "-o", "json")).document) == 1


async def test_a_command_has_no_program(cli: Cli, plane: ControlPlane) -> None:
    run = await plane.trigger("shell", "{}", TriggerOptions(template={"command": ["true"]}))
    result = await cli("runs", "replay", str(run.run_id), "--local")
    assert result.code == CliExit.USAGE
    assert "runs a command" in result.err
