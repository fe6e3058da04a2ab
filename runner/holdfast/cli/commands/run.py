"""`holdfast run`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.command import command, forgive_cancel
from holdfast.cli.definitions import input_schema_of, options_of
from holdfast.cli.documents import run_document
from holdfast.cli.entrypoints import load_entrypoint
from holdfast.cli.inputs import InputOption, read_input
from holdfast.cli.session import Session
from holdfast.cli.tracebacks import without_machinery
from holdfast.contract.exit_codes import CliExit
from holdfast.domain.errors import ConflictError
from holdfast.domain.states import DEAD_LETTERS, State
from holdfast.sdk.task import Task

if TYPE_CHECKING:
    from holdfast_engine.control.options import TriggerOptions
    from holdfast_engine.control.plane import ControlPlane
    from holdfast_engine.control.views import RunDetail, Triggered

_EXITS = {State.SUCCEEDED: CliExit.OK, State.CANCELED: CliExit.RUN_CANCELED}


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "run")
    async def run(
        session: Session,
        entrypoint: Annotated[str, typer.Argument(metavar="MODULE:TASK", help="For instance orders.tasks:process.")],
        input: InputOption = "{}",
        name: Annotated[str | None, typer.Option(help="Name of the run. Default: made from the task's.")] = None,
        queue: Annotated[str | None, typer.Option(help="Where it waits. Default: the task's.")] = None,
        idempotency_key: Annotated[
            str | None, typer.Option(help="With the key of an earlier run: go on with that one.")
        ] = None,
    ) -> None:
        """Run a task here and now, through the whole machinery, and follow it to its end.

        Each attempt is a process with this working directory and environment. If it is killed, the next one goes on
        from the last recorded step. Ctrl-C cancels the run.
        """
        from dataclasses import replace

        from holdfast_engine.control.inputs import check_input, input_text
        from holdfast_engine.local.control_plane import serving
        from holdfast_engine.local.launcher_name import adopt_run, name_of_command

        task = load_entrypoint(entrypoint)
        text = input_text(read_input(input))
        task.signature.validate(text)
        if (schema := input_schema_of(task)) is not None:  # what a trigger refuses is refused here, too
            check_input(text, schema, task.name)
        launcher = name_of_command()
        options = replace(
            options_of(task, launcher),
            entrypoint=entrypoint,
            name=name,
            queue=queue or task.queue,
            idempotency_key=idempotency_key,
        )
        with TemporaryDirectory(prefix="holdfast-run-") as folder:
            async with (
                session.database() as database,
                serving(database, launcher, Path(folder), namespace=session.settings.namespace) as plane,
            ):
                triggered = await _trigger(plane, task, text, options)
                if not triggered.created:
                    await adopt_run(database.pool, triggered.run_id, launcher)
                detail, was_interrupted = await _follow(session, plane, triggered)
        if session.wants_json or detail.state is State.SUCCEEDED:
            session.answer(run_document(detail), json.dumps(detail.result, ensure_ascii=False, indent=2))
        else:
            session.tell(_failure(detail))
        raise typer.Exit(CliExit.INTERRUPTED if was_interrupted else _EXITS.get(detail.state, CliExit.RUN_FAILED))


async def _trigger(plane: ControlPlane, task: Task[..., Any], text: str, options: TriggerOptions) -> Triggered:
    try:
        return await plane.trigger(task.name, text, options)
    except ConflictError as error:
        known = await plane.named(options.name) if options.name else None
        if known is None or known.is_final or known.idempotency_key == (options.idempotency_key or ""):
            raise
        raise ConflictError(
            f"{error}. That one is {known.state}: if its command was killed, `holdfast dev` in the same directory "
            "goes on with it; a command with --idempotency-key can be given again."
        ) from None


async def _follow(session: Session, plane: ControlPlane, triggered: Triggered) -> tuple[RunDetail, bool]:
    from holdfast.cli.narrator import Narrator

    session.tell(f"run {triggered.name} ({triggered.run_id})")
    async with Narrator(plane, triggered.run_id, session.tell).telling():
        try:
            return await plane.wait(triggered.run_id), False
        except asyncio.CancelledError:
            forgive_cancel()
        session.tell("canceling the run")
        await plane.cancel(triggered.run_id)
        return await plane.wait(triggered.run_id), True


def _failure(detail: RunDetail) -> str:
    traceback = (detail.error or {}).get("traceback")
    reason = f"{detail.state}: {detail.message or detail.reason}"
    if detail.state in DEAD_LETTERS:
        # with this command goes what would execute it
        reason += (
            f"\nIt is kept as a dead letter. To go on from the failed step: holdfast runs resume {detail.name}, "
            "while holdfast dev serves this directory."
        )
    return f"{without_machinery(traceback)}\n{reason}" if traceback else reason
