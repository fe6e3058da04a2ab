"""A key for services that make the same request twice into one."""

from __future__ import annotations

from holdfast.sdk.journal import require_strand


def idempotency_key() -> str:
    """Return the key of the step whose body calls this: the same in every try and every attempt, and no other step's.

    A body that died between its effect and its record is executed again: a service that takes this key with a request
    does nothing the second time. Between steps it is the key of the branch; make requests in steps.

    Raises:
        BranchError: there is no run.
    """
    strand = require_strand("idempotency_key()")
    return f"{strand.journal.info.run_id}:{strand.branch.path}"
