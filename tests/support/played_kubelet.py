"""A kubelet played by hand, where there are no nodes: it says of pods what a real one would."""

from __future__ import annotations

import json
from typing import Any

from tests.cluster.rig.kubectl import Kubectl, Object

IMAGE_ID = "registry.example/shop@sha256:" + "1f" * 32


class PlayedKubelet:
    """Writes the status of pods in one namespace."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl

    async def starts(self, pod: str) -> None:
        """The container runs."""
        await self._say(pod, "Running", {"running": {"startedAt": "2026-11-21T10:00:00Z"}})

    async def waits(self, pod: str, reason: str, message: str) -> None:
        """The container cannot start."""
        await self._say(pod, "Pending", {"waiting": {"reason": reason, "message": message}})

    async def ends(self, pod: str, code: int, reason: str = "Error", **status: Any) -> None:
        """The container ended with this code; further fields are those of the pod's status."""
        ended = {
            "exitCode": code,
            "reason": reason,
            "startedAt": "2026-11-21T10:00:00Z",
            "finishedAt": "2026-11-21T10:00:01Z",
        }
        await self._say(pod, "Failed" if code else "Succeeded", {"terminated": ended}, **status)

    async def ends_beside_another(self, pod: str, code: int) -> None:
        """The attempt's container ended with this code, and a second one runs on."""
        ended = {"exitCode": code, "finishedAt": "2026-11-21T10:00:01Z"}
        helper = {"name": "helper", "image": "shop", "imageID": "", "ready": True, "restartCount": 0}
        containers = [_container({"terminated": ended}), {**helper, "state": {"running": {}}}]
        await self._patch(pod, {"phase": "Running", "containerStatuses": containers})

    async def lets_go(self, pod: str) -> None:
        """The kubelet has ended a pod that is deleted, and it disappears."""
        await self._kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--ignore-not-found")

    async def _say(self, pod: str, phase: str, state: Object, **status: Any) -> None:
        await self._patch(pod, {"phase": phase, "containerStatuses": [_container(state)], **status})

    async def _patch(self, pod: str, status: Object) -> None:
        patch = json.dumps({"status": status})
        await self._kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", patch)


def _container(state: Object) -> Object:
    """The status of the container that is the attempt."""
    return {
        "name": "attempt",
        "state": state,
        "image": "shop",
        "imageID": IMAGE_ID,
        "ready": "running" in state,
        "restartCount": 0,
    }


def variable(pod: Object, name: str) -> str:
    """The value of a variable in the environment of a pod's first container."""
    for each in pod["spec"]["containers"][0]["env"]:
        if each["name"] == name:
            return str(each["value"])
    raise KeyError(name)
