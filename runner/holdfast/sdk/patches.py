"""Changes of a program while runs of the old one are in flight."""

from __future__ import annotations

from holdfast.domain.errors import DefinitionError
from holdfast.sdk.journal import current_strand
from holdfast.sdk.step import check_step_name


def patched(id: str) -> bool:
    """Tell whether this run takes the new way at the change called ``id``.

    False if an earlier attempt recorded anything behind this line, in the same branch: the run passed here before the
    change was made. True otherwise, and outside of a run. The first answer in a branch is recorded: it holds there in
    every later attempt. False holds for all that the branch starts from then on, too.

    Args:
        id: name of the change, 1 to 200 characters without "/" and "#"; use it for no other change of the task.

    Raises:
        DefinitionError: ``id`` cannot be a name.
    """
    if not isinstance(id, str):
        raise DefinitionError(f"patched({id!r}) needs a text")
    check_step_name(id)
    strand = current_strand()
    return True if strand is None else strand.journal.patched(strand, id)
