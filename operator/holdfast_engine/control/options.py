"""What a trigger may ask for besides task and input."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from holdfast.domain.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerOptions:
    """Options of one trigger. None: as the task says, else the default in brackets.

    Also what a task keeps as its defaults.
    """

    #: Name of the run, unique in its namespace [task and the end of the id].
    name: str | None = None
    #: Where it waits for admission ["default"].
    queue: str | None = None
    #: "module:function", for a run of something that is not registered.
    entrypoint: str | None = None
    #: Higher ones are admitted first [0].
    priority: int | None = None
    #: Runs of one key share the queue's `concurrencyPerKey`.
    concurrency_key: str | None = None
    #: A second trigger of the task with this key finds the run of the first.
    idempotency_key: str | None = None
    tags: tuple[str, ...] | None = None
    #: Start no earlier than this; aware.
    start_after: datetime | None = None
    #: Start no earlier than in so many seconds.
    delay_seconds: float | None = None
    #: Give up (Expired) unless started within so many seconds.
    expire_after_seconds: float | None = None
    #: Failed attempts until the run fails, the first one included [3].
    max_attempts: int | None = None
    #: Bound of the first wait between attempts, in seconds [1].
    backoff_seconds: float | None = None
    #: Bound of every wait, in seconds [60].
    max_backoff_seconds: float | None = None
    #: Growth of that bound from failure to failure, in percent [200].
    multiplier_percent: int | None = None
    #: Lost attempts until the run fails [20].
    disruption_limit: int | None = None
    #: Deadline of the whole run from its first start, in seconds [none].
    active_deadline_seconds: int | None = None
    #: Deadline of each attempt, in seconds [none].
    attempt_deadline_seconds: int | None = None
    #: How long an attempt may take to start, in seconds [600].
    pending_deadline_seconds: int | None = None
    #: An attempt not heard of for so many seconds is lost [30].
    lease_seconds: int | None = None
    #: Keep the finished run for so many seconds [for ever].
    ttl_seconds: int | None = None
    #: What the launcher needs to know of it; kept with the run.
    template: dict[str, Any] | None = field(default=None)
    #: The one engine that may launch its attempts [any].
    launcher: str | None = None
    #: Which of `on_failure`, `on_cancel` and `on_complete` the task has [none].
    hooks: tuple[str, ...] | None = None
    #: Begin as Suspended [False].
    suspend: bool | None = None
    #: The run of which this is a replay.
    replay_of: UUID | None = None
    #: Uid of the TaskRun that is this run: a second trigger with this uid finds the run of the first.
    resource_uid: str | None = None

    def given(self) -> dict[str, Any]:
        """The options that are not None, as JSON values.

        Raises:
            InputError: a number is not finite; names the option.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: _json_value(name, value) for name, value in values.items() if value is not None}

    def to_json(self) -> str:
        """The options as the database takes them."""
        return json.dumps(self.given())


def _json_value(name: str, value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} must be a finite number, not {value}.")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
