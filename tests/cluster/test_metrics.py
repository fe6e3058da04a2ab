"""What `/metrics` of a running operator tells, by the parser of those who scrape it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.databases import Database
from tests.support.kube_clients import task_run
from tests.support.operator_process import OperatorProcess, running_operator
from tests.support.played_kubelet import PlayedKubelet, variable
from tests.support.protocol import Pod

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"

# What dashboards and alerts may rely on. `holdfast_checkpoint_age_seconds` is not told: no index finds the latest
# step of a run. `holdfast_deliveries_total` is not: nothing is delivered yet.
TOLD = {
    "holdfast_queue_depth": "gauge",
    "holdfast_queue_oldest_seconds": "gauge",
    "holdfast_queue_slots_used": "gauge",
    "holdfast_runs": "gauge",
    "holdfast_runs_finished_total": "counter",
    "holdfast_attempts_total": "counter",
    "holdfast_retries_total": "counter",
    "holdfast_retry_backoff_seconds": "histogram",
    "holdfast_admission_wait_seconds": "histogram",
    "holdfast_pod_start_seconds": "histogram",
    "holdfast_attempt_duration_seconds": "histogram",
    "holdfast_resumed_attempts_total": "counter",
    "holdfast_steps_total": "counter",
    "holdfast_dead_letters": "gauge",
    "holdfast_leader": "gauge",
    "holdfast_build_info": "gauge",
    "workqueue_depth": "gauge",
    "workqueue_adds_total": "counter",
    "workqueue_retries_total": "counter",
    "workqueue_queue_duration_seconds": "histogram",
    "workqueue_work_duration_seconds": "histogram",
    "workqueue_unfinished_work_seconds": "gauge",
    "workqueue_longest_running_processor_seconds": "gauge",
    "rest_client_requests_total": "counter",
    "rest_client_request_duration_seconds": "histogram",
}
LABELS = {"namespace", "queue", "class", "reason", "state", "kind", "version", "le"}


class Scrape:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.types = {
            f"{family.name}_total" if family.type == "counter" else family.name: family.type
            for family in families
            if family.samples
        }
        self.samples = [sample for family in families for sample in family.samples]

    def of(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with these labels."""
        return sum(sample.value for sample in self.samples if sample.name == name and _has(sample, labels))


def _has(sample: Sample, labels: Mapping[str, str]) -> bool:
    return all(sample.labels.get(name.rstrip("_")) == value for name, value in labels.items())


async def scrape(operator: OperatorProcess) -> Scrape:
    status, text = await operator.get("/metrics")
    assert status == 200
    return Scrape(text)


async def test_every_metric_is_told_and_counts_what_happened(
    api_server: ControlPlane, namespace: Kubectl, database: Database
) -> None:
    here, kubelet, connection = str(namespace.namespace), PlayedKubelet(namespace), await database.connect()
    async with running_operator(
        api_server.kubeconfig, database.dsn, "one", namespaces=here, lease_namespace=here
    ) as operator:
        await operator.says("all watches are up")
        task = {"image": "shop:1", "entrypoint": "shop:order", "retry": {"maxAttempts": 2, "backoffSeconds": 1}}
        await namespace.apply(task_run("goes-on", task=task, idempotencyKey="once"), task_run("fails", task=task))

        for attempt in (1, 2):
            runner = await _runner(namespace, kubelet, connection, f"goes-on-{attempt}")
            await namespace.apply(task_run("the-same", task=task, idempotencyKey="once"))
            await runner.record(f"0/work#{attempt}")
            if attempt == 1:
                await kubelet.ends("goes-on-1", 137, "OOMKilled")
        await runner.finish()
        await namespace.until("taskrun", "the-same", lambda run: run.get("status", {}).get("phase") == "Succeeded")
        for attempt in (1, 2):
            await _runner(namespace, kubelet, connection, f"fails-{attempt}")
            await kubelet.ends(f"fails-{attempt}", 1)

        told = await scrape(operator)
        while not told.of("holdfast_dead_letters") or told.of("holdfast_runs_finished_total") < 2:
            await asyncio.sleep(0.1)  # the gauges are read again each second
            told = await scrape(operator)

    assert {name: told.types.get(name) for name in TOLD} == TOLD
    assert told.of("holdfast_runs_finished_total", state="Succeeded", queue="default", namespace=here) == 1
    assert told.of("holdfast_runs_finished_total", state="Failed") == 1
    assert told.of("holdfast_attempts_total", class_="OOM", reason="OutOfMemory") == 1
    assert told.of("holdfast_attempts_total", class_="App", reason="ExitCode") == 2
    assert told.of("holdfast_attempts_total") == 4
    assert told.of("holdfast_retries_total", class_="OOM") == 1
    assert told.of("holdfast_retries_total", class_="App") == 1
    assert told.of("holdfast_resumed_attempts_total") == 1
    assert told.of("holdfast_steps_total") == 2
    assert told.of("holdfast_dead_letters", namespace=here) == 1
    assert told.of("holdfast_leader") == 1
    assert told.of("holdfast_admission_wait_seconds_count") == 2
    assert told.of("holdfast_attempt_duration_seconds_count") == 4
    assert told.of("holdfast_retry_backoff_seconds_count") == 2
    assert told.of("holdfast_runs", state="Running") == 0

    ours = [sample for sample in told.samples if sample.name.startswith("holdfast_")]
    assert {label for sample in ours for label in sample.labels} <= LABELS
    page = REFERENCE.read_text(encoding="utf-8")
    assert [name for name in told.types if not name.startswith("process_") and f"`{name}`" not in page] == []


async def _runner(namespace: Kubectl, kubelet: PlayedKubelet, connection: Connection, name: str) -> Pod:
    """The runner of a pod, which has opened its attempt."""
    pod = await namespace.until("pod", name, lambda pod: True)
    await kubelet.starts(name)
    run_id = UUID(pod["metadata"]["annotations"]["holdfast.dev/run-id"])
    runner = Pod(connection, run_id, int(variable(pod, "HOLDFAST_ATTEMPT")), variable(pod, "HOLDFAST_TOKEN"))
    await runner.open()
    return runner
