"""Holdfast on a node as its users install it: its own images, its own manifests, PostgreSQL in the cluster too."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.cluster.rig.directory import HERE, cache_directory
from tests.cluster.rig.errors import RigError
from tests.cluster.rig.images import Images
from tests.cluster.rig.kubectl import Kubectl

ROOT = HERE.parents[2]
SYSTEM = "holdfast-system"
VERSION = "0.1.0"

#: Tags and Dockerfiles, each after what it is built from.
IMAGES = {
    "holdfast-runner": "runner/Dockerfile",
    "holdfast-operator": "operator/Dockerfile",
    "holdfast-test-postgres": "tests/cluster/postgres/Dockerfile",
    "holdfast-census": "examples/census/Dockerfile",
    "holdfast-orders": "examples/orders/Dockerfile",
}


def wheels() -> Path:
    """A directory with the wheels of this checkout and of all that it needs; pinned ones are fetched once.

    Raises:
        RigError: They could not be fetched or built.
    """
    directory = cache_directory() / "wheels"
    command = ["nice", "-n", "19", str(ROOT / "scripts/wheels.sh"), str(directory), "base", "operator", "dev"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RigError(f"scripts/wheels.sh failed:\n{ended.stderr[-3000:]}")
    return directory


def build_images(images: Images, *names: str) -> None:
    """Build the named images (none named: all) from the Dockerfiles of this checkout and load them into the node.

    Raises:
        RigError: A build failed; the message is the end of what it wrote.
    """
    brought = wheels()
    for name in names or IMAGES:
        images.build_now(ROOT / IMAGES[name], ROOT, f"{name}:{VERSION}", contexts={"wheels": brought})


async def install(kubectl: Kubectl, *, replicas: int = 2, timeout_seconds: int = 180) -> None:
    """Install the operator and a PostgreSQL, and wait until both serve.

    Raises:
        KubectlFailed: They did not start in time.
    """
    within, patience = kubectl.within(SYSTEM), f"--timeout={timeout_seconds}s"
    await kubectl("apply", "-f", str(ROOT / "operator/install/namespace.yaml"))
    await kubectl("apply", "-k", str(ROOT / "tests/cluster/postgres"))
    await within("rollout", "status", "statefulset/holdfast-postgres", patience)
    await kubectl("apply", "-k", str(ROOT / "operator/install"))
    await within("scale", "deployment/holdfast-operator", f"--replicas={replicas}")
    await within("rollout", "status", "deployment/holdfast-operator", patience)


async def admit_runs(kubectl: Kubectl, namespace: str) -> None:
    """Give a namespace the Secret from which the pods of its runs read their login."""
    secret = await kubectl.within("default").get("secret", "holdfast-runner")
    copy = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret["metadata"]["name"], "namespace": namespace},
        "data": secret["data"],
    }
    await kubectl("apply", "-f", "-", stdin=json.dumps(copy))
