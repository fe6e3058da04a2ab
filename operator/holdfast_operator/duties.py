"""What a leader does: reconciles our kinds, and makes pods of attempts."""

from __future__ import annotations

from holdfast_operator.apply.acceptance import Acceptance
from holdfast_operator.apply.task_run import TaskRunWrites
from holdfast_operator.apply.task_run_of_run import TaskRunOfRun
from holdfast_operator.build.pod import PodSettings
from holdfast_operator.decide.task_run import Policy
from holdfast_operator.gather.task_run import TaskRunGatherer
from holdfast_operator.kinds import TASK_QUEUES, TASK_RUNS, TASKS
from holdfast_operator.leader import Duties, Parts
from holdfast_operator.orphans import Orphans
from holdfast_operator.pod_launcher import PodLauncher
from holdfast_operator.reconcile_task import TaskReconciler
from holdfast_operator.reconcile_task_queue import TaskQueueReconciler
from holdfast_operator.reconcile_task_run import TaskRunReconciler


def duties(parts: Parts) -> Duties:
    """What the leader with these parts does."""
    settings, kube, store, rows = parts.settings, parts.kube, parts.store, parts.rows
    launcher = PodLauncher(
        kube,
        store,
        rows,
        TaskRunOfRun(kube, store, rows, parts.index),
        PodSettings(runner_secret_name=settings.runner_secret, runner_secret_key=settings.runner_secret_key),
        namespaces=settings.scopes,
        max_pods=settings.max_pods,
    )
    task_runs = TaskRunReconciler(
        TaskRunGatherer(kube, store, rows, parts.index),
        Acceptance(rows, store),
        TaskRunWrites(kube, store, rows, parts.events, parts.metrics),
        parts.index,
        Policy(pod_retention_seconds=settings.pod_retention_seconds),
    )
    return Duties(
        launcher=launcher,
        reconcilers={
            TASK_RUNS: task_runs.reconcile,
            TASKS: TaskReconciler(kube, store, rows, parts.queue).reconcile,
            TASK_QUEUES: TaskQueueReconciler(kube, store, rows).reconcile,
        },
        comparisons=(Orphans(kube, store, rows, settings.namespaces).cancel,),
    )
