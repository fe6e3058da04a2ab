"""The document pipeline: parent and children are killed part way, and each stage of each document is executed once."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from examples.pipeline import plain
from examples.pipeline.pipeline import build_index, index_document
from examples.pipeline.texts import STANDARD_LIBRARY
from holdfast.contract.exit_codes import CliExit
from holdfast.testing import TaskEnvironment
from tests.support.cli import Cli
from tests.support.killed_processes import KilledProcesses

LIBRARY = Path(STANDARD_LIBRARY)
DOCUMENTS = ["json", "heapq", "textwrap"]
STAGES = ("read", "split", "count_terms")


@pytest.fixture(autouse=True)
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to which each stage that is executed is told: the oracle outside of the database."""
    monkeypatch.setenv("PIPELINE_TRACE", str(tmp_path / "trace"))
    return tmp_path / "trace"


def executed(trace: Path) -> Counter[tuple[str, str]]:
    """How often each stage of each document was executed, whoever did it."""
    lines = (line.split(" ", 2) for line in trace.read_text().splitlines())
    return Counter((stage, document) for _, stage, document in lines)


def expected(library: Path, documents: Iterable[str]) -> Any:
    """The index that the plain loop builds, as JSON."""
    return {term: asdict(entry) for term, entry in plain.index(library, documents).items()}


def once(stages: Iterable[str], documents: Iterable[str]) -> dict[tuple[str, str], int]:
    return {(stage, document): 1 for stage in stages for document in documents}


async def test_parent_and_children_killed_between_stages_repeat_none(
    processes: KilledProcesses, tmp_path: Path, trace: Path
) -> None:
    processes.deaths = {
        build_index.entrypoint: ["after body|trigger", "after record|trigger", "after record|write", "before finish"],
        index_document.entrypoint: ["after record|read", "before body|split", "after record|count_terms"],
    }
    file = str(tmp_path / "index.json")

    result = await processes.run(build_index, documents=DOCUMENTS, file=file)

    assert (result.state, result.failures, result.result.failed) == ("Succeeded", 0, {}), result.message
    assert processes.kills == 4 + 3 * len(DOCUMENTS)
    assert json.loads(Path(file).read_text()) == expected(LIBRARY, DOCUMENTS)
    assert executed(trace) == {**once(STAGES, DOCUMENTS), ("write", file): 1}


async def test_a_kill_between_a_stage_and_its_record_repeats_that_stage_alone(
    processes: KilledProcesses, tmp_path: Path, trace: Path
) -> None:
    processes.deaths = {build_index.entrypoint: ["after body|write"], index_document.entrypoint: ["after body|split"]}
    file = str(tmp_path / "index.json")

    result = await processes.run(build_index, documents=DOCUMENTS, file=file)

    assert (result.state, processes.kills) == ("Succeeded", 1 + len(DOCUMENTS))
    assert json.loads(Path(file).read_text()) == expected(LIBRARY, DOCUMENTS)
    repeated = {("split", document): 2 for document in DOCUMENTS} | {("write", file): 2}
    assert executed(trace) == {**once(STAGES, DOCUMENTS), **repeated}


async def test_a_broken_document_is_told_and_stops_no_other(
    environment: TaskEnvironment, tmp_path: Path, trace: Path
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    for name in ("heapq", "textwrap"):
        shutil.copy(LIBRARY / f"{name}.py", library)
    (library / "broken.py").write_text("def (:\n")
    file = tmp_path / "index.json"

    result = await environment.run(
        build_index, documents=["heapq", "broken", "textwrap", "absent"], library=str(library), file=str(file)
    )

    assert result.state == "Succeeded"
    assert result.result.failed.keys() == {"broken", "absent"}
    assert "broken.py is no Python" in result.result.failed["broken"]
    assert "neither absent.py nor a package" in result.result.failed["absent"]
    assert json.loads(file.read_text()) == expected(library, ["heapq", "textwrap"])
    assert executed(trace)["read", "broken"] == 1


async def test_the_command_builds_the_index_of_the_plain_loop(cli: Cli, tmp_path: Path, trace: Path) -> None:
    file = tmp_path / "index.json"
    given = json.dumps({"documents": DOCUMENTS, "file": str(file)})

    result = await cli("run", "examples.pipeline.pipeline:build_index", "--input", given, "-o", "json")

    assert result.code == CliExit.OK, result.err
    assert result.document["result"]["failed"] == {}
    assert json.loads(file.read_text()) == expected(LIBRARY, DOCUMENTS)
    assert executed(trace) == {**once(STAGES, DOCUMENTS), ("write", str(file)): 1}
