"""The whole operator, as a process, on a real API server and a real database; no node, so pods stay pending."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import pytest

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.databases import Database
from tests.support.kube_clients import task_run
from tests.support.operator_process import OperatorProcess, running_operator
from tests.support.relay import relay_to

QUICK = {"lease_seconds": "12", "lease_renew_seconds": "1"}
"""Of 12 s a leader that is cut off has 4 to end: on a busy machine it needs more than one."""
StartReplica = Callable[..., AbstractAsyncContextManager[OperatorProcess]]


@pytest.fixture
def replica(api_server: ControlPlane, namespace: Kubectl, database: Database) -> StartReplica:
    """Starts a replica that works in the test's namespace and database."""
    here = str(namespace.namespace)

    def start(
        identity: str = "one", kubeconfig: Path = api_server.kubeconfig, **settings: str
    ) -> AbstractAsyncContextManager[OperatorProcess]:
        settings = {"namespaces": here, "lease_namespace": here, **settings}
        return running_operator(kubeconfig, database.dsn, identity, **settings)

    return start


@asynccontextmanager
async def pair(
    replica: StartReplica, *leaders_kubeconfig: Path, **settings: str
) -> AsyncIterator[tuple[OperatorProcess, OperatorProcess]]:
    """A replica that leads, and one that stands by."""
    async with replica("one", *leaders_kubeconfig, **settings) as first:
        await first.says("one leads")
        async with replica("two", **settings) as second:
            await second.says("standing by: one leads")
            yield first, second


async def test_a_task_run_gets_its_pod(replica: StartReplica, namespace: Kubectl) -> None:
    async with replica() as operator:
        await operator.says("all watches are up")
        await namespace.apply(task_run("census"))
        pod = await namespace.until("pods", "census-1", lambda pod: True)
        assert pod["metadata"]["labels"]["holdfast.dev/run"] == "census"
        seen = await namespace.until("taskruns", "census", lambda run: "runID" in run.get("status", {}))
        assert pod["metadata"]["annotations"]["holdfast.dev/run-id"] == seen["status"]["runID"]
        assert (await operator.get("/readyz"))[0] == 200
        status, report = await operator.get("/healthz")
        assert status == 200
        for part in ("lease", "sweep", "work queue", "engine", "watch /apis/holdfast.dev"):
            assert part in report
        _, metrics = await operator.get("/metrics")
        assert "holdfast_leader 1.0" in metrics
        assert 'workqueue_adds_total{name="resources"}' in metrics
        assert 'rest_client_requests_total{code="201"' in metrics


async def test_what_was_applied_while_no_operator_ran_is_found(replica: StartReplica, namespace: Kubectl) -> None:
    await namespace.apply(task_run("early"))
    async with replica():
        await namespace.until("pods", "early-1", lambda pod: True)


async def test_sigterm_ends_it_cleanly_and_the_next_leads_at_once(replica: StartReplica, namespace: Kubectl) -> None:
    async with pair(replica, lease_seconds="3600") as (first, second):
        assert (await second.get("/readyz"))[0] == 200
        await namespace.apply(task_run("census"))
        await namespace.until("pods", "census-1", lambda pod: True)
        first.process.send_signal(signal.SIGTERM)
        assert await first.end() == 0
        await second.says("two leads")
        assert await namespace.list_all("pods"), "pods outlive the operator that made them"


async def test_when_the_leader_is_killed_the_other_goes_on(replica: StartReplica, namespace: Kubectl) -> None:
    async with pair(replica, **QUICK) as (first, second):
        await namespace.apply(task_run("before"))
        await namespace.until("pods", "before-1", lambda pod: True)
        first.process.kill()
        await second.says("two leads")
        await namespace.apply(task_run("after"))
        await namespace.until("pods", "after-1", lambda pod: True)
        assert len(await namespace.list_all("pods")) == 2


async def test_who_loses_the_lease_ends_with_a_sentence(replica: StartReplica, namespace: Kubectl) -> None:
    async with replica("one", lease_renew_seconds="0.1") as operator:
        await operator.says("all watches are up")
        await namespace(
            "patch", "lease", "holdfast-operator", "--type=merge", "-p", '{"spec":{"holderIdentity":"two"}}'
        )
        await operator.says("holdfast: one leads no more")
        assert await operator.end() == 3


async def test_a_leader_that_is_cut_off_ends_before_another_leads(
    api_server: ControlPlane, replica: StartReplica, namespace: Kubectl
) -> None:
    async with (
        relay_to(api_server) as relay,
        pair(replica, api_server.user_kubeconfig("relayed"), **QUICK) as (first, second),
    ):
        await first.says("all watches are up")
        ends, leads = asyncio.create_task(first.end()), asyncio.create_task(second.says("two leads"))
        relay.cut()
        await asyncio.wait([ends, leads], return_when=asyncio.FIRST_COMPLETED)
        assert not leads.done()
        assert await ends == 3
        await leads
        await namespace.apply(task_run("after"))
        await namespace.until("pods", "after-1", lambda pod: True)


async def test_two_that_both_believe_to_lead_make_one_pod(replica: StartReplica, namespace: Kubectl) -> None:
    async with replica("one", lease_name="first") as one, replica("two", lease_name="second") as two:
        await asyncio.gather(one.says("all watches are up"), two.says("all watches are up"))
        await namespace.apply(*(task_run(f"run-{number}") for number in range(20)))
        pods: set[str] = set()
        async with aclosing(namespace.watch("pods")) as changes:
            async for _, pod in changes:
                pods.add(pod["metadata"]["name"])
                if len(pods) == 10:
                    break
        assert len(await namespace.list_all("pods")) == 10, "as many as the queue has slots"


async def test_it_waits_for_its_database(api_server: ControlPlane, namespace: Kubectl) -> None:
    here = str(namespace.namespace)
    nowhere = "postgresql://127.0.0.1:1/holdfast"
    async with running_operator(
        api_server.kubeconfig, nowhere, "one", namespaces=here, lease_namespace=here
    ) as operator:
        await operator.says("not leading yet")
        assert (await operator.get("/readyz"))[0] == 503
        operator.process.send_signal(signal.SIGTERM)
        assert await operator.end() == 0
