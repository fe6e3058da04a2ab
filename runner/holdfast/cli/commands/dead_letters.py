"""`holdfast dead-letters`."""

from __future__ import annotations

import typer

from holdfast.cli.command import command
from holdfast.cli.documents import run_document
from holdfast.cli.session import Session

app = typer.Typer(help="Runs whose retries are exhausted, kept for a decision.", no_args_is_help=True)


@command(app, "list")
async def list_dead_letters(session: Session, limit: int = 50) -> None:
    """Show the dead letters. Decide with: holdfast runs resume, replay or discard."""
    from holdfast.cli.tables import Table

    async with session.control_plane() as plane:
        runs = await plane.dead_letters(limit)
    session.answer_list(
        [run_document(run) for run in runs],
        lambda: Table(
            ["RUN", "TASK", "STATE", "ATTEMPTS", "REASON", "MESSAGE", "FINISHED"],
            [(r.name, r.task, r.state, r.attempt, r.reason, r.message, r.finished_at) for r in runs],
            empty="no dead letters",
        ),
    )
