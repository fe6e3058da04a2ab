"""kube-proxy: gives Services their addresses on the node."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.cluster.rig.addresses import NODE_ADDRESS, NODE_NAME, REAL_POD_RANGE
from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.daemon import Daemon
from tests.cluster.rig.directory import program

# `kube-proxy --cleanup` leaves this chain behind.
LEFT_BEHIND = "KUBE-FIREWALL"


@dataclass(frozen=True)
class KubeProxy:
    """kube-proxy of the one node."""

    plane: ControlPlane

    @cached_property
    def daemon(self) -> Daemon:
        """The process."""
        settings = self.plane.directory / "conf" / "kube-proxy.json"
        command: list[str | Path] = [program("kube-proxy"), "--config", settings]
        return Daemon("kube-proxy", command, self.plane.directory, outlives_us=True)

    def start(self) -> None:
        """Start it, unless it runs: it ends when somebody writes its settings again."""
        if self.daemon.pid is not None:
            return
        self.plane.certificates.add_client("kube-proxy", "/CN=system:kube-proxy")
        settings = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clientConnection": {"kubeconfig": str(self.plane.write_kubeconfig("kube-proxy"))},
            "clusterCIDR": REAL_POD_RANGE,
            "hostnameOverride": NODE_NAME,
            "bindAddress": "127.0.0.1",
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "nodePortAddresses": [f"{NODE_ADDRESS}/32"],
            "oomScoreAdj": 0,
            "conntrack": {"maxPerCore": 0, "min": 0},  # the machine's limits stay as they are
        }
        (self.plane.directory / "conf" / "kube-proxy.json").write_text(json.dumps(settings, indent=1))
        self.daemon.start()

    def stop(self) -> None:
        """Stop it and remove its rules."""
        self.daemon.stop()
        if not shutil.which("iptables-save"):
            return
        if "KUBE-" in subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout:
            subprocess.run([program("kube-proxy"), "--cleanup"], capture_output=True, check=False)
        for tool in ("iptables", "ip6tables"):
            for words in (("-D", "INPUT", "-j"), ("-D", "OUTPUT", "-j"), ("-F",), ("-X",)):
                subprocess.run([tool, *words, LEFT_BEHIND], capture_output=True, check=False)
