"""What earlier attempts recorded, and whether the program still asks for the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from holdfast.domain.errors import BranchError, HistoryMismatch
from holdfast.domain.scopes import Place, StepKey, branch_of
from holdfast.protocol.messages import StepOutcome, StepRecord

CANCEL_MARK = "~canceled"
"""Suffix of the key of a record that says: the caller of this step was canceled while its success was being
recorded.
"""

CANCEL_KIND = "cancel"


class History:
    """The recorded steps of a run. Each is claimed once per attempt, by the call that stands at its place."""

    def __init__(self, records: Iterable[StepRecord] = ()) -> None:
        self._records: dict[StepKey, StepRecord] = {}
        self._at_position: dict[tuple[str, int], StepRecord] = {}
        self._canceled: set[str] = set()
        self._claimed: set[StepKey] = set()
        self.last_sequence = 0
        for record in records:
            self.last_sequence = max(self.last_sequence, record.sequence)
            if record.kind == CANCEL_KIND:
                self._canceled.add(record.key.removesuffix(CANCEL_MARK))
                continue
            self._records[record.key] = record
            if record.position:
                self._at_position[branch_of(record.key), record.position] = record

    def __len__(self) -> int:
        return len(self._records)

    def claim(
        self, place: Place, kind: str, name: str, input_digest: bytes | None, describe_call: Callable[[], str]
    ) -> StepRecord | None:
        """Return what was recorded at ``place``, None if nothing was.

        Raises:
            HistoryMismatch: something else was recorded there: another name, kind or input.
            BranchError: an explicit key is used for a second time in this attempt.
        """
        key = place.key
        if key in self._claimed:
            raise BranchError(
                f"the key {key[1:]!r} is used for a second call in the same run; an explicit key identifies one step"
            )
        record = self._records.get(key)
        if record is None:
            expected = self._at_position.get((place.branch, place.position))
            if expected is not None and expected.key not in self._claimed:
                raise _mismatch(expected, key, kind, describe_call(), "another step stands there now")
        elif record.kind != kind or record.name != name:
            raise _mismatch(record, key, kind, describe_call(), "it is of another kind or name now")
        elif input_digest is not None and record.input_digest is not None and record.input_digest != input_digest:
            raise _mismatch(record, key, kind, describe_call(), "its arguments differ")
        self._claimed.add(key)
        return record

    def was_canceled(self, record: StepRecord) -> bool:
        """Tell whether the caller of this step was canceled before it got the result."""
        return record.outcome is StepOutcome.CANCELED or record.key in self._canceled

    def record_of(self, key: StepKey) -> StepRecord | None:
        """Return the record of a step, None if there is none."""
        return self._records.get(key)

    def reopen(self, key: StepKey) -> None:
        """Forget a step, so that the next call at its place executes it (again)."""
        self._claimed.discard(key)
        record = self._records.pop(key, None)
        if record is not None and record.position:
            self._at_position.pop((branch_of(key), record.position), None)

    def reopen_body(self, key: StepKey) -> None:
        """Let the body of a step be executed again: its inner steps may be claimed a second time."""
        prefixes = (f"{key}/", f"{key}.")
        self._claimed = {claimed for claimed in self._claimed if not claimed.startswith(prefixes)}

    def add(self, record: StepRecord) -> None:
        """Remember what this attempt recorded, for bodies that are executed again within it."""
        self._records[record.key] = record
        if record.position:
            self._at_position[branch_of(record.key), record.position] = record


def _mismatch(record: StepRecord, key: str, kind: str, call: str, why: str) -> HistoryMismatch:
    result = "" if record.value is None else f", with the result {record.value[:200]}"
    return HistoryMismatch(
        f"the program and its recorded history disagree: {why}.\n"
        f"  recorded: {record.kind} {record.name!r} at {record.key} ({record.outcome}{result})\n"
        f"  now:      {kind} {call} at {key}\n"
        "Nothing was overwritten. Ways out: run the program as it was and resume this run (holdfast runs resume), "
        "or start a new run with the same input (holdfast runs replay). A step whose order is not fixed by the program "
        "needs an explicit key."
    )
