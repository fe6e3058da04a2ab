"""A whole cluster of one real node: containers, pods, Services and DNS, on this machine alone and without Docker."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.cluster.rig import base_images, requirements
from tests.cluster.rig.addresses import NODE_ADDRESS, NODE_NAME
from tests.cluster.rig.containerd import Containerd
from tests.cluster.rig.control_plane import ControlPlane, Endpoints
from tests.cluster.rig.directory import HERE, cache_directory
from tests.cluster.rig.errors import RigError
from tests.cluster.rig.fake_nodes import FakeNodes
from tests.cluster.rig.images import Images
from tests.cluster.rig.kube_proxy import KubeProxy
from tests.cluster.rig.kubectl import Kubectl, KubectlFailed
from tests.cluster.rig.kubelet import Kubelet
from tests.cluster.rig.network import Network

POD_CGROUPS = "kubepods"
POD_LOG_LINKS = Path("/var/log/containers")


def _say_nothing(line: str) -> None:
    pass


@dataclass(frozen=True)
class Node:
    """The one real node of this machine. It outlives the process that brings it up.

    Args:
        say: Told one line for each thing that is ready.
    """

    say: Callable[[str], None] = field(default=_say_nothing, repr=False)

    @property
    def directory(self) -> Path:
        """Where its state is kept."""
        return cache_directory() / "node"

    @cached_property
    def plane(self) -> ControlPlane:
        """Its control plane, on addresses that pods reach."""
        return ControlPlane(self.directory, Endpoints(NODE_ADDRESS, 6443, 23790, 23800), outlives_us=True)

    @cached_property
    def containerd(self) -> Containerd:
        """Its container runtime."""
        return Containerd(self.directory)

    @cached_property
    def kubelet(self) -> Kubelet:
        """What runs its pods."""
        return Kubelet(self.plane, self.containerd)

    @cached_property
    def kube_proxy(self) -> KubeProxy:
        """What gives Services their addresses."""
        return KubeProxy(self.plane)

    @cached_property
    def images(self) -> Images:
        """Its images."""
        return Images(self.containerd)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.plane.kubeconfig

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as the administrator."""
        return self.plane.kubectl

    @property
    def is_up(self) -> bool:
        """Whether its kubelet runs."""
        return self.kubelet.daemon.pid is not None

    def up(self) -> None:
        """Start whatever of it does not run, and wait until pods can be made and names are answered.

        A cluster whose etcd does not run is begun anew, and empty; images are kept.

        Raises:
            Unavailable: This machine lacks something that the node needs.
            RigError: A part failed; the message names its log.
        """
        requirements.check()
        archives = base_images.archives()
        self.say("programs and images are built")
        if self.plane.etcd.pid is None:
            self.down()
        self._network.raise_up()
        self.say("guard and addresses are up: nothing of the cluster leaves this machine")
        self.containerd.start()
        for archive in archives:
            self.containerd.import_once(archive)
        self.say("containerd has its images")
        self.plane.start(controllers=True, scheduler=True)
        self.say("the API server is ready and knows Holdfast's resources")
        self.kube_proxy.start()
        self.kubelet.start()
        self.kubelet.daemon.wait_until(self._is_ready, "the node was ready")
        self.say("the node is ready")
        self.kubectl.run("apply", "-f", str(HERE / "coredns.yaml"))
        self.kubectl.run("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=180s")
        self.say("DNS answers")

    def down(self) -> None:
        """End all of it and undo what it did to this machine; a part that crashed is no obstacle. Images are kept."""
        FakeNodes(self.plane).stop()
        self.kubelet.stop()
        self.containerd.stop()
        self.kube_proxy.stop()
        self.plane.stop()
        self._unmount()
        self._remove_cgroups()
        self._remove_log_links()
        for folder in ("etcd", "kubelet", "pod-logs", "containerd/state"):
            shutil.rmtree(self.directory / "run" / folder, ignore_errors=True)
        self._network.take_down()

    async def exec(self, pod: str, *command: str, namespace: str = "default") -> str:
        """Run a command in the pod's first container and return what it printed."""
        return await self.kubectl("--namespace", namespace, "exec", pod, "--", *command)

    async def kill(self, pod: str, signal: str = "SIGKILL", *, namespace: str = "default") -> None:
        """Send a signal to the first process of the pod's first container, from outside: it cannot ignore SIGKILL.

        Raises:
            RigError: It does not run.
        """
        first = (await self.kubectl.within(namespace).get("pod", pod))["spec"]["containers"][0]["name"]
        await asyncio.to_thread(self.containerd.signal, signal, namespace, pod, first)

    @property
    def _network(self) -> Network:
        return Network(self.directory / "settings")

    def _is_ready(self) -> bool:
        path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        try:
            return self.kubectl.run("get", "node", NODE_NAME, "-o", path) == "True"
        except KubectlFailed:
            return False

    def _unmount(self) -> None:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(f"{self.directory}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)

    def _remove_cgroups(self) -> None:
        root = Path("/sys/fs/cgroup")
        for top in (*root.glob(POD_CGROUPS), *root.glob(f"*/{POD_CGROUPS}")):
            for group in sorted((*top.rglob("*/"), top), reverse=True):
                # Its last process may not have been reaped yet; an empty group left behind does no harm.
                subprocess.run(["rmdir", group], capture_output=True, check=False)

    def _remove_log_links(self) -> None:
        for link in POD_LOG_LINKS.glob("*") if POD_LOG_LINKS.is_dir() else ():
            if link.is_symlink() and link.readlink().is_relative_to(self.directory):
                link.unlink()


@contextmanager
def reserved(*, wait: bool) -> Iterator[None]:
    """Alone with the node of this machine: there is only one.

    Args:
        wait: Whether to wait for whoever has it; if not, that is an error.

    Raises:
        RigError: Someone else has it.
    """
    cache_directory().mkdir(parents=True, exist_ok=True)
    with (cache_directory() / "node.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise RigError("the node is in use by another process of this machine: wait until it ends") from None
        yield


@contextmanager
def running_node() -> Iterator[Node]:
    """The node, brought up if it is down and then taken down again; one that was up is left so."""
    node = Node()
    requirements.check()
    with reserved(wait=True):
        was_up = node.is_up
        try:
            node.up()
            yield node
        finally:
            if not was_up:
                node.down()


def progress() -> Callable[[str], None]:
    """What prints each line with the seconds since now."""
    began = time.monotonic()
    return lambda line: print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)
