"""Holdfast on a node as its users install it: its own images, its own manifests, PostgreSQL in the cluster too."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.cluster.rig.directory import HERE, cache_directory
from tests.cluster.rig.errors import RigError
from tests.cluster.rig.images import Images
from tests.cluster.rig.kubectl import Kubectl
from tests.cluster.rig.node import Node

ROOT = HERE.parents[2]
SYSTEM = "holdfast-system"
VERSION = "0.1.0"
POSTGRES = "holdfast-postgres-0"
BUILDS_AT_ONCE = 2
PATIENCE = "--timeout=180s"

#: Dockerfiles by tag.
IMAGES_FROM_PYTHON = {
    "holdfast-runner": "runner/Dockerfile",
    "holdfast-operator": "operator/Dockerfile",
    "holdfast-test-postgres": "tests/cluster/postgres/Dockerfile",
}
IMAGES_FROM_RUNNER = {
    "holdfast-census": "examples/census/Dockerfile",
    "holdfast-orders": "examples/orders/Dockerfile",
    "holdfast-bad-days": "tests/cluster/bad_days/Dockerfile",
}
IMAGES = {**IMAGES_FROM_PYTHON, **IMAGES_FROM_RUNNER}


@dataclass(frozen=True)
class Installation:
    """Holdfast on the real node: two replicas of the operator, and a PostgreSQL that a test may end."""

    node: Node

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as the administrator."""
        return self.node.kubectl

    @property
    def system(self) -> Kubectl:
        """kubectl where the operator and PostgreSQL are."""
        return self.kubectl.within(SYSTEM)

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """What the database says, asked as the operator."""
        connection = await asyncpg.connect(await self.dsn())
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def dsn(self) -> str:
        """That of the operator, with an address in the place of a name that only the cluster knows."""
        secret = await self.system.get("secret", "holdfast-database")
        service = await self.system.get("service", "holdfast-postgres")
        dsn = urlsplit(b64decode(secret["data"]["dsn"]).decode())
        place = f"{dsn.username}:{dsn.password}@{service['spec']['clusterIP']}:{dsn.port}"
        return urlunsplit(dsn._replace(netloc=place))

    async def operators(self) -> list[str]:
        """The pods of the operator."""
        pods = await self.system.list_all("pods", "-l", "app.kubernetes.io/name=holdfast-operator")
        return [pod["metadata"]["name"] for pod in pods]

    async def leader(self) -> str:
        """The replica that leads; empty for a moment if none does."""
        lease = await self.system.get("lease", "holdfast-operator")
        return str(lease["spec"].get("holderIdentity") or "")

    async def kill_postgres(self, *, keep_down: bool = False) -> None:
        """SIGKILL to the server. It is started again at once, or when `let_postgres_up` is called."""
        note = "touch /data/down; " if keep_down else ""
        await self._in_postgres(f"{note}kill -KILL $(head -1 /data/postgres/postmaster.pid)")

    async def let_postgres_up(self) -> None:
        """End what `kill_postgres` began, and wait until the server answers."""
        await self._in_postgres(
            "rm -f /data/down; until pg_isready --quiet --host /data --username postgres; do sleep 0.1; done"
        )

    async def _in_postgres(self, script: str) -> None:
        await self.system("exec", POSTGRES, "--", "sh", "-c", script)


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

    def build(name: str) -> None:
        images.build_now(ROOT / IMAGES[name], ROOT, f"{name}:{VERSION}", contexts={"wheels": brought})

    with ThreadPoolExecutor(BUILDS_AT_ONCE) as builders:
        for group in (IMAGES_FROM_PYTHON, IMAGES_FROM_RUNNER):
            list(builders.map(build, [name for name in group if name in (names or IMAGES)]))


async def install(kubectl: Kubectl, *, replicas: int = 2) -> None:
    """Install the operator and a PostgreSQL, both without anything of an earlier life, and wait until both serve.

    Raises:
        KubectlFailed: They did not start in time.
    """
    within = kubectl.within(SYSTEM)
    await kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", PATIENCE)
    await kubectl("apply", "-f", str(ROOT / "operator/install/namespace.yaml"))
    await kubectl("apply", "-k", str(ROOT / "tests/cluster/postgres"))
    await within("rollout", "status", "statefulset/holdfast-postgres", PATIENCE)
    await kubectl("apply", "-k", str(ROOT / "operator/install"))
    await within("scale", "deployment/holdfast-operator", f"--replicas={replicas}")
    await within("rollout", "status", "deployment/holdfast-operator", PATIENCE)


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
