"""What the database says about ends is what the contract names."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

import pytest

import holdfast
import holdfast_engine
import holdfast_operator
from holdfast.contract.exit_codes import CliExit, RunnerExit
from holdfast.contract.reasons import FailureClass, Reason

SQL = Path(holdfast_engine.__file__).parent / "sql"
CAMEL_CASE = re.compile(r"[A-Z]+[a-z]*([A-Z][a-z]+)*")


def test_the_database_knows_the_same_failure_classes() -> None:
    text = (SQL / "schema" / "060_attempts.sql").read_text()
    (listed,) = re.findall(r"class in \(([^)]*)\)", text)
    assert set(re.findall(r"'(\w+)'", listed)) == {failure.value for failure in FailureClass}


def test_every_reason_that_the_database_gives_is_named() -> None:
    text = "".join(file.read_text() for file in sorted((SQL / "functions").glob("*.sql")))
    given = set(re.findall(r"\b(?:v_)?reason :?= '(\w+)'", text))
    assert given, "the functions give no reason at all: the pattern is out of date"
    assert given <= {reason.value for reason in Reason}


def test_every_reason_is_given_by_somebody() -> None:
    """A run out of attempts has the reason of its last failure, which says more than that there were many."""
    folders = [Path(package.__file__).parent for package in (holdfast, holdfast_engine, holdfast_operator)]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in (".py", ".sql")]
    text = "".join(file.read_text() for file in files if file.name != "reasons.py")
    given = {reason for reason in Reason if re.search(rf"Reason\.{reason.name}\b|['\"]{reason.value}['\"]", text)}
    assert set(Reason) - given == {Reason.FENCED, Reason.STEP_LIMIT_REACHED}, "those two are nobody's yet"


@pytest.mark.parametrize("named", [FailureClass, Reason])
def test_words_are_camel_case_and_explained(named: type[FailureClass | Reason]) -> None:
    for member in named:
        assert CAMEL_CASE.fullmatch(member.value), member
        assert member.meaning.endswith("."), member


@pytest.mark.parametrize("codes", [RunnerExit, CliExit])
def test_exit_codes_differ_and_are_explained(codes: type[RunnerExit | CliExit]) -> None:
    assert [member.name for member in codes] == list(codes.__members__), "two names share a code"
    assert all(0 <= member.value <= 255 and member.meaning.endswith(".") for member in codes)
    assert isinstance(codes(0), Enum)
    assert codes(0) == 0
