"""`holdfast apply`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.session import Session
from holdfast.domain.errors import InputError

if TYPE_CHECKING:
    from holdfast.contract.manifest import Resource


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "apply")
    async def apply(
        session: Session,
        files: Annotated[
            list[str],
            typer.Option(
                "--filename",
                "-f",
                metavar="FILE|-",
                help="YAML of TaskRuns, TaskQueues, Tasks; may come several times.",
            ),
        ],
    ) -> None:
        """Make true what manifests say: the same YAML that a cluster takes. The same again changes nothing."""
        from holdfast_engine.control.apply import apply

        resources = [resource for file in files for resource in _load(file, session.settings.namespace)]
        async with session.control_plane(sets_up=True) as plane:
            applied = await apply(plane, resources)
        documents = [{"resource": each.address, "outcome": each.outcome, "run": each.run_id} for each in applied]
        session.answer(documents, "\n".join(f"{each.address} {each.outcome}" for each in applied))


def _load(file: str, namespace: str) -> list[Resource]:
    from holdfast.contract.manifest import load_manifests

    return load_manifests(_read(file), "standard input" if file == "-" else file, namespace)


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8: {error.reason} at byte {error.start}.") from None
