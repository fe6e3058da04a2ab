"""`holdfast check`."""

from __future__ import annotations

import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.command import command
from holdfast.cli.run_page import count
from holdfast.cli.session import Session
from holdfast.contract.exit_codes import CliExit
from holdfast.domain.errors import TaskImportError, UnknownTaskError

if TYPE_CHECKING:
    from holdfast.check.module_check import Finding, ModuleCheck


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "check")
    async def check(
        session: Session,
        module: Annotated[
            str, typer.Argument(metavar="MODULE", help="For instance orders.tasks, a package, or a file.")
        ],
    ) -> None:
        """Find clocks, randomness and I/O in tasks, outside of steps: what the next attempt would see differently.

        Reads the source and imports nothing. Looks into the tasks of a module, and into the plain functions of the same
        module that they use. A line with the comment `# holdfast: ignore` is left alone. Exit code 1 if something is
        found.
        """
        from holdfast.check.sources import source_files

        files = source_files(module)
        checks = [_check(file) for file in files]
        tasks = [task for each in checks for task in each.tasks]
        findings = [finding for each in checks for finding in each.findings]
        if not tasks:
            raise UnknownTaskError(f"{module!r} has no tasks: nothing was checked")
        summary = f"{count(len(findings), 'finding')} in {count(len(tasks), 'task')} of {count(len(files), 'file')}"
        session.answer(
            {"module": module, "files": len(files), "tasks": tasks, "findings": [_document(each) for each in findings]},
            "\n".join([*map(_sentence, findings), summary]),
        )
        raise typer.Exit(CliExit.RUN_FAILED if findings else CliExit.OK)


def _check(file: Path) -> ModuleCheck:
    from holdfast.check.module_check import check_source

    try:
        with tokenize.open(file) as source:  # as Python itself reads it
            text = source.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise TaskImportError(f"{file} cannot be read: {error}") from None
    return check_source(text, file)


def _document(finding: Finding) -> dict[str, Any]:
    return {
        "file": _shown(finding.file),
        "line": finding.line,
        "column": finding.column,
        "call": finding.call,
        "hazard": finding.hazard,
        "instead": finding.hazard.instead,
        "function": finding.function,
        "task": finding.task,
    }


def _sentence(finding: Finding) -> str:
    where = f"task {finding.task}"
    if finding.function != finding.task:
        where = f"{finding.function}(), used by {where}"
    place = f"{_shown(finding.file)}:{finding.line}:{finding.column}"
    return f"{place}: {finding.call} is {finding.hazard}: {finding.hazard.instead} ({where})"


def _shown(file: Path) -> str:
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
