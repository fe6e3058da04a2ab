"""What to do about a TaskRun. Pure: a snapshot goes in, a decision with its reason comes out.

Rules are asked in their order; the first that applies decides. Whatever was done before a crash is seen in the next
snapshot, so that the next decision is what is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from holdfast.contract import labels
from holdfast.contract.reasons import Reason
from holdfast.domain.states import State
from holdfast_operator.build.status import is_finished, refused_status, run_status
from holdfast_operator.decide.pod_trouble import trouble_of
from holdfast_operator.decide.snapshot import TaskRunSnapshot, shown_run_id
from holdfast_operator.kinds import Object
from holdfast_operator.objects import uid_of
from holdfast_operator.pods import PodTrouble, PodView
from holdfast_operator.run_row import RunRow

SHOW_AGAIN_SECONDS = 0.3
"""How soon an accepted run is shown: by then it often has been admitted, and one write shows both."""


class Act(StrEnum):
    """What is done about a run in the database."""

    ACCEPT = "accept"
    RELEASE_NAME = "release name"
    BIND = "bind"
    CANCEL = "cancel"
    SUSPEND = "suspend"
    UNSUSPEND = "unsuspend"
    OPEN_COMMAND = "open command"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do, and why."""

    #: For people and for the log.
    sentence: str
    #: In this order; after them the resource is looked at again.
    acts: tuple[Act, ...] = ()
    #: The run that they are about; ``None`` for one that is yet to be accepted.
    run: RunRow | None = None
    #: The status as it should be; ``None``: leave it.
    status: Mapping[str, Any] | None = None
    #: Pods that have been kept for long enough.
    pods_to_delete: tuple[PodView, ...] = ()
    delete_resource: bool = False
    #: When to look again; ``None``: when something happens.
    again_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the installation wants."""

    #: How long the pods of ended attempts are kept.
    pod_retention_seconds: float = 60.0
    #: How long the other containers of a pod may go on after the attempt's own has ended.
    leave_seconds: float = 10.0


Rule = Callable[[TaskRunSnapshot, Policy], Decision | None]


def decide(snapshot: TaskRunSnapshot, policy: Policy) -> Decision:
    """Return what to do."""
    for rule in RULES:
        decision = rule(snapshot, policy)
        if decision is not None:
            return decision
    raise AssertionError("the last rule always applies")


def resource_is_deleted(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """A TaskRun that is gone, or about to go, takes its run along."""
    if snapshot.resource is not None and not snapshot.resource["metadata"].get("deletionTimestamp"):
        return None
    run = snapshot.run or snapshot.namesake
    if run is None or run.resource_uid is None or not _can_be_canceled(run):
        return Decision(sentence="the TaskRun is deleted, and nothing is left to cancel")
    if snapshot.resource is not None and run.resource_uid != snapshot.resource["metadata"]["uid"]:
        return Decision(sentence="the TaskRun that goes only showed the run of another one")
    return Decision(sentence="the TaskRun is deleted: its run is canceled", acts=(Act.CANCEL,), run=run)


def run_is_over_and_gone(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """Its row was removed after it had finished: what the status says stays."""
    if snapshot.run is not None or not is_finished(_resource(snapshot)):
        return None
    return _kept_until_ttl(snapshot, Decision(sentence="the run is over"), _completion_time(snapshot))


def run_is_missing(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """It was accepted once. Never is there a second run for one TaskRun."""
    resource = _resource(snapshot)
    run_id = shown_run_id(resource)
    if snapshot.run is not None or run_id is None:
        return None
    sentence = f"the run {run_id} is not in the database any more; create another TaskRun to run it again"
    return Decision(
        sentence=sentence, status=refused_status(resource, Reason.RUN_MISSING, sentence, snapshot.now, is_final=True)
    )


def name_belongs_to_another(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """A run has the name: it gives it up if its TaskRun is gone or it is over, else the TaskRun is refused."""
    namesake = snapshot.namesake
    if snapshot.run is not None or namesake is None:
        return None
    if namesake.resource_uid is not None or namesake.is_final:
        return Decision(
            sentence=f"run {namesake.id} had a TaskRun of this name before: it gives the name up",
            acts=(Act.RELEASE_NAME,),
            run=namesake,
        )
    sentence = f"the run {namesake.id}, which was triggered from code, has this name; choose another one"
    resource = _resource(snapshot)
    return Decision(
        sentence=sentence, status=refused_status(resource, Reason.NAME_TAKEN, sentence, snapshot.now, is_final=True)
    )


def is_new(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """There is no run yet."""
    if snapshot.run is not None:
        return None
    return Decision(sentence="the run is accepted", acts=(Act.ACCEPT,), again_seconds=SHOW_AGAIN_SECONDS)


def was_made_for_the_run(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """The operator made the TaskRun for a run from code, and was stopped before it could note that."""
    run, resource = _run(snapshot), _resource(snapshot)
    annotated = (resource["metadata"].get("annotations") or {}).get(labels.RUN_ID)
    if run.resource_uid is not None or annotated != str(run.id):
        return None
    return Decision(sentence="the TaskRun was made for this run", acts=(Act.BIND,), run=run)


def is_canceled(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """Somebody set ``spec.cancel``."""
    run = _run(snapshot)
    if not _is_own(snapshot) or not _resource(snapshot)["spec"].get("cancel") or not _can_be_canceled(run):
        return None
    return Decision(sentence="spec.cancel is set", acts=(Act.CANCEL,), run=run)


def suspension_changed(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """Somebody changed ``spec.suspend``. Compared only when the spec is new: people may also suspend the run itself."""
    run, resource = _run(snapshot), _resource(snapshot)
    observed = (resource.get("status") or {}).get("observedGeneration")
    if run.is_final or not _is_own(snapshot) or observed in (None, resource["metadata"].get("generation")):
        return None
    is_suspended = run.state is State.SUSPENDED or run.is_suspend_requested
    is_wanted = bool(resource["spec"].get("suspend"))
    if is_suspended == is_wanted or run.state is State.CANCELING:
        return None
    act = Act.SUSPEND if is_wanted else Act.UNSUSPEND
    return Decision(sentence=f"spec.suspend is {str(is_wanted).lower()} now", acts=(act,), run=run)


def command_has_begun(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """The container of a command runs, which cannot open its attempt itself."""
    run = _run(snapshot)
    if not run.is_command or run.state is not State.STARTING:
        return None
    if not any(pod.attempt == run.attempt and pod.has_begun for pod in snapshot.pods):
        return None
    return Decision(sentence="the command runs", acts=(Act.OPEN_COMMAND,), run=run)


def is_shown(snapshot: TaskRunSnapshot, policy: Policy) -> Decision | None:
    """Nothing is left to do but to show how the run stands, and to clean up."""
    run, resource = _run(snapshot), _resource(snapshot)
    old, wait_seconds = _old_pods(snapshot, policy)
    shown = Decision(
        sentence=f"the run is {run.state}",
        run=run,
        status=run_status(resource, run, snapshot.pods, snapshot.image_id, _trouble(snapshot)),
        pods_to_delete=old,
        again_seconds=wait_seconds,
    )
    return _kept_until_ttl(snapshot, shown, run.finished_at) if run.is_final else shown


RULES: tuple[Rule, ...] = (
    resource_is_deleted,
    run_is_over_and_gone,
    run_is_missing,
    name_belongs_to_another,
    is_new,
    was_made_for_the_run,
    is_canceled,
    suspension_changed,
    command_has_begun,
    is_shown,
)


def _resource(snapshot: TaskRunSnapshot) -> Object:
    assert snapshot.resource is not None
    return snapshot.resource


def _run(snapshot: TaskRunSnapshot) -> RunRow:
    assert snapshot.run is not None
    return snapshot.run


def _is_own(snapshot: TaskRunSnapshot) -> bool:
    """Whether the run was accepted for this TaskRun, and is not only shown by it."""
    return _run(snapshot).resource_uid == uid_of(_resource(snapshot))


def _can_be_canceled(run: RunRow) -> bool:
    return not run.is_final and not run.is_cancel_requested


def _trouble(snapshot: TaskRunSnapshot) -> PodTrouble | None:
    """What keeps the newest attempt from starting."""
    newest = [pod for pod in snapshot.pods if pod.attempt == _run(snapshot).attempt]
    return trouble_of(newest[0]) if newest else None


def _old_pods(snapshot: TaskRunSnapshot, policy: Policy) -> tuple[tuple[PodView, ...], float | None]:
    """The pods that have been kept for long enough, and in how many seconds the next one will have been."""
    ended = {attempt.number for attempt in _run(snapshot).attempts if attempt.ended_at is not None}
    old, waits = [], []
    for pod in snapshot.pods:
        # An attempt that is no longer listed is more than ten attempts old.
        is_ended = pod.attempt in ended or pod.attempt <= _run(snapshot).attempt - 10
        if not pod.has_ended or not is_ended or pod.deleted_at is not None:
            continue
        since = pod.ended_at or pod.created_at or snapshot.now
        # What still runs holds its node, and nothing but its deletion ends it.
        kept_seconds = policy.pod_retention_seconds if pod.is_over else policy.leave_seconds
        left_seconds = kept_seconds - (snapshot.now - since).total_seconds()
        if left_seconds <= 0:
            old.append(pod)
        else:
            waits.append(left_seconds)
    return tuple(old), min(waits, default=None)


def _kept_until_ttl(snapshot: TaskRunSnapshot, decision: Decision, since: datetime | None) -> Decision:
    ttl_seconds = _resource(snapshot)["spec"].get("ttlSecondsAfterFinished")
    if ttl_seconds is None or since is None:
        return decision
    left_seconds = (since + timedelta(seconds=ttl_seconds) - snapshot.now).total_seconds()
    if left_seconds <= 0:
        return Decision(sentence="ttlSecondsAfterFinished is over", run=decision.run, delete_resource=True)
    again_seconds = min(left_seconds, decision.again_seconds or left_seconds)
    return Decision(**{**vars(decision), "again_seconds": again_seconds})


def _completion_time(snapshot: TaskRunSnapshot) -> datetime | None:
    text = (_resource(snapshot).get("status") or {}).get("completionTime")
    return None if text is None else datetime.fromisoformat(text)
