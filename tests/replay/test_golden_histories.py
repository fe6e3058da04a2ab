"""Histories that earlier versions recorded are replayed to their end: same places, same digests, same values."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.protocol.recorded_run import RecordedRun
from holdfast.runtime.attempt import PYTHON_VERSION
from holdfast.runtime.local_replay import ReplayEnd, replay_locally
from tests.support import golden_programs
from tests.support.golden_histories import FOLDER
from tests.support.golden_programs import golden

FILES = sorted(FOLDER.glob("*.json"))
PROGRAMS = {task.name: task for task in golden}


def read(file: Path) -> RecordedRun:
    """The run, as if this Python had recorded it: the programs make the same tasks in all of them."""
    return RecordedRun.from_json(file.read_text())._replace(python_version=PYTHON_VERSION)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_this_version_replays_what_an_earlier_one_recorded(file: Path) -> None:
    golden_programs.executed.clear()
    run = read(file)
    replay = await replay_locally(PROGRAMS[run.task], run)
    assert replay.agrees, replay.message
    assert replay.end is (ReplayEnd.RETURNED if run.state == "Succeeded" else ReplayEnd.RAISED)
    assert (replay.ends, replay.left_over) == ((), ())
    assert golden_programs.executed == []


def test_every_program_has_a_history() -> None:
    assert {read(file).task for file in FILES} == set(PROGRAMS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_read_and_written_without_a_change(file: Path) -> None:
    assert RecordedRun.from_json(file.read_text()).to_json() == file.read_text()


def test_a_file_of_a_newer_version_is_refused() -> None:
    text = FILES[0].read_text().replace('"format": 1', '"format": 2')
    with pytest.raises(ValueError, match="newer format"):
        RecordedRun.from_json(text)
