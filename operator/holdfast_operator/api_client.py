"""Where the API server is and who is asking: from a kubeconfig, or from the pod that the operator runs in."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from holdfast.domain.errors import HoldfastError

POOL_SIZE = 32
"""Each connection holds a third of a megabyte, nearly all of it a buffer of the TLS protocol."""
KUBECONFIG = "KUBECONFIG"


class ClusterAccessError(HoldfastError):
    """Nothing says which cluster to work on, or what says it cannot be read."""


async def api_client(
    kubeconfig: Path | None = None, *, pool_size: int = POOL_SIZE, trust_env: bool = False
) -> ApiClient:
    """The official client's transport, with the credentials it finds.

    Args:
        kubeconfig: default: the file named by ``KUBECONFIG``; without it, the service account of this pod, whose
            token is read again each minute because Kubernetes changes it.
        pool_size: connections at the same time; further requests wait for one. Default 32.
        trust_env: go through the proxy that ``HTTPS_PROXY`` names. Off by default, because it costs more than the
            request itself.

    Raises:
        ClusterAccessError: neither works.
    """
    configuration = Configuration()
    configuration.connection_pool_maxsize = pool_size
    configuration.client_session_kwargs = {"trust_env": trust_env}
    file = kubeconfig or (Path(os.environ[KUBECONFIG]) if os.environ.get(KUBECONFIG) else None)
    try:
        if file is None:
            load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # the package is typed in part
        else:
            await load_kube_config(  # type: ignore[no-untyped-call]  # the package is typed in part
                str(file), client_configuration=configuration, persist_config=False
            )
    except (ConfigException, OSError) as error:
        where = "the service account of a pod" if file is None else f"the kubeconfig {file}"
        raise ClusterAccessError(
            f"No access to a cluster by {where}: {error} Run in a pod with a service account, or name a kubeconfig "
            f"in {KUBECONFIG}."
        ) from error
    client = ApiClient(configuration)
    client.user_agent = f"holdfast-operator/{version('holdfast')}"
    return client
