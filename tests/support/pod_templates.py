"""Pod templates that would break the isolation between runs, and one that would not."""

from __future__ import annotations

from typing import Any

#: By the path of the field that is refused.
REFUSED: dict[str, dict[str, Any]] = {
    "metadata.labels": {"metadata": {"labels": {"holdfast.dev/run": "other"}}},
    "metadata.annotations": {"metadata": {"annotations": {"holdfast.dev/run-id": "other"}}},
    "spec.hostNetwork": {"spec": {"hostNetwork": True}},
    "spec.hostPID": {"spec": {"hostPID": True}},
    "spec.hostIPC": {"spec": {"hostIPC": True}},
    "spec.automountServiceAccountToken": {"spec": {"automountServiceAccountToken": True}},
    "spec.restartPolicy": {"spec": {"restartPolicy": "Always"}},
    "spec.volumes[1].hostPath": {"spec": {"volumes": [{}, {"hostPath": {"path": "/"}}]}},
    "spec.containers[0].securityContext.privileged": {
        "spec": {"containers": [{"securityContext": {"privileged": True}}]}
    },
    "spec.initContainers[0].securityContext.capabilities.add": {
        "spec": {"initContainers": [{"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE", "SYS_ADMIN"]}}}]}
    },
    "spec.containers[0].ports[0].hostPort": {"spec": {"containers": [{"ports": [{"hostPort": 80}]}]}},
}

ALLOWED: dict[str, Any] = {
    "metadata": {"labels": {"team": "shop"}, "annotations": {"example.com/note": "any"}},
    "spec": {
        "hostNetwork": False,
        "restartPolicy": "Never",
        "serviceAccountName": "shop",
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        "containers": [
            {
                "ports": [{"containerPort": 8080}],
                "securityContext": {"privileged": False, "capabilities": {"add": ["NET_BIND_SERVICE"]}},
            }
        ],
    },
}
