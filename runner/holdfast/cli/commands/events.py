"""`holdfast events`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.session import Session

app = typer.Typer(help="Facts that are published to every run that waits for them.", no_args_is_help=True)


@command(app, "publish")
async def publish(
    session: Session,
    name: Annotated[str, typer.Argument(help="What runs wait for it by.")],
    value: Annotated[str, typer.Option(help="What they get, as JSON.")] = "null",
    key: Annotated[str | None, typer.Option(help="One event per key and name: the same again changes nothing.")] = None,
) -> None:
    """Publish an event to the runs of the namespace."""
    async with session.control_plane() as plane:
        event = await plane.publish_event(name, value, key)
    session.answer(event, f"published event {event.name} ({event.id})")


@command(app, "list")
async def list_events(
    session: Session,
    name: Annotated[str | None, typer.Option(help="Only those of this name.")] = None,
    limit: int = 50,
) -> None:
    """Show the published events, newest first. They are kept for seven days."""
    from holdfast.cli.tables import Table

    async with session.control_plane() as plane:
        events = await plane.events(name, limit=limit)
    session.answer_list(
        events,
        lambda: Table(
            ["EVENT", "NAME", "KEY", "VALUE", "PUBLISHED"],
            [
                (
                    event.id,
                    event.name,
                    event.key,
                    _short(json.dumps(event.value, ensure_ascii=False)),
                    event.published_at,
                )
                for event in events
            ],
            empty="no events",
        ),
    )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
