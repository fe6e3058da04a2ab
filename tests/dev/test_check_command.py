"""`holdfast check` as a command: places, exit codes, and nothing imported."""

from __future__ import annotations

from holdfast.contract.exit_codes import CliExit
from tests.support.cli import Cli

SHOP = """
import time

from holdfast import task

raise SystemExit("imported")


def stamp() -> float:
    return time.time()


@task
async def ship() -> float:
    return stamp()
"""


async def test_what_is_found_has_a_place_and_a_way_out(cli: Cli) -> None:
    cli.module("shop", SHOP)
    found = await cli("check", "shop")
    assert found.code == CliExit.RUN_FAILED, found.err
    assert found.out == (
        "shop.py:10:12: time.time is a clock: use holdfast.now(), or a step (stamp(), used by task ship)\n"
        "1 finding in 1 task of 1 file\n"
    )
    document = (await cli("check", "shop.py", "-o", "json")).document
    assert document["tasks"] == ["ship"]
    assert document["findings"] == [
        {
            "file": "shop.py",
            "line": 10,
            "column": 12,
            "call": "time.time",
            "hazard": "a clock",
            "instead": "use holdfast.now(), or a step",
            "function": "stamp",
            "task": "ship",
        }
    ]


async def test_where_nothing_is_found_it_succeeds(cli: Cli) -> None:
    cli.module("shop", SHOP.replace("return time.time()", "return time.time()  # holdfast: ignore"))
    found = await cli("check", "shop", "-o", "json")
    assert (found.code, found.document["findings"]) == (CliExit.OK, [])


async def test_a_module_without_tasks_was_not_checked(cli: Cli) -> None:
    cli.module("shop", "x = 1\n")
    without = await cli("check", "shop")
    assert (without.code, without.out) == (CliExit.NOT_FOUND, "")
    assert "has no tasks" in without.err
    missing = await cli("check", "shops", "-o", "json")
    assert missing.code == CliExit.USAGE
    assert missing.document["error"]["type"] == "TaskImportError"
    cli.module("broken", "def (")
    assert (await cli("check", "broken")).code == CliExit.USAGE
