"""A script is the task: what it calls with ``holdfast step`` is recorded, and not executed again."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest

from tests.support.databases import Database
from tests.support.engines import Engines
from tests.support.runs import trigger, wait_for_state

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_EXAMPLE = Path(__file__).parents[2] / "examples" / "script" / "night.mjs"

# `holdfast` is this tree's; `die NAME` kills the runner, the first time; `effect NAME` is what the oracle counts
_PRELUDE = f"""
set -eu
export RUNNER=$PPID
cat > "$HERE/holdfast" <<'END'
#!/bin/sh
exec {sys.executable} -m holdfast.cli "$@"
END
cat > "$HERE/die" <<'END'
#!/bin/sh
if rm "$HERE/dies-$1" 2> /dev/null; then kill -9 $RUNNER; exec sleep 1000; fi
END
cat > "$HERE/effect" <<'END'
#!/bin/sh
die "before-$1"
echo "$1" >> "$HERE/effects"
die "after-$1"
echo "$1 of attempt $HOLDFAST_ATTEMPT"
END
chmod +x "$HERE"/holdfast "$HERE"/die "$HERE"/effect
PATH=$HERE:$PATH
"""

_ORDER = """
first=$(holdfast step first -- effect first)
die between
echo "$first" >> "$HERE/answers"
for n in 1 2; do holdfast step again -- effect "again-$n"; done
holdfast sleep 0.01
holdfast step --key the-last last -- effect last > "$HERE/last"
"""


class Scripts:
    """Runs of scripts, and the effects that they had."""

    def __init__(self, engines: Engines, connection: Connection, directory: Path) -> None:
        self.connection = connection
        self.directory = directory
        self._engines = engines

    async def start(self) -> None:
        """Start an engine."""
        await self._engines.start()

    async def run(self, script: str, **options: Any) -> asyncpg.Record:
        """Run a script to its end, and return the run."""
        await self.start()
        return await wait_for_state(
            self.connection, await self.trigger(script, **options), "Succeeded", "Failed", "Canceled"
        )

    async def trigger(self, script: str, **options: Any) -> UUID:
        """Accept a run of a script."""
        env = [{"name": "HERE", "value": str(self.directory)}]
        template = {"command": ["sh", "-c", _PRELUDE + script], "env": env}
        return await trigger(self.connection, entrypoint=None, template=template, backoff_seconds=0, **options)

    def dies(self, moment: str) -> None:
        """Let the runner be killed at this moment, once."""
        (self.directory / f"dies-{moment}").touch()

    def read(self, name: str) -> list[str]:
        """The lines that the script wrote to a file."""
        return (self.directory / name).read_text().splitlines()

    async def steps(self, run_id: UUID) -> dict[str, Any]:
        """Values by key."""
        rows = await self.connection.fetch("select key, value from holdfast.steps where run_id = $1", run_id)
        return {row["key"]: json.loads(row["value"]) for row in rows}


@pytest.fixture
async def scripts(engines: Engines, database: Database, tmp_path: Path) -> Scripts:
    return Scripts(engines, await database.connect(), tmp_path)


MOMENTS = ["never", "between", "before-again-2", "after-first", "after-last"]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_at_any_moment_it_goes_on(scripts: Scripts, moment: str) -> None:
    scripts.dies(moment)
    run = await scripts.run(_ORDER)
    assert run["state"] == "Succeeded", run["message"]
    effects = Counter(scripts.read("effects"))
    # a body is executed again if it died between its effect and its record, nothing else is
    twice = {moment.removeprefix("after-"): 1} if moment.startswith("after-") else {}
    assert effects == Counter({"first": 1, "again-1": 1, "again-2": 1, "last": 1}) + Counter(twice)
    assert run["attempt"] == (1 if moment == "never" else 2)
    steps = await scripts.steps(run["id"])
    assert list(steps) == ["0/first#1", "0/again#1", "0/again#2", "0/sleep#1", "=the-last"]
    assert set(scripts.read("answers")) == {steps["0/first#1"].rstrip("\n")}, "a replayed step prints what it printed"
    assert scripts.read("last") == [steps["=the-last"].rstrip("\n")]


async def test_a_failed_step_fails_the_script_and_is_executed_again(scripts: Scripts) -> None:
    run = await scripts.run("""
        holdfast step good -- effect good
        holdfast step bad -- sh -c 'effect bad; [ "$HOLDFAST_ATTEMPT" -ge 3 ] || exit 7'
    """)
    assert (run["state"], run["attempt"], run["failures"]) == ("Succeeded", 3, 2)
    assert Counter(scripts.read("effects")) == {"good": 1, "bad": 3}


async def test_a_step_is_tried_again_in_the_same_attempt(scripts: Scripts) -> None:
    run = await scripts.run("""
        holdfast step --max-attempts 3 --backoff 0 moody -- sh -c 'effect try; [ "$(wc -l < "$HERE/effects")" -ge 3 ]'
    """)
    assert (run["state"], run["attempt"]) == ("Succeeded", 1)
    assert scripts.read("effects") == ["try"] * 3


async def test_a_failure_that_the_script_handles_is_the_same_in_every_attempt(scripts: Scripts) -> None:
    scripts.dies("between")
    run = await scripts.run("""
        holdfast step bad -- sh -c 'effect bad; exit 7' || echo $? >> "$HERE/codes"
        die between
        holdfast step good -- effect good
    """)
    assert (run["state"], run["attempt"]) == ("Succeeded", 2)
    assert Counter(scripts.read("effects")) == {"bad": 1, "good": 1}
    assert scripts.read("codes") == ["7", "7"]


async def test_a_failure_that_the_script_went_on_from_is_not_tried_again(scripts: Scripts) -> None:
    run = await scripts.run("""
        holdfast step bad -- sh -c 'effect bad; [ "$HOLDFAST_ATTEMPT" -ge 2 ]' ||
            holdfast step instead -- effect instead
        [ "$HOLDFAST_ATTEMPT" -ge 2 ]
    """)
    assert (run["state"], run["attempt"]) == ("Succeeded", 2)
    assert Counter(scripts.read("effects")) == {"bad": 1, "instead": 1}


async def test_what_failed_side_by_side_is_tried_again(scripts: Scripts) -> None:
    run = await scripts.run("""
        part() { holdfast step --key "$1" part -- sh -c 'effect "$1"; [ "$HOLDFAST_ATTEMPT" -ge 2 ]' - "$1"; }
        part part-1 & one=$!
        part part-2 & two=$!
        wait "$two" || true
        wait "$one"
    """)
    assert (run["state"], run["attempt"]) == ("Succeeded", 2)
    assert Counter(scripts.read("effects")) == {"part-1": 2, "part-2": 2}


async def test_a_long_sleep_ends_the_process(scripts: Scripts) -> None:
    await scripts.start()
    run_id = await scripts.trigger("""
        holdfast step first -- effect first
        holdfast sleep 1h || echo went on
        effect last
    """)
    run = await wait_for_state(scripts.connection, run_id, "Waiting", "Succeeded", "Failed")
    assert (run["state"], run["wait_kind"], run["failures"]) == ("Waiting", "timer", 0)
    assert scripts.read("effects") == ["first"], "the script has not gone on"
    due = datetime.fromisoformat((await scripts.steps(run_id))["0/sleep#1"])
    assert run["due_at"] - due < timedelta(seconds=1)


async def test_another_command_at_the_same_place_is_a_mismatch(scripts: Scripts) -> None:
    scripts.dies("between")
    run = await scripts.run("""
        holdfast step first -- effect "first-$HOLDFAST_ATTEMPT"
        die between
    """)
    assert (run["state"], run["reason"]) == ("Failed", "HistoryMismatch")
    assert "its arguments differ" in run["message"]
    assert scripts.read("effects") == ["first-1"]


async def test_steps_side_by_side_have_keys(scripts: Scripts) -> None:
    scripts.dies("between")
    run = await scripts.run("""
        for n in 1 2 3; do holdfast step --key "part-$n" part -- effect "part-$n" & done
        wait
        die between
        holdfast step last -- effect last
    """)
    assert (run["state"], run["attempt"]) == ("Succeeded", 2)
    assert Counter(scripts.read("effects")) == {"part-1": 1, "part-2": 1, "part-3": 1, "last": 1}


async def test_output_of_any_kind_comes_back_byte_by_byte(scripts: Scripts) -> None:
    scripts.dies("between")
    run = await scripts.run("""
        holdfast step bytes -- printf '\\377\\000\\n' > "$HERE/bytes"
        holdfast step text -- printf 'ü\\n\\n no end' > "$HERE/text"
        die between
    """)
    assert (run["state"], run["attempt"]) == ("Succeeded", 2)
    assert (scripts.directory / "bytes").read_bytes() == b"\xff\x00\n"
    assert (scripts.directory / "text").read_bytes() == "ü\n\n no end".encode()


async def test_a_bad_call_says_what_is_wrong(scripts: Scripts) -> None:
    calls = {
        "step x -- no-such-program": (127, "the command 'no-such-program' cannot be run: No such file or directory"),
        "step a/b -- true": (1, "step name 'a/b'"),
        "step y -- head -c 1048577 /dev/zero": (1, "over 1,048,576 bytes as it is recorded"),
        "step --max-attempts 0 z -- true": (1, "at least one try is needed"),
        "step x": (2, "the following arguments are required"),
        "step b -- head -c 1000000 /dev/urandom": (1, "over 1,048,576 bytes as it is recorded"),
        "sleep": (2, "give a duration or --until"),
        "sleep soon": (2, "'soon' is no duration"),
        "sleep --until 2030-01-01T08:00": (2, "needs a time of day and a zone"),
    }
    script = ""
    for number, call in enumerate(calls):
        script += f'holdfast {call} > /dev/null 2> "$HERE/error-{number}" || echo $? >> "$HERE/codes"\n'
    run = await scripts.run(script)
    assert run["state"] == "Succeeded", run["message"]
    assert scripts.read("codes") == [str(code) for code, _ in calls.values()]
    for number, (_, says) in enumerate(calls.values()):
        assert says in "\n".join(scripts.read(f"error-{number}"))


async def test_without_the_secret_nothing_is_recorded(scripts: Scripts) -> None:
    run = await scripts.run("""
        guess="${HOLDFAST_STEPS%:*}:guessed"
        HOLDFAST_STEPS=$guess holdfast step x -- effect x 2> "$HERE/error" || echo $? > "$HERE/code"
        env -u HOLDFAST_STEPS holdfast step x -- effect x 2>> "$HERE/error" || echo $? >> "$HERE/code"
    """)
    assert run["state"] == "Succeeded"
    assert scripts.read("code") == ["1", "6"]
    assert "this is not the secret" in scripts.read("error")[0]
    assert "runs without a runner" in scripts.read("error")[1]
    assert await scripts.steps(run["id"]) == {}
    assert not (scripts.directory / "effects").exists()


async def test_a_step_that_is_killed_has_failed(scripts: Scripts) -> None:
    run = await scripts.run("""
        holdfast step x -- sh -c 'kill -9 $PPID' 2> /dev/null || echo $? > "$HERE/code"
        holdfast step y -- effect y
    """)
    assert run["state"] == "Succeeded"
    assert scripts.read("code") == ["137"]
    assert scripts.read("effects") == ["y"]


async def test_outside_of_a_run_a_step_is_its_command(tmp_path: Path) -> None:
    import asyncio

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast.cli", "step", "x", "--", "sh", "-c", "echo out; exit 3"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert (process.returncode, output) == (3, b"out\n")


async def test_a_task_runs_a_script_beside_its_own_steps(scripts: Scripts) -> None:
    scripts.dies("between")
    await scripts.start()
    env = [{"name": "HERE", "value": str(scripts.directory)}, {"name": "SCRIPT", "value": _PRELUDE + _ORDER}]
    run_id = await trigger(
        scripts.connection,
        entrypoint="tests.support.engine_tasks:run_a_script",
        template={"env": env},
        backoff_seconds=0,
    )
    run = await wait_for_state(scripts.connection, run_id, "Succeeded", "Failed")
    assert (run["state"], run["attempt"], run["result"]) == ("Succeeded", 2, '["before","after"]'), run["message"]
    assert Counter(scripts.read("effects")) == {"first": 1, "again-1": 1, "again-2": 1, "last": 1}
    assert list(await scripts.steps(run_id)) == [
        *("0/say#1", "0/first#1", "0/again#1", "0/again#2", "0/sleep#1", "=the-last", "0/say#2"),
    ]


@pytest.mark.parametrize("moment", ["never", "orders", "customers"])
async def test_another_language_speaks_the_protocol(scripts: Scripts, moment: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed: the example of another language was not run")
    (scripts.directory / f"die-{moment}").touch()
    await scripts.start()
    variables = {"EFFECTS": scripts.directory / "effects", "DIE_AT": scripts.directory / "die"}
    env = [{"name": name, "value": str(value)} for name, value in variables.items()]
    template = {"command": [node, str(_EXAMPLE)], "env": env}
    run_id = await trigger(scripts.connection, entrypoint=None, template=template, backoff_seconds=0)
    run = await wait_for_state(scripts.connection, run_id, "Succeeded", "Failed")
    assert (run["state"], run["attempt"]) == ("Succeeded", 1 if moment == "never" else 2), run["message"]
    assert scripts.read("effects") == ["count orders", "count customers", "report"]
    steps = await scripts.steps(run_id)
    assert json.loads(steps["0/report#1"]) == "orders: 6, customers: 9"
