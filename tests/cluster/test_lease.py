"""Leadership by a Lease of a real API server, among real processes."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from holdfast_operator.kinds import LEASES
from holdfast_operator.kube import Kube
from holdfast_operator.lease import Lease, LeaseLostError
from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.kube_clients import connected
from tests.support.relay import relay_to

Replica = asyncio.subprocess.Process
StartReplica = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def kube(api_server: ControlPlane) -> AsyncIterator[Kube]:
    async with connected(api_server.kubeconfig, timeout_seconds=5.0) as kube:
        yield kube


@pytest.fixture
async def replica(api_server: ControlPlane, namespace: Kubectl) -> AsyncIterator[StartReplica]:
    async with AsyncExitStack() as stack:

        async def start(identity: str, kubeconfig: Path = api_server.kubeconfig) -> Replica:
            command = (
                "-m",
                "tests.support.lease_process",
                str(kubeconfig),
                str(namespace.namespace),
                identity,
            )
            return await stack.enter_async_context(_running(*command))

        yield start


@asynccontextmanager
async def _running(*command: str) -> AsyncIterator[Replica]:
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def says(process: Replica) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def test_when_the_leader_is_killed_another_leads(replica: StartReplica, namespace: Kubectl, kube: Kube) -> None:
    first = await replica("first")
    assert await says(first) == "leads"
    second = await replica("second")
    first.kill()
    assert await says(second) == "leads"
    lease = await kube.get(LEASES, str(namespace.namespace), "test")
    assert lease["spec"]["holderIdentity"] == "second"
    assert lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_is_stopped_lets_another_lead_at_once(
    replica: StartReplica, namespace: Kubectl, kube: Kube
) -> None:
    first = await replica("first")
    assert await says(first) == "leads"
    first.send_signal(signal.SIGTERM)
    assert await says(first) == "released"
    lease = await kube.get(LEASES, str(namespace.namespace), "test")
    assert lease["spec"].get("holderIdentity", "") == ""
    # An hour would have to pass, had it not been released.
    another = Lease(kube, str(namespace.namespace), "test", "another", duration_seconds=3600)
    await another.acquire()
    assert another.holder == "another"


async def test_a_leader_that_slept_too_long_learns_that_another_leads(replica: StartReplica) -> None:
    first = await replica("first")
    assert await says(first) == "leads"
    first.send_signal(signal.SIGSTOP)
    second = await replica("second")
    assert await says(second) == "leads"
    first.send_signal(signal.SIGCONT)
    assert (await says(first)).startswith("lost: first leads no more")


async def test_a_leader_that_is_cut_off_ends_before_another_leads(
    api_server: ControlPlane, replica: StartReplica
) -> None:
    async with relay_to(api_server) as relay:
        first = await replica("first", api_server.user_kubeconfig("relayed"))
        assert await says(first) == "leads"
        second = await replica("second")
        ends, leads = asyncio.create_task(says(first)), asyncio.create_task(says(second))
        relay.cut()
        await asyncio.wait([ends, leads], return_when=asyncio.FIRST_COMPLETED)
        assert not leads.done()
        assert re.match(r"lost: first leads no more: the Lease .* could not be renewed for 6 s", await ends)
        assert await leads == "leads"


async def test_a_leader_that_is_cut_off_has_nothing_to_release(
    api_server: ControlPlane, namespace: Kubectl, kube: Kube
) -> None:
    here = str(namespace.namespace)
    async with (
        relay_to(api_server) as relay,
        connected(api_server.user_kubeconfig("relayed"), timeout_seconds=0.5) as cut_off,
    ):
        lease = Lease(cut_off, here, "test", "one", duration_seconds=1)
        await lease.acquire()
        relay.cut()
        with pytest.raises(LeaseLostError, match=r"one leads no more: .* another replica may take it soon"):
            await lease.hold()
        await lease.release()
        assert lease.holder == ""
    assert (await kube.get(LEASES, here, "test"))["spec"]["holderIdentity"] == "one"


async def test_while_one_leads_no_other_does(kube: Kube, namespace: Kubectl) -> None:
    here = str(namespace.namespace)
    leader = Lease(kube, here, "test", "leader", duration_seconds=3600)
    await leader.acquire()
    other = Lease(kube, here, "test", "other", duration_seconds=3600)
    assert not await other._tried(other._try_to_take)
    assert other.holder == "leader"
    assert not await other._tried(other._try_to_take)


async def test_of_many_that_come_at_once_one_leads(kube: Kube, namespace: Kubectl) -> None:
    leases = [
        Lease(kube, str(namespace.namespace), "test", f"number {number}", duration_seconds=3600) for number in range(10)
    ]
    took = await asyncio.gather(*(lease._tried(lease._try_to_take) for lease in leases))
    assert sum(took) == 1


async def test_a_lease_that_somebody_else_took_is_lost(kube: Kube, namespace: Kubectl) -> None:
    here = str(namespace.namespace)
    lease = Lease(kube, here, "test", "one", renew_seconds=0.01)
    await lease.acquire()
    await kube.patch(LEASES, here, "test", {"spec": {"holderIdentity": "two"}})
    with pytest.raises(LeaseLostError, match=r"one leads no more: the Lease .*/test belongs to two"):
        await lease.hold()


async def test_a_renewal_whose_answer_was_lost_loses_nothing(kube: Kube, namespace: Kubectl) -> None:
    here = str(namespace.namespace)
    lease = Lease(kube, here, "test", "one")
    await lease.acquire()
    await kube.patch(LEASES, here, "test", {"metadata": {"labels": {"changed": "behind-its-back"}}})
    assert not await lease._tried(lease._renew)
    assert await lease._tried(lease._renew)


async def test_a_lease_that_was_deleted_is_taken_again(kube: Kube, namespace: Kubectl) -> None:
    here = str(namespace.namespace)
    lease = Lease(kube, here, "test", "one")
    await lease.acquire()
    await kube.delete(LEASES, here, "test")
    assert await lease._tried(lease._renew)
    assert (await kube.get(LEASES, here, "test"))["spec"]["holderIdentity"] == "one"


async def test_nobody_but_the_holder_releases_it(kube: Kube, namespace: Kubectl) -> None:
    here = str(namespace.namespace)
    holder = Lease(kube, here, "test", "one")
    await holder.acquire()
    other = Lease(kube, here, "test", "two")
    await other._tried(other._try_to_take)
    await other.release()
    assert (await kube.get(LEASES, here, "test"))["spec"]["holderIdentity"] == "one"
    await holder.release()
    assert not (await kube.get(LEASES, here, "test"))["spec"].get("holderIdentity")
