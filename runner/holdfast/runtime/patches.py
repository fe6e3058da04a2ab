"""Whether a run takes the old or the new way where its program was changed.

A run is old at a line when something was recorded behind it before the line asked for the first time. The answer is
a record with an explicit key, so that the positions of the branch's steps are the same with it and without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.domain.scopes import enclosing_paths
from holdfast.runtime.history import PATCH_KIND
from holdfast.sdk.codec import codec_for
from holdfast.sdk.journal import Strand

if TYPE_CHECKING:
    from holdfast.runtime.session import Session

_BOOL = codec_for(bool, "patched()")


class Patches:
    """The answers of one attempt, by patch and branch."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._answers: dict[tuple[str, str], bool] = {}

    def patched(self, strand: Strand, patch: str) -> bool:
        """Return the answer of the caller's branch; find and record it when the branch asks first."""
        path = strand.branch.path
        if (patch, path) not in self._answers:
            key = f"{PATCH_KIND}:{patch}@{path}"
            answer, _ = self._session.notes.take(
                strand, PATCH_KIND, patch, lambda: self._is_new(strand, patch), _BOOL, key
            )
            self._answers[patch, path] = answer
        return self._answers[patch, path]

    def _is_new(self, strand: Strand, patch: str) -> bool:
        around = enclosing_paths(f"{strand.branch.path}/")
        if any(self._answers.get((patch, path)) is False for path in around):
            return False
        return not self._session.history.leads_past(strand.branch)
