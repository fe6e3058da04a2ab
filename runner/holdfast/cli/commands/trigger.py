"""`holdfast trigger`."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.inputs import InputOption, read_input
from holdfast.cli.names import check_name
from holdfast.cli.session import Session

DEFAULT_QUEUE = "default"

TagOption = Annotated[
    list[str] | None, typer.Option("--tag", help="A word to find the run by; may come several times.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "trigger")
    async def trigger(
        session: Session,
        task: Annotated[str, typer.Argument(metavar="TASK", help="Name of a registered task.")],
        input: InputOption = "{}",
        name: Annotated[str | None, typer.Option(help="Name of the run. Default: made from the task's.")] = None,
        queue: Annotated[str | None, typer.Option(help="Where it waits. Default: the task's.")] = None,
        priority: Annotated[int | None, typer.Option(help="Higher ones are admitted first. Default: 0.")] = None,
        concurrency_key: Annotated[str | None, typer.Option(help="Runs of one key share a limit.")] = None,
        idempotency_key: Annotated[
            str | None, typer.Option(help="A second trigger finds the run of the first.")
        ] = None,
        delay: Annotated[
            float | None, typer.Option(metavar="SECONDS", min=0, help="Start no earlier than that.")
        ] = None,
        max_attempts: Annotated[int | None, typer.Option(min=1, help="Failed attempts until the run fails.")] = None,
        tag: TagOption = None,
    ) -> None:
        """Accept a run of a registered task, and leave it to whoever serves the database."""
        from holdfast_engine.control.options import TriggerOptions
        from holdfast_engine.control.references import near_names

        check_name("--name", name)
        check_name("--queue", queue)
        options = TriggerOptions(
            name=name,
            queue=queue,
            priority=priority,
            concurrency_key=concurrency_key,
            idempotency_key=idempotency_key,
            delay_seconds=delay,
            max_attempts=max_attempts,
            tags=tuple(tag) if tag else None,
        )
        async with session.control_plane(sets_up=True) as plane:
            queues = [each.name for each in await plane.queues()]
            triggered = await plane.trigger(task, read_input(input), options)
        if queue is not None and queue != DEFAULT_QUEUE and queue not in queues:
            session.tell(f"the queue {queue!r} is new: nobody has defined its limits. {near_names(queue, queues)}")
        document = {"run": triggered.run_id, "name": triggered.name, "created": triggered.created}
        how = "accepted" if triggered.created else "was accepted before, with this idempotency key"
        session.answer(document, f"run {triggered.name} {how} ({triggered.run_id})")
