"""The container runtime of the node: containerd, with pods' networks by the reference CNI plugins."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.cluster.rig.addresses import CLOSED_PROXY, NODE_ADDRESS, POD_BRIDGE, REAL_POD_RANGE
from tests.cluster.rig.base_images import PAUSE
from tests.cluster.rig.daemon import Daemon
from tests.cluster.rig.errors import RigError

CNI_PROGRAMS = Path("/usr/lib/cni")
CNI_NETWORK = "holdfast"
CNI_RESULTS = Path("/var/lib/cni/results")

# restrict_oom_score_adj: the pause container asks for -998, which root without CAP_SYS_RESOURCE may not give.
SETTINGS = """
version = 2
root = "{run}/containerd/root"
state = "{run}/containerd/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{run}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_programs}"
    conf_dir = "{conf}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


@dataclass(frozen=True)
class Containerd:
    """containerd with its state below `directory`; its images outlive it."""

    directory: Path

    @property
    def socket(self) -> Path:
        """Where it is reached."""
        return self.directory / "run" / "containerd.sock"

    @cached_property
    def daemon(self) -> Daemon:
        """The process. Its proxy is a closed port: containerd would look elsewhere whatever its settings say."""
        return Daemon(
            "containerd",
            ["containerd", "--config", self._conf / "containerd.toml", "--log-level", "info"],
            self.directory,
            {"HTTP_PROXY": CLOSED_PROXY, "HTTPS_PROXY": CLOSED_PROXY, "NO_PROXY": f"127.0.0.1,{NODE_ADDRESS}"},
            outlives_us=True,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        run = self.directory / "run"
        (self._conf / "cni").mkdir(parents=True, exist_ok=True)
        settings = SETTINGS.format(run=run, conf=self._conf, pause=PAUSE.reference, cni_programs=CNI_PROGRAMS)
        (self._conf / "containerd.toml").write_text(settings)
        (self._conf / "cni" / "10-holdfast.conflist").write_text(json.dumps(self._pod_network()))
        self.daemon.start()
        self.daemon.wait_until(self._answers, "containerd answered")

    def import_image(self, archive: Path) -> None:
        """Load an image archive into the node."""
        self.ctr("images", "import", str(archive))

    def import_once(self, archive: Path) -> None:
        """The same, unless this very archive was loaded before."""
        note = self.directory / "imported" / archive.name
        made_from = archive.with_name(f"{archive.name}.made-from").read_text()
        if note.exists() and note.read_text() == made_from:
            return
        self.import_image(archive)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(made_from)

    def ctr(self, *words: str) -> str:
        """containerd's own client, among the node's containers and images.

        Raises:
            RigError: It failed; the message is what it wrote.
        """
        command = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *words]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise RigError(f"ctr {' '.join(words)} failed: {ended.stderr.strip()}")
        return ended.stdout

    def signal(self, signal: str, namespace: str, pod: str, container: str) -> None:
        """Send a signal to the first process of a container. The kubelet may not have told of it yet.

        Raises:
            RigError: It does not run.
        """
        place = {"pod.namespace": namespace, "pod.name": pod, "container.name": container}
        labels = [f'labels."io.kubernetes.{name}"=={value}' for name, value in place.items()]
        found = self.ctr("containers", "ls", "-q", ",".join(labels)).split()
        running = [line.split()[0] for line in self.ctr("tasks", "ls").splitlines() if line.endswith("RUNNING")]
        ids = [id for id in found if id in running or signal == "SIGCONT"]
        if not ids:
            raise RigError(f"the container {container} of pod {namespace}/{pod} does not run")
        self.ctr("tasks", "kill", "--signal", signal, ids[0])

    def stop(self) -> None:
        """End every container, then containerd, and take back the pods' networks.

        If it crashed, its containers still run, and only a new one on the same state can end them.
        """
        if self.daemon.pid is None and any((self.directory / "run").glob("containerd/state/*v2.task/k8s.io/*")):
            self.start()
        if self.daemon.pid is not None:
            self._remove_containers()
        self.daemon.stop()
        self._release_networks()

    @property
    def _conf(self) -> Path:
        return self.directory / "conf"

    def _pod_network(self) -> dict[str, object]:
        """Pods on one bridge. The place for a plugin that enforces network policies is the end of the chain."""
        addresses = {
            "type": "host-local",
            "dataDir": str(self.directory / "run" / "addresses"),
            "ranges": [[{"subnet": REAL_POD_RANGE}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {
            "type": "bridge",
            "bridge": POD_BRIDGE,
            "isGateway": True,
            "ipMasq": False,
            "hairpinMode": True,  # a pod reaches itself through its Service
            "mtu": 1400,
            "ipam": addresses,
        }
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "1.0.0", "name": CNI_NETWORK, "plugins": [bridge, ports]}

    def _answers(self) -> bool:
        try:
            self.ctr("version")
        except RigError:
            return False
        return True

    def _remove_containers(self) -> None:
        for task in self.ctr("tasks", "ls", "-q").split():
            self._try("tasks", "delete", "-f", task)
        for container in self.ctr("containers", "ls", "-q").split():
            self._try("containers", "delete", container)

    def _try(self, *words: str) -> None:
        """What ends by itself at the same moment cannot be removed any more."""
        try:
            self.ctr(*words)
        except RigError:
            return

    def _release_networks(self) -> None:
        for result in CNI_RESULTS.glob(f"{CNI_NETWORK}-*"):
            for name in set(re.findall(r"netns/(cni-[0-9a-f-]+)", result.read_text())):
                namespace = Path("/run/netns") / name
                subprocess.run(["umount", namespace], capture_output=True, check=False)
                namespace.unlink(missing_ok=True)
            container = result.name.removeprefix(f"{CNI_NETWORK}-").removesuffix("-eth0")
            (CNI_RESULTS / f"cni-loopback-{container}-lo").unlink(missing_ok=True)
            result.unlink()
        shutil.rmtree(self.directory / "run" / "addresses", ignore_errors=True)
