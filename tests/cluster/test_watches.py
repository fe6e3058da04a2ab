"""Watches and the sweep, on a real API server that is also restarted."""

from __future__ import annotations

import asyncio
import gc
import itertools
import signal
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from holdfast_operator.api_client import api_client
from holdfast_operator.client_metrics import ClientMetrics
from holdfast_operator.discovery import missing_kinds
from holdfast_operator.health import Health
from holdfast_operator.kinds import PODS, TASK_RUNS, TASKS
from holdfast_operator.kube import Kube
from holdfast_operator.metrics import Metrics
from holdfast_operator.objects import uid_of
from holdfast_operator.store import Store
from holdfast_operator.sweep import Sweep
from holdfast_operator.watches import Watches, WatchesEndedError
from tests.cluster.rig.control_plane import ControlPlane, running_control_plane
from tests.cluster.rig.kubectl import Kubectl
from tests.cluster.rig.namespace import fresh_namespace
from tests.support.kube_clients import connected, pod, task_run
from tests.support.operator_process import running_operator
from tests.support.relay import relay_to
from tests.support.settable_clock import SettableClock
from tests.support.throttling_proxy import throttling_proxy
from tests.support.watched_store import WatchedStore

DEFINITION_OF_TASKS = f"{TASKS.plural}.{TASKS.group}"


@pytest.fixture
async def kube(api_server: ControlPlane) -> AsyncIterator[Kube]:
    async with connected(api_server.kubeconfig) as kube:
        yield kube


@pytest.fixture
def here(namespace: Kubectl) -> str:
    return str(namespace.namespace)


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


@pytest.fixture(scope="module")
def plane_to_break() -> Iterator[ControlPlane]:
    with running_control_plane() as plane:
        yield plane


@pytest.fixture
def private_plane(plane_to_break: ControlPlane) -> ControlPlane:
    """An API server that a test may stop, and whose definitions it may delete; whole again for the next one."""
    plane_to_break.start()
    return plane_to_break


@asynccontextmanager
async def starting(kubeconfig: Path, store: Store, *namespaces: str, **options: Any) -> AsyncIterator[Started]:
    """Watches that may not be up yet."""
    client = await api_client(kubeconfig)
    kube = Kube(client, ClientMetrics(CollectorRegistry(), client.configuration.host))
    async with kube:
        settings = {"watch_seconds": 60, "health": Health(), "stall_seconds": 60, **options}
        watches = Watches(client, kube, store, namespaces, **settings)
        running = asyncio.create_task(watches.run(_no_signals))
        heard = asyncio.create_task(watches.wait_until_heard())
        try:
            yield Started(running, heard)
        finally:
            heard.cancel()
            watches.stop()
            with suppress(WatchesEndedError):
                await running


