"""`holdfast tokens`."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.session import Session

app = typer.Typer(help="What runs wait for until somebody completes it: approvals, callbacks.", no_args_is_help=True)


@command(app, "list")
async def list_tokens(
    session: Session,
    resolved: Annotated[bool, typer.Option("--all", help="Show those that are completed or timed out, too.")] = False,
    limit: int = 50,
) -> None:
    """Show the tokens that nobody has completed, newest first. Answer with: holdfast tokens complete."""
    from holdfast.cli.tables import Table

    async with session.control_plane() as plane:
        tokens = await plane.tokens(resolved=resolved, limit=limit)
    session.answer_list(
        tokens,
        lambda: Table(
            ["TOKEN", "RUN", "TAGS", "CREATED", "EXPIRES", "OUTCOME"],
            [(t.id, t.run_name, ", ".join(t.tags), t.created_at, t.expires_at, t.outcome) for t in tokens],
            empty="no open tokens",
        ),
    )


@command(app, "complete")
async def complete(
    session: Session,
    token: Annotated[str, typer.Argument(help="The id of the token.")],
    value: Annotated[str, typer.Argument(help="What the run gets, as JSON.")] = "null",
) -> None:
    """Let the run that waits for a token go on with a value."""
    async with session.control_plane() as plane:
        await plane.complete_token(token, value)
        completed = await plane.token(token)
    session.answer(completed, f"completed token {completed.id} of run {completed.run_name}")
