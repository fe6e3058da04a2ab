"""`holdfast signals`."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.session import Session

app = typer.Typer(help="Messages to one run, which takes them by their names.", no_args_is_help=True)


# a group of its own, though it has one command so far
@app.callback()
def signals() -> None:
    """Messages to one run, which takes them by their names."""


@command(app, "send")
async def send(
    session: Session,
    run: Annotated[str, typer.Argument(help="The run's name, or its id or the beginning of it.")],
    name: Annotated[str, typer.Argument(help="What the run receives it by.")],
    value: Annotated[str, typer.Option(help="What the run gets, as JSON.")] = "null",
) -> None:
    """Send a signal to a run. It is kept until the run takes it."""
    async with session.control_plane() as plane:
        signal_id = await plane.send_signal(run, name, value)
        target = await plane.get(run)
    session.answer(
        {"id": signal_id, "run_id": target.id, "run_name": target.name, "name": name},
        f"sent signal {name} to run {target.name}",
    )
