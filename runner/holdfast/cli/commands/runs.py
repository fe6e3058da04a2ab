"""`holdfast runs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.documents import print_document, run_document
from holdfast.cli.run_page import run_page
from holdfast.cli.session import Session
from holdfast.domain.errors import InputError, WrongStateError
from holdfast.domain.states import FINAL, State

if TYPE_CHECKING:
    from holdfast_engine.control.views import RunView

app = typer.Typer(help="Executions of tasks.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run, its id, or the beginning of its id.")]


@command(app, "list")
async def list_runs(
    session: Session,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    task: Annotated[str | None, typer.Option(help="Only those of this task.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only those of this queue.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    before: Annotated[str | None, typer.Option(metavar="RUN", help="Go on after this run of a list.")] = None,
) -> None:
    """Show runs, newest first."""
    from holdfast.cli.tables import Table

    async with session.control_plane() as plane:
        runs = await plane.runs(state=state, task=task, queue=queue, limit=limit, before=before)
    session.answer_list(
        [run_document(run) for run in runs],
        lambda: Table(
            ["RUN", "TASK", "STATE", "QUEUE", "ATTEMPTS", "REASON", "CREATED"],
            [(r.name, r.task, r.state, r.queue, r.attempt, r.reason, r.created_at) for r in runs],
            empty="no runs",
        ),
    )


@command(app, "get")
async def get(session: Session, run: Run) -> None:
    """Show a run: state, attempts, input, result, error."""
    async with session.control_plane() as plane:
        detail = await plane.get(run)
        attempts = await plane.attempts(detail.id)
    session.answer({**run_document(detail), "launched": attempts}, run_page(detail, attempts))


@command(app, "steps")
async def steps(session: Session, run: Run) -> None:
    """Show the recorded steps of a run, in the order of their records."""
    from holdfast.cli.tables import Table, excerpt

    async with session.control_plane() as plane:
        steps = await plane.steps(run)
    session.answer_list(
        steps,
        lambda: Table(
            ["#", "STEP", "OUTCOME", "ATTEMPT", "TRIES", "TOOK", "VALUE", "RECORDED"],
            [
                (
                    s.sequence,
                    s.key,
                    s.outcome,
                    s.attempt,
                    s.tries,
                    f"{s.elapsed_ms} ms",
                    excerpt(s.value),
                    s.recorded_at,
                )
                for s in steps
            ],
            empty="no steps recorded",
        ),
    )


@command(app, "logs")
async def logs(
    session: Session,
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run is final.")] = False,
) -> None:
    """Show what the attempts of a run printed."""
    async with session.control_plane() as plane:
        lines = plane.logs(run, follow=follow)
        if session.wants_json:
            print_document([line async for line in lines])
            return
        async for line in lines:
            print(f"{line.logged_at.astimezone():%H:%M:%S} {line.attempt}/{line.stream}: {line.line}", flush=True)


@command(app, "cancel")
async def cancel(
    session: Session,
    run: Run,
    grace: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Time to clean up.")] = 30.0,
) -> None:
    """End a run. A running attempt gets some time to clean up; what it did is compensated."""
    async with session.control_plane() as plane:
        view = await plane.get(run)
        state = view.state if view.is_final else await plane.cancel(view.id, grace)
    if state in FINAL - {State.CANCELED} or view.is_final:
        raise WrongStateError(f"run {view.name} is {state} already: nothing is left to cancel.")
    ends_now = state in (State.CANCELED, State.CANCELING)
    _answer_state(session, view, state, "" if ends_now else ", and ends when what is left to do before is done")


@command(app, "suspend")
async def suspend(session: Session, run: Run) -> None:
    """Let a run rest before its next step; it holds no process and no slot."""
    async with session.control_plane() as plane:
        view = await plane.get(run)
        state = await plane.suspend(view.id)
    note = "" if state is State.SUSPENDED else " and will be suspended before its next step"
    _answer_state(session, view, state, note)


@command(app, "unsuspend")
async def unsuspend(session: Session, run: Run) -> None:
    """Let a suspended run go on."""
    async with session.control_plane() as plane:
        view = await plane.get(run)
        _answer_state(session, view, await plane.unsuspend(view.id))


@command(app, "resume")
async def resume(session: Session, run: Run) -> None:
    """Let a dead letter go on from its failed step, or with what is left undone, with fresh counters."""
    async with session.control_plane() as plane:
        view = await plane.get(run)
        _answer_state(session, view, await plane.resume(view.id))


@command(app, "discard")
async def discard(session: Session, run: Run) -> None:
    """Take a run out of the dead letters; it stays in the list of runs."""
    async with session.control_plane() as plane:
        view = await plane.get(run)
        _answer_state(session, view, await plane.discard(view.id))


@command(app, "replay")
async def replay(
    session: Session,
    run: Run,
    local: Annotated[
        bool,
        typer.Option(
            "--local", help="Start nothing: run the task here on what the run has recorded. No step is executed."
        ),
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(metavar="MODULE:TASK", help="With --local: the program. Default: the run's entrypoint."),
    ] = None,
) -> None:
    """Start a new run with the program and input of an older one; or replay an older one here."""
    if local:
        from holdfast.cli.local_replay import replay_here

        await replay_here(session, run, task)
        return
    if task is not None:
        raise InputError("--task goes with --local: a new run has the program of the older one.")
    async with session.control_plane() as plane:
        replayed = await plane.replay(run)
    session.answer({"run": replayed.run_id, "name": replayed.name}, f"run {replayed.name} accepted ({replayed.run_id})")


@command(app, "fork")
async def fork(
    session: Session,
    run: Run,
    step: Annotated[
        str, typer.Option("--from", metavar="STEP", help="Key of a recorded step, or its name if only one has it.")
    ],
) -> None:
    """Start a new run from a step of an older one: what was recorded before it is kept, the rest is executed again."""
    async with session.control_plane() as plane:
        forked = await plane.fork(run, step)
    session.answer(
        {"run": forked.run_id, "name": forked.name, "step": forked.step, "kept_steps": forked.kept_steps},
        f"run {forked.name} accepted ({forked.run_id}); "
        f"it goes on before {forked.step}, with {forked.kept_steps} records",
    )


def _answer_state(session: Session, run: RunView, state: State, note: str = "") -> None:
    document = {"run": run.id, "name": run.name, "state": state}
    session.answer(document, f"run {run.name} is {state}{note}")
