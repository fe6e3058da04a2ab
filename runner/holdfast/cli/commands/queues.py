"""`holdfast queues`."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.session import Session

app = typer.Typer(help="Where runs wait for admission.", no_args_is_help=True)

Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="Name of the queue.")]


@command(app, "list")
async def list_queues(session: Session) -> None:
    """Show the queues, their limits, and what is in them."""
    from holdfast.cli.tables import Table

    async with session.control_plane() as plane:
        queues = await plane.queues()
    session.answer_list(
        queues,
        lambda: Table(
            ["QUEUE", "STATE", "WAITING", "RUNNING", "CONCURRENCY", "PER KEY", "PER MINUTE", "OLDEST"],
            [
                (
                    queue.name,
                    "paused" if queue.paused else "open",
                    queue.depth,
                    queue.running,
                    queue.concurrency,
                    queue.concurrency_per_key,
                    queue.starts_per_minute,
                    queue.oldest_queued_at,
                )
                for queue in queues
            ],
            empty="no queues yet: the first run makes one, or apply a TaskQueue",
        ),
    )


@command(app, "pause")
async def pause(session: Session, queue: Queue) -> None:
    """Admit no more runs of a queue; those that run go on."""
    async with session.control_plane() as plane:
        await plane.pause_queue(queue)
    session.answer({"queue": queue, "paused": True}, f"queue {queue} is paused")


@command(app, "resume")
async def resume(session: Session, queue: Queue) -> None:
    """Admit runs of a paused queue again."""
    async with session.control_plane() as plane:
        await plane.resume_queue(queue)
    session.answer({"queue": queue, "paused": False}, f"queue {queue} is open")
