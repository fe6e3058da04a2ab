"""The client of the Kubernetes API, on a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from holdfast_operator.kinds import PODS, TASK_RUNS
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    QuotaExceeded,
    Throttled,
    Unauthorized,
    Unavailable,
)
from tests.cluster.rig import kubeconfig
from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.kube_clients import connected, pod, task_run
from tests.support.throttling_proxy import throttling_proxy


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def kube(api_server: ControlPlane, registry: CollectorRegistry) -> AsyncIterator[Kube]:
    async with connected(api_server.kubeconfig, registry=registry) as kube:
        yield kube


@pytest.fixture
def here(namespace: Kubectl) -> str:
    assert namespace.namespace is not None
    return namespace.namespace


async def test_an_object_is_created_read_and_deleted(kube: Kube, here: str) -> None:
    created = await kube.create(TASK_RUNS, here, task_run("a"))
    assert created["metadata"]["uid"]
    read = await kube.get(TASK_RUNS, here, "a")
    assert read["metadata"]["uid"] == created["metadata"]["uid"]
    assert "managedFields" not in read["metadata"]
    with pytest.raises(AlreadyExists, match='"a" already exists'):
        await kube.create(TASK_RUNS, here, task_run("a"))
    await kube.delete(TASK_RUNS, here, "a")
    with pytest.raises(NotFound, match='"a" not found'):
        await kube.get(TASK_RUNS, here, "a")
    await kube.delete(TASK_RUNS, here, "a")


async def test_a_list_is_read_page_by_page(
    kube: Kube, here: str, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(kube.create(TASK_RUNS, here, task_run(f"run-{number}")) for number in range(7)))
    monkeypatch.setattr("holdfast_operator.kube.PAGE_SIZE", 3)
    listing = await kube.listing(TASK_RUNS, here)
    assert {item["metadata"]["name"] for item in listing.items} == {f"run-{number}" for number in range(7)}
    assert {item["kind"] for item in listing.items} == {"TaskRun"}
    assert all(int(item["metadata"]["resourceVersion"]) <= listing.version for item in listing.items)
    host = kube._host
    gets = registry.get_sample_value("rest_client_requests_total", {"code": "200", "method": "GET", "host": host})
    assert gets == 3, "three pages"
    everywhere = await kube.list(TASK_RUNS, None)
    assert len([item for item in everywhere if item["metadata"]["namespace"] == here]) == 7


async def test_a_list_is_selected_by_labels(kube: Kube, here: str) -> None:
    await kube.create(PODS, here, pod("ours", {"holdfast.dev/run": "a"}))
    await kube.create(PODS, here, pod("theirs"))
    found = await kube.list(PODS, here, labels="holdfast.dev/run")
    assert [item["metadata"]["name"] for item in found] == ["ours"]
    assert (found[0]["apiVersion"], found[0]["kind"]) == ("v1", "Pod"), "a list of pods does not say so itself"


async def test_a_status_is_patched_and_nothing_else(kube: Kube, here: str) -> None:
    await kube.create(TASK_RUNS, here, task_run("a", priority=3))
    patched = await kube.patch(
        TASK_RUNS, here, "a", {"spec": {"priority": 9}, "status": {"phase": "Queued"}}, subresource="status"
    )
    assert patched["status"]["phase"] == "Queued"
    assert patched["spec"]["priority"] == 3
    patched = await kube.patch(TASK_RUNS, here, "a", {"status": {"phase": None}}, subresource="status")
    assert "phase" not in patched["status"]


async def test_a_patch_of_an_older_version_is_refused(kube: Kube, here: str) -> None:
    created = await kube.create(TASK_RUNS, here, task_run("a"))
    version = created["metadata"]["resourceVersion"]
    await kube.patch(TASK_RUNS, here, "a", {"status": {"phase": "Queued"}}, subresource="status")
    late = {"metadata": {"resourceVersion": version}, "status": {"phase": "Delayed"}}
    with pytest.raises(Conflict, match="has been modified"):
        await kube.patch(TASK_RUNS, here, "a", late, subresource="status")
    with pytest.raises(NotFound):
        await kube.patch(TASK_RUNS, here, "b", {"status": {"phase": "Queued"}}, subresource="status")


async def test_only_the_very_object_is_deleted(kube: Kube, here: str) -> None:
    created = await kube.create(TASK_RUNS, here, task_run("a"))
    await kube.delete(TASK_RUNS, here, "a", uid="00000000-0000-0000-0000-000000000000")
    assert await kube.get(TASK_RUNS, here, "a")
    await kube.delete(TASK_RUNS, here, "a", uid=created["metadata"]["uid"])
    with pytest.raises(NotFound):
        await kube.get(TASK_RUNS, here, "a")


async def test_a_pod_is_deleted_with_its_grace(kube: Kube, here: str, namespace: Kubectl) -> None:
    created = await kube.create(PODS, here, pod("a"))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "a", "namespace": here},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "nowhere"},
    }
    await kube._write("create", "bindings", "POST", PODS.path(here, "a", "binding"), binding)
    await kube.delete(PODS, here, "a", uid=created["metadata"]["uid"], grace_seconds=77)
    assert (await kube.get(PODS, here, "a"))["metadata"]["deletionGracePeriodSeconds"] == 77
    await kube.delete(PODS, here, "a", grace_seconds=0)
    with pytest.raises(NotFound):
        await kube.get(PODS, here, "a")


async def test_what_does_not_fit_the_schema_is_refused_in_the_api_servers_words(kube: Kube, here: str) -> None:
    with pytest.raises(Invalid, match="priority"):
        await kube.create(TASK_RUNS, here, task_run("a", priority="high"))


async def test_a_used_up_quota_is_told_from_a_missing_right(kube: Kube, here: str, namespace: Kubectl) -> None:
    await namespace("create", "quota", "team", "--hard=pods=0")
    await namespace.until("quota", "team", lambda quota: "hard" in quota.get("status", {}))
    with pytest.raises(QuotaExceeded, match="exceeded quota: team"):
        await kube.create(PODS, here, pod("a"))


async def test_a_throttled_request_is_repeated_when_the_api_server_asks_for_it(
    api_server: ControlPlane, here: str, registry: CollectorRegistry
) -> None:
    async with throttling_proxy(api_server) as proxy:
        proxied = api_server.user_kubeconfig("proxied")
        async with connected(proxied, registry=registry) as kube:
            proxy.refuse(1, retry_after="1")
            created = await kube.create(TASK_RUNS, here, task_run("a"))
            assert created["metadata"]["name"] == "a"
            first, second = proxy.times
            assert second - first >= 1
            host = kube._host
    labels = {"code": "429", "verb": "POST", "host": host}
    assert registry.get_sample_value("rest_client_request_retries_total", labels) == 1


async def test_who_is_throttled_again_and_again_learns_when_to_come_again(api_server: ControlPlane, here: str) -> None:
    async with throttling_proxy(api_server) as proxy:
        async with connected(api_server.user_kubeconfig("proxied")) as kube:
            proxy.refuse(100, retry_after="0")
            with pytest.raises(Throttled) as caught:
                await kube.list(TASK_RUNS, here)
        assert caught.value.retry_after_seconds == 0
        assert len(proxy.times) == 4


async def test_a_service_account_is_known_by_its_token(api_server: ControlPlane, here: str) -> None:
    somebody = await api_server.kubectl_as(here, "default")
    async with connected(somebody.kubeconfig) as kube:
        with pytest.raises(Forbidden, match=f"system:serviceaccount:{here}:default") as caught:
            await kube.list(TASK_RUNS, here)
    assert not isinstance(caught.value, QuotaExceeded)


async def test_a_token_that_is_none_is_told_as_such(api_server: ControlPlane, here: str) -> None:
    file = api_server.directory / "conf" / "nobody.kubeconfig"
    kubeconfig.write_for_token(file, api_server.server, api_server.certificates, "nobody", "no-token")
    async with connected(file) as kube:
        with pytest.raises(Unauthorized):
            await kube.list(TASK_RUNS, here)


async def test_an_api_server_that_is_away_is_told_as_such(
    api_server: ControlPlane, registry: CollectorRegistry
) -> None:
    file = api_server.directory / "conf" / "away.kubeconfig"
    # Nobody listens on the port of the system's own services.
    kubeconfig.write_for_certificate(file, "https://127.0.0.1:1", api_server.certificates, "admin")
    async with connected(file, registry=registry) as kube:
        with pytest.raises(Unavailable, match=r"GET /apis/holdfast.dev/v1alpha1/taskruns: .* cannot be reached"):
            await kube.list(TASK_RUNS, None)
    labels = {"code": "<error>", "method": "GET", "host": "https://127.0.0.1:1"}
    assert registry.get_sample_value("rest_client_requests_total", labels) == 1


async def test_a_request_that_hangs_is_given_up(api_server: ControlPlane) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        file = api_server.directory / "conf" / "silent.kubeconfig"
        url = f"https://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        kubeconfig.write_for_certificate(file, url, api_server.certificates, "admin")
        async with connected(file, timeout_seconds=0.2) as kube:
            with pytest.raises(Unavailable, match="no answer in time"):
                await kube.list(TASK_RUNS, None)
