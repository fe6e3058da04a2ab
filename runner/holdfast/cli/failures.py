"""Errors as people and programs see them: a sentence, an exit code, with `-o json` also a document."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from holdfast.cli.documents import error_document, print_document
from holdfast.cli.settings import Format, Settings
from holdfast.contract.exit_codes import CliExit
from holdfast.domain.errors import (
    ControlError,
    DefinitionError,
    DeniedError,
    EmbeddedPostgresError,
    HoldfastError,
    InputError,
    LimitError,
    ManifestError,
    MigrationError,
    MissingExtraError,
    NotFoundError,
    TaskImportError,
    UnavailableError,
    UnknownTaskError,
)

_EXITS: tuple[tuple[type[HoldfastError], CliExit], ...] = (
    (NotFoundError, CliExit.NOT_FOUND),
    (UnknownTaskError, CliExit.NOT_FOUND),
    (InputError, CliExit.USAGE),
    (LimitError, CliExit.USAGE),
    (ManifestError, CliExit.USAGE),
    (TaskImportError, CliExit.USAGE),
    (DefinitionError, CliExit.USAGE),
    (UnavailableError, CliExit.DATABASE),
    (DeniedError, CliExit.DATABASE),
    (MigrationError, CliExit.DATABASE),
    (EmbeddedPostgresError, CliExit.DATABASE),
    (MissingExtraError, CliExit.MISSING_EXTRA),
    (ControlError, CliExit.REFUSED),
)


@contextmanager
def reported(settings: Settings) -> Iterator[None]:
    """Turn what is raised inside into a message on standard error and `typer.Exit`."""
    try:
        yield
    except HoldfastError as error:
        if isinstance(error, TaskImportError) and error.__cause__ is not None:
            sys.stderr.write(_authors_traceback(error.__cause__))
        sys.stderr.write(f"{error}\n")
        if settings.output is Format.JSON:
            print_document(error_document(error))
        raise typer.Exit(exit_code_of(error)) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("interrupted\n")
        raise typer.Exit(CliExit.INTERRUPTED) from None
    except BrokenPipeError:
        # whoever read our output has left; what is buffered must not fail once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(CliExit.OK) from None
    except typer.Exit:
        raise
    except Exception:
        traceback.print_exc()
        sys.stderr.write("This is a defect of Holdfast: please report it with the lines above.\n")
        raise typer.Exit(CliExit.INTERNAL) from None


def exit_code_of(error: HoldfastError) -> CliExit:
    """The exit code that says what kind of error it was."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), CliExit.INTERNAL)


def _authors_traceback(error: BaseException) -> str:
    """The traceback from the first line of the author's module on."""
    frames = error.__traceback__
    while frames is not None and _is_machinery(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _is_machinery(file: str) -> bool:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return file.startswith((package + os.sep, "<frozen importlib")) or os.sep + "importlib" + os.sep in file
