"""The tree of all commands."""

from __future__ import annotations

import typer

from holdfast.cli.commands import (
    apply,
    check,
    dead_letters,
    dev,
    events,
    migrate,
    queues,
    run,
    runs,
    signals,
    tokens,
    trigger,
    version,
)

app = typer.Typer(
    name="holdfast",
    help="Durable tasks: a function whose process is killed goes on from its last step.",
    epilog="Exit codes: 0 done (a followed run: Succeeded), 1 the run failed, 2 bad usage or input, 3 the run was "
    "canceled, 4 not found, 5 database, 6 refused, 7 packages missing, 70 a defect, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for group in (dev, run, apply, trigger, migrate, check, version):
    group.add_to(app)
app.add_typer(runs.app, name="runs")
app.add_typer(queues.app, name="queues")
app.add_typer(tokens.app, name="tokens")
app.add_typer(signals.app, name="signals")
app.add_typer(events.app, name="events")
app.add_typer(dead_letters.app, name="dead-letters")
