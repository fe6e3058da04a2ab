"""The images and the manifests on a real node: what a new user does, and what it may not be able to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.installation import IMAGES, VERSION, Installation
from tests.cluster.rig.kubectl import Kubectl
from tests.cluster.rig.node import Node

LOCKED_DOWN = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


async def ended(kubectl: Kubectl, name: str, image: str, *command: str) -> tuple[int, str]:
    """Run a command in an image under the strictest settings; its exit code and output."""
    container = {"name": "it", "image": f"{image}:{VERSION}", "securityContext": LOCKED_DOWN}
    if command:
        container["command"] = list(command)
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "restartPolicy": "Never", "automountServiceAccountToken": False},
    }
    await kubectl("create", "-f", "-", stdin=json.dumps(pod))
    seen = await kubectl.until("pod", name, lambda found: found["status"].get("phase") in ("Succeeded", "Failed"))
    state = seen["status"]["containerStatuses"][0]["state"]["terminated"]
    return state["exitCode"], await kubectl("logs", name)


@pytest.mark.parametrize("image", IMAGES)
async def test_an_image_runs_without_rights(images: Node, node_namespace: Kubectl, image: str) -> None:
    code, out = await ended(node_namespace, "who", image, "sh", "-c", "id -u; touch /app /tmp/x 2>/dev/null; echo $?")
    assert (code, out.split()) == (0, ["65532", "1"])


async def test_the_runner_image_runs_attempts(images: Node, node_namespace: Kubectl) -> None:
    code, out = await ended(node_namespace, "attempt", "holdfast-runner")
    assert code == 64
    assert "HOLDFAST_DATABASE is not set" in out


async def test_all_that_a_cold_start_imports_is_compiled(images: Node, node_namespace: Kubectl) -> None:
    program = (
        "import sys, examples.census.census, holdfast.runtime.__main__; from pathlib import Path;"
        "print([m.__file__ for m in list(sys.modules.values())"
        " if getattr(m, '__cached__', None) and not Path(m.__cached__).exists()])"
    )
    code, out = await ended(node_namespace, "cold", "holdfast-census", "python", "-c", program)
    assert (code, out.strip()) == (0, "[]")


async def test_nothing_that_compiles_is_in_the_runner_image(images: Node, node_namespace: Kubectl) -> None:
    code, out = await ended(node_namespace, "tools", "holdfast-runner", "sh", "-c", "command -v gcc cc make; true")
    assert (code, out) == (0, "")


async def test_both_replicas_are_ready_and_one_leads(installed: Installation) -> None:
    await installed.system.until(
        "deployment", "holdfast-operator", lambda seen: seen["status"].get("readyReplicas") == 2
    )
    assert await installed.leader() in await installed.operators()
