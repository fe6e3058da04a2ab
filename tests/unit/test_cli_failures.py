"""Every error has an exit code that says what kind it is, and none is a traceback."""

from __future__ import annotations

import inspect

import pytest
import typer

from holdfast.cli.failures import exit_code_of, reported
from holdfast.cli.settings import Format, Settings
from holdfast.contract.exit_codes import CliExit
from holdfast.domain import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("x"), CliExit.USAGE),
        (errors.LimitError("x"), CliExit.USAGE),
        (errors.NotFoundError("x"), CliExit.NOT_FOUND),
        (errors.ConflictError("x"), CliExit.REFUSED),
        (errors.WrongStateError("x"), CliExit.REFUSED),
        (errors.UnavailableError("x"), CliExit.DATABASE),
        (errors.MigrationError("x"), CliExit.DATABASE),
        (errors.EmbeddedPostgresError("x"), CliExit.DATABASE),
        (errors.MissingExtraError(what="x", package="y", extra="dev"), CliExit.MISSING_EXTRA),
    ],
)
def test_an_error_ends_as_a_sentence_and_its_exit_code(
    error: errors.HoldfastError, code: CliExit, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as exit, reported(Settings()):
        raise error

    assert exit.value.exit_code == exit_code_of(error) == code
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == f"{error}\n"


def test_with_json_the_error_is_also_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reported(Settings(output=Format.JSON)):
        raise errors.NotFoundError("No run 'x'.")

    assert '"message": "No run \'x\'."' in capsys.readouterr().out


def test_every_refusal_of_the_control_plane_has_an_exit_code() -> None:
    refusals = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.ControlError) and kind is not errors.ControlError
    ]

    assert refusals
    assert all(exit_code_of(kind("x")) is not CliExit.INTERNAL for kind in refusals)


def test_a_defect_shows_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as exit, reported(Settings()):
        raise RuntimeError("never thought of")

    assert exit.value.exit_code == CliExit.INTERNAL
    assert "RuntimeError: never thought of" in capsys.readouterr().err


def test_an_interrupt_has_its_own_exit_code() -> None:
    with pytest.raises(typer.Exit) as exit, reported(Settings()):
        raise KeyboardInterrupt

    assert exit.value.exit_code == CliExit.INTERRUPTED