@asynccontextmanager
async def watching(
    kubeconfig: Path, store: Store, *namespaces: str, **options: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """Watches that are up; the task that runs them."""
    async with starting(kubeconfig, store, *namespaces, **options) as started:
        await started.until_up()
        yield started.running


@dataclass(frozen=True)
class Started:
    """Watches that were started, and what comes of them."""

    running: asyncio.Task[None]
    heard: asyncio.Task[None]

    async def until_up(self) -> None:
        """Wait until all watches are up; raises what ended them before."""
        await asyncio.wait([self.running, self.heard], return_when=asyncio.FIRST_COMPLETED)
        if not self.heard.done():
            await self.running


def _no_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_what_is_there_and_what_changes_is_told(
    api_server: ControlPlane, kube: Kube, here: str, store: WatchedStore
) -> None:
    await kube.create(TASK_RUNS, here, task_run("before"))
    async with watching(api_server.kubeconfig, store):
        await store.until(lambda: store.names(TASK_RUNS, here) == {"before"})
        await kube.create(TASK_RUNS, here, task_run("after"))
        await store.until(lambda: store.names(TASK_RUNS, here) == {"before", "after"})
        await kube.patch(TASK_RUNS, here, "after", {"status": {"phase": "Queued"}}, subresource="status")
        await store.until(lambda: (store.get(TASK_RUNS, here, "after") or {})["status"].get("phase") == "Queued")
        await kube.delete(TASK_RUNS, here, "before")
        await store.until(lambda: store.names(TASK_RUNS, here) == {"after"})


async def test_only_pods_of_attempts_are_told(
    api_server: ControlPlane, kube: Kube, here: str, store: WatchedStore
) -> None:
    async with watching(api_server.kubeconfig, store):
        await kube.create(PODS, here, pod("theirs"))
        await kube.create(PODS, here, pod("ours", {"holdfast.dev/run": "a"}))
        await store.until(lambda: store.names(PODS, here))
        assert store.names(PODS, here) == {"ours"}


async def test_only_the_namespaces_that_were_named_are_told(
    api_server: ControlPlane, kube: Kube, here: str, store: WatchedStore
) -> None:
    with fresh_namespace(api_server.kubectl) as elsewhere:
        await kube.create(TASK_RUNS, str(elsewhere.namespace), task_run("theirs"))
        async with watching(api_server.kubeconfig, store, here):
            await kube.create(TASK_RUNS, here, task_run("ours"))
            await store.until(lambda: store.names(TASK_RUNS, here))
            assert len(store.all(TASK_RUNS)) == 1


async def test_nothing_is_written_to_what_is_watched(
    api_server: ControlPlane, kube: Kube, here: str, store: WatchedStore
) -> None:
    created = await kube.create(TASK_RUNS, here, task_run("a"))
    async with watching(api_server.kubeconfig, store):
        await store.until(lambda: store.names(TASK_RUNS, here))
        await kube.create(TASK_RUNS, here, task_run("b"))
        await store.until(lambda: store.names(TASK_RUNS, here) == {"a", "b"})
    seen = await kube.get(TASK_RUNS, here, "a")
    assert seen["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    assert "finalizers" not in seen["metadata"]


async def test_a_watch_that_is_made_again_gives_a_sign_of_life(api_server: ControlPlane, store: WatchedStore) -> None:
    clock = SettableClock()
    health = Health(clock.time)
    async with watching(api_server.kubeconfig, store, health=health, watch_seconds=1):
        clock.advance(1000)
        assert len(health.stalls()) == 4
        async with asyncio.timeout(60):
            while health.stalls():  # noqa: ASYNC110  # health is asked, as a kubelet asks it
                await asyncio.sleep(0.05)


async def test_watches_leave_no_connection_open(
    api_server: ControlPlane, store: WatchedStore, recwarn: pytest.WarningsRecorder
) -> None:
    async def watch_and_stop() -> None:
        async with watching(api_server.user_kubeconfig("relayed"), store):
            relay.cut()  # the API server answers no goodbye

    warnings.simplefilter("always")
    async with relay_to(api_server) as relay:
        await asyncio.to_thread(asyncio.run, watch_and_stop())
        gc.collect()
    assert [str(each.message) for each in recwarn] == []


# A connection that died with the server may be collected before asyncio has closed it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_restart_of_the_api_server_is_survived_and_the_sweep_finds_what_was_missed(
    private_plane: ControlPlane, store: WatchedStore
) -> None:
    plane = private_plane
    await plane.kubectl("delete", "taskruns", "--all", "--namespace=default")
    async with connected(plane.kubeconfig) as kube, watching(plane.kubeconfig, store, watch_seconds=1) as running:
        await kube.create(TASK_RUNS, "default", task_run("kept"))
        await kube.create(TASK_RUNS, "default", task_run("gone"))
        await store.until(lambda: store.names(TASK_RUNS, "default") == {"kept", "gone"})
        plane.api_server.kill()
        plane.start()  # in this thread: what another one starts ends with it
        await plane.kubectl.within("default").apply(task_run("later"))
        await store.until(lambda: "later" in store.names(TASK_RUNS, "default"))
        assert not running.done()

        # What a watch missed while it was away.
        store.put(TASK_RUNS, {**task_run("missed"), "metadata": _never_was("default", "missed")})
        sweep = Sweep(kube, store, (None,), Metrics(), Health().pulse("sweep", 60))
        assert await sweep.run_once() == 1
        assert store.names(TASK_RUNS, "default") == {"kept", "gone", "later"}


async def test_a_definition_that_is_removed_ends_the_watches(private_plane: ControlPlane, store: WatchedStore) -> None:
    async with watching(private_plane.kubeconfig, store, watch_seconds=1) as running:
        await private_plane.kubectl("delete", "crd", DEFINITION_OF_TASKS, "--wait=false")
        with pytest.raises(WatchesEndedError):
            await running


@pytest.fixture
async def without_tasks(private_plane: ControlPlane) -> ControlPlane:
    """An API server on which a definition is missing, until it is started again."""
    await private_plane.kubectl("delete", "crd", DEFINITION_OF_TASKS)
    async with connected(private_plane.kubeconfig) as kube:
        while not await missing_kinds(kube, [TASKS]):  # noqa: ASYNC110  # discovery tells nobody when it changes
            await asyncio.sleep(0.05)
    return private_plane


async def test_an_operator_without_definitions_says_so_and_goes_on_when_they_come(without_tasks: ControlPlane) -> None:
    nowhere = "postgresql://127.0.0.1:1/holdfast"
    async with running_operator(without_tasks.kubeconfig, nowhere, "one") as operator:
        await operator.says("does not list tasks.holdfast.dev yet")
        status, reason = await operator.get("/readyz")
        assert status == 503
        assert "are the definitions of Holdfast installed" in reason
        without_tasks.start()
        await operator.says("not leading yet")  # next it needs its database


async def test_a_definition_that_is_missing_is_waited_for_and_told(
    without_tasks: ControlPlane, store: WatchedStore
) -> None:
    clock = SettableClock()
    health = Health(clock.time)
    async with starting(without_tasks.kubeconfig, store, health=health) as started:
        while "tasks.holdfast.dev" not in health.not_ready:  # noqa: ASYNC110  # asked as a kubelet asks
            await asyncio.sleep(0.05)
        clock.advance(61)
        assert f"watch {TASKS.path(None)}" in {stall.name for stall in health.stalls()}
        without_tasks.start()
        await started.until_up()
        assert health.stalls() == []


async def test_a_watch_that_is_never_accepted_ends_all_of_them(
    api_server: ControlPlane, namespace: Kubectl, here: str, store: WatchedStore
) -> None:
    await namespace("create", "role", "reader", "--verb=list,watch", "--resource=taskruns,taskqueues,pods")
    await namespace("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={here}:default")
    reader = await api_server.kubectl_as(here, "default")
    async with starting(reader.kubeconfig, store, here, start_seconds=12.0) as started:
        with pytest.raises(WatchesEndedError, match=rf"not accepted a watch of {TASKS.path(here)}\."):
            await started.until_up()


async def test_a_crowded_api_server_is_asked_again(api_server: ControlPlane, here: str, store: WatchedStore) -> None:
    async with throttling_proxy(api_server) as proxy:
        proxy.refuse(3, retry_after="1", only="/taskruns?")
        async with connected(api_server.kubeconfig) as kube:
            await kube.create(TASK_RUNS, here, task_run("a"))
            async with watching(api_server.user_kubeconfig("proxied"), store, here):
                await store.until(lambda: store.names(TASK_RUNS, here) == {"a"})
        assert min(later - time for time, later in itertools.pairwise(proxy.times[:4])) >= 1


async def test_the_sweep_fills_an_empty_store_and_corrects_it(kube: Kube, here: str, store: WatchedStore) -> None:
    await kube.create(TASK_RUNS, here, task_run("a"))
    await kube.create(PODS, here, pod("ours", {"holdfast.dev/run": "a"}))
    await kube.create(PODS, here, pod("theirs"))
    metrics = Metrics()
    sweep = Sweep(kube, store, (here,), metrics, Health().pulse("sweep", 60))
    await sweep.run_first()
    assert store.names(TASK_RUNS, here) == {"a"}
    assert store.names(PODS, here) == {"ours"}
    await kube.delete(TASK_RUNS, here, "a")
    await kube.create(TASK_RUNS, here, task_run("b"))
    assert await sweep.run_once() == 2
    assert store.names(TASK_RUNS, here) == {"b"}
    assert await sweep.run_once() == 0
    labels = {"kind": "TaskRun"}
    assert metrics.registry.get_sample_value("holdfast_sweep_corrections_total", labels) == 2


async def test_the_sweep_takes_what_is_newer_than_what_it_has(kube: Kube, here: str, store: WatchedStore) -> None:
    sweep = Sweep(kube, store, (here,), Metrics(), Health().pulse("sweep", 60))
    first = await kube.create(TASK_RUNS, here, task_run("a"))
    await sweep.run_first()
    known = store.get(TASK_RUNS, here, "a")
    assert await sweep.run_once() == 0
    assert store.get(TASK_RUNS, here, "a") is known
    await kube.patch(TASK_RUNS, here, "a", {"spec": {"suspend": True}})
    assert await sweep.run_once() == 1
    changed = store.get(TASK_RUNS, here, "a")
    assert changed is not None
    assert changed["spec"]["suspend"] is True
    await kube.delete(TASK_RUNS, here, "a")
    second = await kube.create(TASK_RUNS, here, task_run("a"))
    assert await sweep.run_once() == 1
    made_again = store.get(TASK_RUNS, here, "a")
    assert made_again is not None
    assert uid_of(made_again) == uid_of(second) != uid_of(first)


def _never_was(namespace: str, name: str) -> dict[str, str]:
    return {"namespace": namespace, "name": name, "uid": f"uid of {name}", "resourceVersion": "1"}
