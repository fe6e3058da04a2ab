"""Attempts to launch, without a database."""

from __future__ import annotations

from uuid import UUID

from holdfast_engine.launcher import AttemptId, Launch


def launch_of(run: int, attempt: int = 1, **variables: str) -> Launch:
    """An attempt of the run with that number; ``variables`` are set by its template."""
    return Launch(
        id=AttemptId(UUID(int=run), attempt),
        namespace="shop",
        name=f"run-{run}",
        task="work",
        queue="default",
        entrypoint="tasks:work",
        template={"env": [{"name": name, "value": value} for name, value in variables.items()]},
        token="token",
        database="postgresql://nowhere",
        database_grace_seconds=300,
        shutdown_grace_seconds=25,
    )
