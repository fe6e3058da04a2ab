"""What earlier attempts recorded, and whether the program still asks for the same.

What was recorded in a try that failed and is made again is *void*: the failure is gone, and so may be all that followed
from it. A void record is offered to a call that fits, so that no finished step is executed again; it binds nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import itemgetter

from holdfast.contract.limits import STEP_KEY_LIMIT
from holdfast.domain.errors import BranchError, DefinitionError, HistoryMismatch
from holdfast.domain.scopes import EXPLICIT_PREFIX, Branch, Place, StepKey, branch_of, enclosing_paths, is_inside
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.sdk.digest import describe_arguments

CANCEL_MARK = "~canceled"
"""Suffix of the key of a record that says: the caller of this step was canceled while its success was being
recorded.
"""

CANCEL_KIND = "cancel"

WOKE_KIND = "woke"
WOKE_MARK = "~woke"
"""Suffix of the key of a record that says when, among other results, a sleep was over."""

Arguments = tuple[tuple[object, ...], Mapping[str, object]]

PATCH_KIND = "patch"
"""Kind of the answers of ``patched``: no call is awaited that may ask for one."""


class History:
    """The recorded steps of a run. Each is claimed once per attempt, by the call that stands at its place.

    Attributes:
        replaced: void records at whose places something else stands now.
    """

    def __init__(self, records: Sequence[StepRecord] = ()) -> None:
        self._records: dict[StepKey, StepRecord] = {record.key: record for record in records}
        self._marks: dict[StepKey, StepRecord] = {}
        self._claimed: dict[StepKey, str] = {}
        self.replaced: dict[StepKey, StepRecord] = {}
        for record in [record for record in records if record.kind == CANCEL_KIND]:
            del self._records[record.key]
            self.add(record)
        self._loaded = tuple(self._records.values())
        self.last_sequence = max(map(_sequence, records), default=0)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def claims(self) -> int:
        """How many calls have asked so far."""
        return len(self._claimed)

    @property
    def replayed(self) -> int:
        """How many of the records of earlier attempts have been asked for."""
        return sum(each.key in self._claimed and self._records.get(each.key) is each for each in self._loaded)

    def recall(self, place: Place, kind: str, name: str, input_digest: bytes) -> StepRecord | None:
        """Claim the success that was recorded for this very call, as nearly all are in a replay.

        None says: look closer, with ``claim``.
        """
        key, branch, position = place
        record = self._records.get(key)
        if (
            record is None
            or record.outcome is not StepOutcome.SUCCEEDED
            or record.value is None
            or record.input_digest != input_digest
            or record.name != name
            or record.kind != kind
            or record.position != position
            or key in self._claimed
            or key in self._marks
        ):
            return None
        self._claimed[key] = branch
        return record

    def claim(
        self, place: Place, kind: str, name: str, input_digest: bytes | None, arguments: Arguments | None = None
    ) -> StepRecord | None:
        """Return what was recorded at ``place``, None if nothing was.

        Args:
            place: where the call stands.
            kind: of the call.
            name: of the call.
            input_digest: of its arguments; None where there are none to compare.
            arguments: for people, should the call be refused.

        Raises:
            HistoryMismatch: something else was recorded there: another name, kind or input, or it stood elsewhere.
            BranchError: an explicit key is used for a second time in this attempt.
            DefinitionError: the key is too long.
        """
        key, branch, _ = place
        if key in self._claimed:
            raise BranchError(
                f"the key {key[1:]!r} is used for a second call in the same run; an explicit key identifies one step"
            )
        record = self._records.get(key)
        if record is not None:
            why = _difference(record, place, kind, name, input_digest)
            if why and not _is_void(record):
                raise _mismatch(record, key, kind, _described(name, arguments), why)
            if why:
                self.replaced[key] = self._records.pop(key)
                record = None
        if record is None:
            if len(key) > STEP_KEY_LIMIT:
                raise DefinitionError(
                    f"the key of step {name!r} would have {len(key)} characters, and {STEP_KEY_LIMIT} is the limit: it "
                    "holds the names of all steps that it is inside of. Nest less, or use shorter names"
                )
            expected = self._expected_at(place)
            if expected is not None:
                raise _mismatch(expected, key, kind, _described(name, arguments), "another step stands there now")
            if not place.position and self._loaded:
                unkeyed = self._without_key(place, kind, name, input_digest)
                if unkeyed is not None:
                    raise _mismatch(unkeyed, key, kind, _described(name, arguments), "it had no explicit key")
        self._claimed[key] = branch
        return record

    def _without_key(self, place: Place, kind: str, name: str, input_digest: bytes | None) -> StepRecord | None:
        """Return the record of the same call from before it had a key: what its branch has not asked for is behind it,
        and nothing can be recorded behind a call that is not recorded.
        """
        same = self._same_calls.get((place.branch, kind, name, input_digest), deque())
        while same and (same[0].key in self._claimed or self._records.get(same[0].key) is not same[0]):
            same.popleft()
        return same[0] if same else None

    @cached_property
    def _same_calls(self) -> dict[tuple[str, str, str, bytes | None], deque[StepRecord]]:
        """What was recorded at places before this attempt. Only programs with explicit keys look."""
        calls: dict[tuple[str, str, str, bytes | None], deque[StepRecord]] = {}
        for each in self._loaded:
            if each.position:
                calls.setdefault((branch_of(each.key), each.kind, each.name, each.input_digest), deque()).append(each)
        return calls

    def pass_over(self, paths: tuple[str, ...]) -> None:
        """Let no result wait for what is recorded under ``paths``: this attempt does not ask for it."""
        for key in self._records:
            if key.startswith(paths):
                self._claimed[key] = branch_of(key)

    def was_canceled(self, record: StepRecord) -> bool:
        """Tell whether the caller of this step was canceled before it got the result."""
        return record.outcome is StepOutcome.CANCELED or record.key in self._marks

    def record_of(self, key: StepKey) -> StepRecord | None:
        """Return the record of a step, or a mark of cancellation; None if there is none."""
        if key.endswith(CANCEL_MARK):
            return self._marks.get(StepKey(key.removesuffix(CANCEL_MARK)))
        return self._records.get(key)

    def woke(self, sleep: StepKey) -> StepRecord | None:
        """Return and claim the record of the end of a sleep; None if it was not over in an earlier attempt."""
        key = StepKey(sleep + WOKE_MARK)
        self._claimed[key] = branch_of(key)
        return self._records.get(key)

    def records(self, inside: StepKey | None = None) -> list[StepRecord]:
        """Return all records, marks of cancellation too; with ``inside``, those of the body of that step."""
        everything = [*self._records.values(), *self._marks.values()]
        return everything if inside is None else [each for each in everything if self._is_within(each.key, inside)]

    def add(self, record: StepRecord) -> None:
        """Remember a record."""
        if record.kind == CANCEL_KIND:
            if record.outcome is StepOutcome.CANCELED:
                self._marks[StepKey(record.key.removesuffix(CANCEL_MARK))] = record
            return
        self._records[record.key] = record

    def leads_past(self, branch: Branch) -> bool:
        """Tell whether earlier attempts recorded anything behind the point at which ``branch`` stands now.

        A record with an explicit key may be anybody's: it counts if it is newer than all that the branch asked for.
        """
        if any(branch.is_ahead(key) and self._binds(key) for key in self._inside.get(branch.path, ())):
            return True
        unclaimed = [each.sequence for each in self._anybodys if each.key not in self._claimed]
        return bool(unclaimed) and max(unclaimed) > self._last_claimed_in(branch.path)

    @cached_property
    def _inside(self) -> dict[str, list[StepKey]]:
        """What was recorded before this attempt, by all branches around it. Only ``patched`` looks."""
        inside: dict[str, list[StepKey]] = {}
        for each in self._loaded:
            if each.position:
                for path in enclosing_paths(each.key):
                    inside.setdefault(path, []).append(each.key)
        return inside

    @cached_property
    def _anybodys(self) -> list[StepRecord]:
        """Steps with explicit keys that were recorded before this attempt."""
        explicit = (each for each in self._loaded if not each.position and not _is_void(each))
        return [each for each in explicit if each.kind != PATCH_KIND]

    def _binds(self, key: StepKey) -> bool:
        record = self._records.get(key)
        return record is not None and record.position > 0

    def _last_claimed_in(self, path: str) -> int:
        """The number of the newest success that this branch has asked for; 0 if there is none."""
        claimed = (self._records.get(key) for key, branch in tuple(self._claimed.items()) if branch == path)
        return max((each.sequence for each in claimed if each and each.outcome is StepOutcome.SUCCEEDED), default=0)

    # --- trying again ------------------------------------------------------------------------------------------------

    def reopen(self, key: StepKey) -> None:
        """Forget a step or a mark, so that the next call at its place executes it again."""
        self._claimed.pop(key, None)
        if key.endswith(CANCEL_MARK):
            self._marks.pop(StepKey(key.removesuffix(CANCEL_MARK)), None)
            return
        self._records.pop(key, None)

    def reopen_body(self, key: StepKey) -> None:
        """Let the body of a step be executed again: what is recorded inside is void, and may be claimed again."""
        claimed_inside = [claimed for claimed in tuple(self._claimed) if self._is_within(claimed, key)]
        for record in self.records(inside=key):
            if record.position:
                self._records[record.key] = record._replace(position=0)
        for claimed in claimed_inside:
            del self._claimed[claimed]

    def _is_within(self, key: str, step: StepKey) -> bool:
        """Tell whether ``key`` was claimed in the body of ``step``; an explicit key does not say, its call does."""
        branch = self._claimed.get(StepKey(key.removesuffix(CANCEL_MARK)), branch_of(key))
        if not branch.startswith(EXPLICIT_PREFIX):
            return is_inside(f"{branch}/", step)
        return any(
            path == step or (path != key and path in self._claimed and self._is_within(path, step))
            for path in enclosing_paths(f"{branch}/")
        )

    # --- what is still to come ---------------------------------------------------------------------------------------

    def _expected_at(self, place: Place) -> StepRecord | None:
        """Return what earlier attempts recorded at this position, unless it was claimed or is void by now."""
        key = self._loaded_keys.get((place.branch, place.position))
        record = None if key is None or key in self._claimed else self._records.get(key)
        return record if record is not None and record.position == place.position else None

    @cached_property
    def _loaded_keys(self) -> dict[tuple[str, int], StepKey]:
        """By branch and position. An attempt that only replays never looks."""
        return {(branch_of(each.key), each.position): each.key for each in self._loaded if each.position}

    @cached_property
    def _sure(self) -> deque[StepRecord]:
        """What is sure to be asked for, in order. Only programs with branches look."""
        return deque(sorted((each for each in self._loaded if each.position), key=_sequence))

    @cached_property
    def _unsure(self) -> deque[StepRecord]:
        unsure = (each for each in self._loaded if not each.position and each.kind != PATCH_KIND)
        return deque(sorted(unsure, key=_sequence))

    def not_asked_for(self) -> list[StepRecord]:
        """Return what is recorded at places that the program has not come to in this attempt."""
        places = (each for each in self._loaded if each.position and each.key not in self._claimed)
        return [each for each in places if self._may_come(each)]

    def awaits_before(self, sequence: int) -> bool:
        """Tell whether an operation recorded before number ``sequence`` is sure to be asked for, and was not yet."""
        return self._is_first_before(self._sure, sequence)

    def may_come_before(self, sequence: int) -> bool:
        """Tell whether an operation recorded before number ``sequence`` could be asked for, but need not be.

        It is void, or nobody knows its place because it has an explicit key.
        """
        return self._is_first_before(self._unsure, sequence)

    def await_none_before(self, sequence: int) -> None:
        """Await nothing any more that was recorded before number ``sequence``, and nothing that need not come."""
        while self._sure and self._sure[0].sequence < sequence:
            self._sure.popleft()
        self._unsure.clear()

    def _is_first_before(self, awaited: deque[StepRecord], sequence: int) -> bool:
        while awaited and awaited[0].sequence < sequence:
            if awaited[0].key not in self._claimed and self._may_come(awaited[0]):
                return True
            awaited.popleft()
        return False

    def _may_come(self, record: StepRecord) -> bool:
        """Not what is inside a step whose body is not executed again."""
        around = (self._records.get(StepKey(path)) for path in enclosing_paths(record.key))
        return all(step is None or step.outcome is StepOutcome.RETRYING for step in around)


_sequence = itemgetter(StepRecord._fields.index("sequence"))


def _described(name: str, arguments: Arguments | None) -> str:
    return name if arguments is None else name + describe_arguments(*arguments)


def _is_void(record: StepRecord) -> bool:
    return not record.position and not record.key.startswith(EXPLICIT_PREFIX)


def _difference(record: StepRecord, place: Place, kind: str, name: str, input_digest: bytes | None) -> str | None:
    if record.kind != kind or record.name != name:
        return "it is of another kind or name now"
    if input_digest is not None and record.input_digest is not None and record.input_digest != input_digest:
        return "its arguments differ"
    if record.position and record.position != place.position:
        return f"it was number {record.position} in its branch, and is number {place.position} now"
    return None


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
