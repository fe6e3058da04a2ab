"""TaskRuns: gather, decide, apply."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from holdfast_operator.apply.acceptance import Acceptance
from holdfast_operator.apply.specs import Refused
from holdfast_operator.apply.task_run import TaskRunWrites
from holdfast_operator.build.status import refused_status
from holdfast_operator.decide.snapshot import TaskRunSnapshot
from holdfast_operator.decide.task_run import Act, Decision, Policy, decide
from holdfast_operator.gather.task_run import TaskRunGatherer
from holdfast_operator.kinds import Key, Object
from holdfast_operator.objects import uid_of
from holdfast_operator.run_index import RunIndex

_logger = logging.getLogger("holdfast.operator")

LOOKS = 5
"""How often in a row a TaskRun is looked at again after something was done."""

PENDING_DEADLINE_SECONDS = 600
"""How long a TaskRun waits for its Task, if it does not say."""
LONGEST_TASK_WAIT_SECONDS = 30.0


class TaskRunReconciler:
    """Brings a TaskRun, its run and its pods in line.

    Args:
        gatherer: reads.
        acceptance: makes the run.
        writes: does the rest.
        index: learns which run a TaskRun is.
        policy: what the installation wants.
    """

    name = "TaskRun"

    def __init__(
        self,
        gatherer: TaskRunGatherer,
        acceptance: Acceptance,
        writes: TaskRunWrites,
        index: RunIndex,
        policy: Policy,
    ) -> None:
        self._gatherer = gatherer
        self._acceptance = acceptance
        self._writes = writes
        self._index = index
        self._policy = policy

    async def reconcile(self, key: Key) -> float | None:
        """Do what is left to do; return when to look again, in seconds, or ``None``."""
        for _ in range(LOOKS):
            snapshot = await self._gatherer.gather(key)
            decision = decide(snapshot, self._policy)
            if decision.acts == (Act.ACCEPT,):
                refusal = await self._accept(snapshot)
                if refusal is None:
                    return decision.again_seconds
                decision = refusal
            elif decision.acts:
                _logger.info("%s: %s", key, decision.sentence)
                assert decision.run is not None
                for act in decision.acts:
                    await self._writes.do(act, decision.run, snapshot.resource)
                continue
            if snapshot.resource is not None:
                await self._writes.show(key, snapshot.resource, decision)
            return decision.again_seconds
        return 1.0

    async def _accept(self, snapshot: TaskRunSnapshot) -> Decision | None:
        """Accept the run; what to do instead if it is refused."""
        resource = snapshot.resource
        assert resource is not None
        try:
            run_id = await self._acceptance.accept(snapshot.key, resource)
        except Refused as error:
            return _refusal(snapshot, resource, error)
        self._index.note(run_id, snapshot.key, uid_of(resource))
        return None


def _refusal(snapshot: TaskRunSnapshot, resource: Object, error: Refused) -> Decision:
    waited_seconds = (snapshot.now - _created(resource)).total_seconds()
    deadline_seconds = resource["spec"].get("pendingDeadlineSeconds") or PENDING_DEADLINE_SECONDS
    is_final = error.is_final or waited_seconds >= deadline_seconds
    status = refused_status(resource, error.reason, str(error), snapshot.now, is_final=is_final)
    decision = Decision(sentence=str(error), status=status)
    if is_final:
        return decision
    # As long again as it has waited: soon at first, seldom later.
    return replace(decision, again_seconds=min(LONGEST_TASK_WAIT_SECONDS, max(1.0, waited_seconds)))


def _created(resource: Object) -> datetime:
    return datetime.fromisoformat(resource["metadata"]["creationTimestamp"])
