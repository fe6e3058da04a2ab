"""`holdfast version`."""

from __future__ import annotations

import platform

import typer

from holdfast.cli.command import command
from holdfast.cli.session import Session


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "version")
    async def version(session: Session) -> None:
        """Show the versions of Holdfast and Python."""
        from importlib.metadata import version

        document = {"holdfast": version("holdfast"), "python": platform.python_version()}
        session.answer(document, f"holdfast {document['holdfast']} (Python {document['python']})")
