"""The kubelet: runs the pods of the node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.cluster.rig.addresses import DNS_ADDRESS, NODE_ADDRESS, NODE_NAME
from tests.cluster.rig.containerd import Containerd
from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.daemon import Daemon
from tests.cluster.rig.directory import program


@dataclass(frozen=True)
class Kubelet:
    """The kubelet of the one node. `containerd` is its runtime."""

    plane: ControlPlane
    containerd: Containerd = field(repr=False)

    @cached_property
    def daemon(self) -> Daemon:
        """The process."""
        return Daemon(
            "kubelet",
            [
                *(program("kubelet"), "--config", self._conf / "kubelet.json", "--v=1"),
                *("--kubeconfig", self.plane.user_kubeconfig("kubelet"), "--root-dir", self._run / "kubelet"),
                *("--hostname-override", NODE_NAME, "--node-ip", NODE_ADDRESS),
            ],
            self.plane.directory,
            outlives_us=True,
        )

    def start(self, settings: Mapping[str, Any] | None = None) -> None:
        """Start it; `settings` replace those of the same name, such as `evictionHard`. Pods that run go on."""
        subject = f"/O=system:nodes/CN=system:node:{NODE_NAME}"
        self.plane.certificates.add_client("kubelet", subject)
        self.plane.certificates.add_server("kubelet-server", subject, f"IP:{NODE_ADDRESS},DNS:{NODE_NAME}")
        self.plane.write_kubeconfig("kubelet")
        (self._conf / "resolv.conf").write_text(f"nameserver {DNS_ADDRESS}\n")
        (self._conf / "kubelet.json").write_text(json.dumps({**self._settings(), **(settings or {})}, indent=1))
        self.daemon.start()

    def stop(self) -> None:
        """Stop it: its pods go on, and the node counts as lost after 20 seconds."""
        self.daemon.stop()

    @property
    def _conf(self) -> Path:
        return self.plane.directory / "conf"

    @property
    def _run(self) -> Path:
        return self.plane.directory / "run"

    def _settings(self) -> dict[str, Any]:
        pki = self.plane.certificates
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_ADDRESS,
            "healthzBindAddress": "127.0.0.1",
            "readOnlyPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki.certificate("ca"))},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki.certificate("kubelet-server")),
            "tlsPrivateKeyFile": str(pki.key("kubelet-server")),
            "clusterDNS": [DNS_ADDRESS],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self._conf / "resolv.conf"),
            "containerRuntimeEndpoint": f"unix://{self.containerd.socket}",
            "podLogsDir": str(self._run / "pod-logs"),
            "volumePluginDir": str(self._run / "volume-plugins"),
            # No systemd, and cgroups of either version.
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            # The defaults, in shares of the disk, would evict pods and delete images that cannot be pulled again.
            "evictionHard": {
                "memory.available": "200Mi",
                "nodefs.available": "2Gi",
                "imagefs.available": "2Gi",
                "nodefs.inodesFree": "1%",
            },
            "evictionPressureTransitionPeriod": "10s",
            "imageGCHighThresholdPercent": 99,
            "imageGCLowThresholdPercent": 98,
            # A lost node shows in 20 seconds instead of 50.
            "nodeStatusUpdateFrequency": "4s",
            "nodeLeaseDurationSeconds": 12,
            "oomScoreAdj": 0,
            "maxPods": 200,
            "makeIPTablesUtilChains": False,
            "serializeImagePulls": False,
        }
