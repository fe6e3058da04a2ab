"""The TaskRun of a run that was triggered from code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast.contract import labels
from holdfast_operator.build.names import task_run_name
from holdfast_operator.kinds import TASK_RUNS

_TEMPLATE_FIELDS = ("image", "command", "env", "podTemplate", "machine", "warm", "versionPolicy")


def build_task_run(order: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of the TaskRun that shows a run.

    Args:
        order: a row of the query ``read_run_order``.
    """
    return {
        "apiVersion": TASK_RUNS.api_version,
        "kind": TASK_RUNS.name,
        "metadata": {
            "name": task_run_name(order["name"]),
            "namespace": order["namespace"],
            "annotations": {labels.RUN_ID: str(order["id"])},
            "labels": {labels.MANAGED_BY: labels.MANAGER},
        },
        "spec": _without_nothing(
            {
                **_task(order),
                "queueName": order["queue"],
                "input": json.loads(order["input"]),
                "priority": order["priority"] or None,
                "concurrencyKey": order["concurrency_key"],
                "retry": {
                    "maxAttempts": order["max_attempts"],
                    "backoffSeconds": round(order["backoff_seconds"]),
                    "maxBackoffSeconds": round(order["max_backoff_seconds"]),
                    "multiplierPercent": order["multiplier_percent"],
                    "disruptionLimit": order["disruption_limit"],
                },
                "activeDeadlineSeconds": order["run_deadline_seconds"],
                "attemptDeadlineSeconds": order["attempt_deadline_seconds"],
                "pendingDeadlineSeconds": order["pending_deadline_seconds"],
            }
        ),
    }


def _task(order: Mapping[str, Any]) -> dict[str, Any]:
    name = order["task"].replace("_", "-")
    if order["is_registered"] and task_run_name(name) == name:
        return {"taskRef": {"name": name}}
    template = order["template"]
    fields = {field: template[field] for field in _TEMPLATE_FIELDS if field in template}
    if not template.get("command"):
        fields["entrypoint"] = order["entrypoint"]
    return {"task": fields}


def _without_nothing(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
