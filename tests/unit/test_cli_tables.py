"""Tables for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.cli.tables import Table, age, excerpt, print_table
from holdfast.domain.states import State

NOW = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=5), "5s ago"),
        (timedelta(seconds=119), "119s ago"),
        (timedelta(minutes=3), "3m ago"),
        (timedelta(hours=5), "5h ago"),
        (timedelta(days=3), "3d ago"),
        (timedelta(seconds=-30), "in 30s"),
        (-timedelta(hours=2, minutes=59), "in 3h"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(ago: timedelta, text: str) -> None:
    assert age(NOW - ago, NOW) == text


def test_a_long_value_is_cut() -> None:
    assert excerpt("x" * 200).endswith("…")
    assert excerpt({"a": 1}) == '{"a": 1}'


def test_a_table_without_a_terminal_has_no_colours_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a-name-that-is-rather-long-" * 3

    print_table(Table(["RUN", "STATE"], [(name, State.FAILED), (None, State.SUCCEEDED)]))

    written = capsys.readouterr().out
    assert name in written
    assert "\x1b" not in written


def test_an_empty_table_says_so_beside_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Table(["RUN"], [], empty="no runs"))

    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "no runs\n")


def test_a_cell_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Table(["RUN"], [("\x1b[2Jgone \x07 ünï 🐚",)]))

    assert "\\x1b[2Jgone \\x07 ünï 🐚" in capsys.readouterr().out
