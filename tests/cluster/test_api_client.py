"""Access to the API server from within a pod: by a token that Kubernetes changes while the operator runs."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import incluster_config
from prometheus_client import CollectorRegistry

from holdfast_operator.api_client import ClusterAccessError, api_client
from holdfast_operator.client_metrics import ClientMetrics
from holdfast_operator.kinds import TASK_RUNS
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import Forbidden
from holdfast_operator.watch_session import watch_session
from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.kube_clients import closed


class _Clock(datetime.datetime):
    """The clock by which a token is old, set by hand."""

    ahead = datetime.timedelta()

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Clock:
        return super().now(tz) + cls.ahead


@pytest.fixture
def here(namespace: Kubectl) -> str:
    return str(namespace.namespace)


@pytest.fixture
async def token_file(
    api_server: ControlPlane, namespace: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """What a pod of the service account `first` has; changed by writing another token."""
    await namespace("create", "serviceaccount", "first")
    await namespace("create", "serviceaccount", "second")
    token = tmp_path / "token"
    token.write_text(await _token(namespace, "first"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", api_server.endpoints.address)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api_server.endpoints.api_port))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(api_server.certificates.certificate("ca")))
    monkeypatch.setattr(_Clock, "ahead", datetime.timedelta())
    clock = SimpleNamespace(datetime=_Clock, timedelta=datetime.timedelta)
    monkeypatch.setattr(incluster_config, "datetime", clock)
    return token


@pytest.fixture
async def client(token_file: Path) -> AsyncIterator[ApiClient]:
    client = await api_client()
    yield client
    await closed(client)


async def _token(namespace: Kubectl, service_account: str) -> str:
    return (await namespace("create", "token", service_account)).strip()


async def test_a_token_that_kubernetes_changes_is_read_again(
    client: ApiClient, token_file: Path, namespace: Kubectl, here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube = Kube(client, ClientMetrics(CollectorRegistry(), client.configuration.host))
    with pytest.raises(Forbidden, match=f"system:serviceaccount:{here}:first"):
        await kube.list(TASK_RUNS, here)
    token_file.write_text(await _token(namespace, "second"))
    monkeypatch.setattr(_Clock, "ahead", datetime.timedelta(seconds=61))
    with pytest.raises(Forbidden, match=f"system:serviceaccount:{here}:second"):
        await kube.list(TASK_RUNS, here)


async def test_the_watches_use_the_new_token_too(
    client: ApiClient, token_file: Path, namespace: Kubectl, here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = client.configuration.host + TASK_RUNS.path(here)
    async with watch_session(client, lambda path: None) as session:
        async with session.get(url) as answer:
            assert f"{here}:first" in await answer.text()
        token_file.write_text(await _token(namespace, "second"))
        monkeypatch.setattr(_Clock, "ahead", datetime.timedelta(seconds=61))
        async with session.get(url) as answer:
            assert f"{here}:second" in await answer.text()


async def test_outside_of_a_pod_and_without_a_kubeconfig_there_is_no_access(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ClusterAccessError, match=r"by the service account of a pod: .* in KUBECONFIG"):
        await api_client()


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterAccessError, match="nowhere"):
        await api_client(tmp_path / "nowhere")
