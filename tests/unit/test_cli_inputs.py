"""The option `--input`."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.cli.inputs import read_input
from holdfast.contract.limits import INPUT_LIMIT_BYTES
from holdfast.domain.errors import InputError


def test_json_is_taken_as_it_is() -> None:
    assert read_input('{"a": 1}') == '{"a": 1}'


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text('{"a": "ä"}')

    assert read_input(f"@{tmp_path / 'input.json'}") == '{"a": "ä"}'


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json cannot be read: No such file"):
        read_input(f"@{tmp_path / 'nowhere.json'}")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "input.json").write_bytes(b'{"a": "\xff"}')

    with pytest.raises(InputError, match="not UTF-8"):
        read_input(f"@{tmp_path / 'input.json'}")


def test_of_an_endless_file_no_more_is_read_than_shows_that_it_is_too_large() -> None:
    assert len(read_input("@/dev/zero")) == INPUT_LIMIT_BYTES + 1
