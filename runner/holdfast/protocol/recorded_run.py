"""A run with everything that it has recorded, as a value: to look into it, and to keep it as a file."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from holdfast.domain.scopes import StepKey
from holdfast.protocol.messages import Flags, Identity, Opened, StepOutcome, StepRecord

FORMAT = 1
"""Of the files. A newer version reads every older one."""

_LEASE_SECONDS = 60


class RecordedRun(NamedTuple):
    """One run at one moment.

    Attributes:
        run_id: identity of the run.
        name: its name.
        namespace: where it lives.
        task: name of its task.
        queue: where it was admitted.
        entrypoint: ``module:function``; None if it runs a command.
        attempt: number of its latest attempt.
        state: where it stands.
        input: JSON text.
        result: JSON text; None until it succeeded.
        error: JSON text of the failure of its latest failed attempt; None if none failed.
        created_at: when it was accepted.
        read_at: the database's time when it was read.
        python_version: of the first attempt, such as ``3.12``; None before it.
        history: what is recorded, in the order of the records, with all values.
    """

    run_id: UUID
    name: str
    namespace: str
    task: str
    queue: str
    entrypoint: str | None
    attempt: int
    state: str
    input: str
    result: str | None
    error: str | None
    created_at: datetime
    read_at: datetime
    python_version: str | None
    history: tuple[StepRecord, ...]

    @property
    def identity(self) -> Identity:
        """Who an attempt would be that is none: it has no secret."""
        return Identity(self.run_id, self.attempt, b"")

    @property
    def opened(self) -> Opened:
        """What an attempt would learn of the run now."""
        return Opened(
            flags=Flags.NONE,
            namespace=self.namespace,
            name=self.name,
            task=self.task,
            queue=self.queue,
            entrypoint=self.entrypoint,
            input=self.input,
            tags=(),
            idempotency_key=None,
            created_at=self.created_at,
            failures=0,
            disruptions=0,
            max_attempts=1,
            lease_seconds=_LEASE_SECONDS,
            attempt_remaining_seconds=None,
            run_remaining_seconds=None,
            database_now=self.read_at,
            python_version=self.python_version,
            history=self.history,
        )

    def to_json(self) -> str:
        """Return it as the text of a file."""
        document: dict[str, Any] = {"format": FORMAT, **self._asdict()}
        document["run_id"] = str(self.run_id)
        for name in ("created_at", "read_at"):
            document[name] = document[name].isoformat()
        document["history"] = [_step_document(record) for record in self.history]
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RecordedRun:
        """Read the text of a file.

        Raises:
            ValueError: it was written by a newer version.
        """
        document = json.loads(text)
        if document.pop("format") > FORMAT:
            raise ValueError(
                f"this file of a recorded run has a newer format than {FORMAT}: read it with its own version"
            )
        document["run_id"] = UUID(document["run_id"])
        for name in ("created_at", "read_at"):
            document[name] = datetime.fromisoformat(document[name])
        document["history"] = tuple(_step_record(each) for each in document["history"])
        return cls(**document)


def _step_document(record: StepRecord) -> dict[str, Any]:
    digest = record.input_digest
    return {**record._asdict(), "input_digest": None if digest is None else digest.hex()}


def _step_record(document: dict[str, Any]) -> StepRecord:
    digest = document["input_digest"]
    return StepRecord(
        **{
            **document,
            "key": StepKey(document["key"]),
            "outcome": StepOutcome(document["outcome"]),
            "input_digest": None if digest is None else bytes.fromhex(digest),
        }
    )
