"""One frozen picture of a TaskRun: all that is decided by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from holdfast_operator.kinds import Key, Object
from holdfast_operator.objects import run_id_of
from holdfast_operator.pods import PodView
from holdfast_operator.run_row import RunRow


@dataclass(frozen=True, kw_only=True)
class TaskRunSnapshot:
    """What is known of a TaskRun at one moment."""

    key: Key
    #: ``None``: it is deleted, which the API server has confirmed.
    resource: Object | None
    #: The run that it is, or that it shows because of an idempotency key; ``None`` if there is none.
    run: RunRow | None
    #: Another run that has its name; ``None`` if there is none.
    namesake: RunRow | None
    #: The pods of the run that are there.
    pods: tuple[PodView, ...]
    #: The image of the run's first attempt, by its digest, as far as it was seen.
    image_id: str | None
    now: datetime


def shown_run_id(resource: Object) -> UUID | None:
    """The run that a TaskRun's status names, or its annotation if the operator made it; ``None`` if neither does."""
    text = (resource.get("status") or {}).get("runID") or run_id_of(resource)
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None
