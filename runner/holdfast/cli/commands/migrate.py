"""`holdfast migrate`."""

from __future__ import annotations

import dataclasses

import typer

from holdfast.cli.command import command
from holdfast.cli.session import Session


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "migrate")
    async def migrate(session: Session) -> None:
        """Bring the database up to date. Safe to run at any time, and by several at once."""
        from holdfast_engine.postgres.migrations import migrate

        dsn = session.settings.database
        if dsn is None:
            async with session.database() as database:
                report = await migrate(database.dsn)
        else:
            report = await migrate(dsn)
        applied = ", ".join(report.applied) or "nothing to apply"
        session.answer(dataclasses.asdict(report), f"database is at version {report.version} ({applied})")
