"""etcd and the API server, with the controllers and the scheduler if asked: a cluster without nodes."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cluster.rig import kubeconfig, programs
from tests.cluster.rig.addresses import API_SERVICE_ADDRESS, SERVICE_RANGE
from tests.cluster.rig.certificates import KUBERNETES_NAMES, Certificates
from tests.cluster.rig.daemon import Daemon
from tests.cluster.rig.directory import HERE, program
from tests.cluster.rig.kubectl import Kubectl, KubectlFailed

CRDS = HERE.parents[2] / "crds"
NODE_LOST_SECONDS = 20
# Below those that Linux gives to connections: one of these could be given away until a server starts, or starts again.
PORTS = range(10_000, 30_000)
# With the default rates the controllers need four seconds more before they serve.
RATES = ("--kube-api-qps=200", "--kube-api-burst=400", "--leader-elect=false", "--profiling=false")


@dataclass(frozen=True)
class Endpoints:
    """Where the servers listen."""

    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int

    @classmethod
    def free(cls) -> Endpoints:
        """Ports on the loopback device that nobody uses."""
        return cls("127.0.0.1", *_free_ports(3))


@dataclass(frozen=True)
class ControlPlane:
    """The servers of one cluster; several may run side by side, each in its own folder.

    Args:
        directory: Where certificates, data and logs are kept; a short path.
        endpoints: Where the servers listen.
        outlives_us: Whether they go on when this process ends.
    """

    directory: Path
    endpoints: Endpoints = field(default_factory=Endpoints.free)
    outlives_us: bool = False

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://{self.endpoints.address}:{self.endpoints.api_port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.directory / "admin.kubeconfig"

    @property
    def certificates(self) -> Certificates:
        """All keys and certificates of the cluster."""
        return Certificates(self.directory / "pki")

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as the administrator."""
        return Kubectl(self.kubeconfig)

    def start(self, *, controllers: bool = False, scheduler: bool = False) -> None:
        """Start what does not run yet, and wait until it serves; Holdfast's resources are known to it then.

        Raises:
            Unavailable: Go is missing, so the programs could not be built.
            RigError: A server ended or did not get ready.
        """
        programs.build("etcd", "kubernetes")
        self.make_certificates()
        self.etcd.start()
        self.api_server.start()
        self.api_server.wait_until(self._is_ready, "the API server was ready")
        if controllers:
            self.controllers.start()
        if scheduler:
            self.scheduler.start()
        self.kubectl.run("apply", "-k", str(CRDS))
        self.kubectl.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
        if controllers:
            self.controllers.wait_until(self._has_service_accounts, "service accounts were made")

    def stop(self) -> None:
        """Stop all of it."""
        for daemon in (self.scheduler, self.controllers, self.api_server, self.etcd):
            daemon.stop()

    @cached_property
    def etcd(self) -> Daemon:
        """The store of the API server. It need not survive a crash of the machine, so it never waits for the disk."""
        clients = f"http://127.0.0.1:{self.endpoints.etcd_port}"
        peers = f"http://127.0.0.1:{self.endpoints.etcd_peer_port}"
        return self._daemon(
            "etcd",
            *("--name", "holdfast", "--data-dir", self.directory / "run" / "etcd", "--log-level", "warn"),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"holdfast={peers}", "--unsafe-no-fsync", "--quota-backend-bytes", str(4 << 30)),
        )

    @cached_property
    def api_server(self) -> Daemon:
        """The API server, with roles in force as in a real cluster."""
        pki = self.certificates
        token_keys = pki.key("service-accounts")
        # Loopback addresses are no valid endpoints, so nobody is told of them.
        published = ["--endpoint-reconciler-type=none"] if self.endpoints.address == "127.0.0.1" else []
        return self._daemon(
            "kube-apiserver",
            *("--etcd-servers", f"http://127.0.0.1:{self.endpoints.etcd_port}"),
            *("--bind-address", self.endpoints.address, "--advertise-address", self.endpoints.address, *published),
            *("--secure-port", str(self.endpoints.api_port), "--service-cluster-ip-range", SERVICE_RANGE),
            *("--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction"),
            *("--allow-privileged=true", "--profiling=false", "--client-ca-file", pki.certificate("ca")),
            *("--tls-cert-file", pki.certificate("apiserver"), "--tls-private-key-file", pki.key("apiserver")),
            *("--kubelet-client-certificate", pki.certificate("apiserver-to-kubelet")),
            *("--kubelet-client-key", pki.key("apiserver-to-kubelet")),
            *("--kubelet-certificate-authority", pki.certificate("ca")),
            *("--kubelet-preferred-address-types", "InternalIP"),
            *("--service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
            *("--service-account-key-file", token_keys, "--service-account-signing-key-file", token_keys),
        )

    @cached_property
    def controllers(self) -> Daemon:
        """Garbage collection, service accounts, quotas, evictions, Jobs, and the watch over nodes."""
        pki = self.certificates
        return self._daemon(
            "kube-controller-manager",
            *self._logged_in_as("controller-manager"),
            *("--use-service-account-credentials", "--root-ca-file", pki.certificate("ca")),
            *("--service-account-private-key-file", pki.key("service-accounts")),
            *("--service-cluster-ip-range", SERVICE_RANGE, "--allocate-node-cidrs=false"),
            *("--node-monitor-grace-period", f"{NODE_LOST_SECONDS}s", "--secure-port=0", *RATES),
        )

    @cached_property
    def scheduler(self) -> Daemon:
        """Places pods on nodes."""
        return self._daemon("kube-scheduler", *self._logged_in_as("scheduler"), "--secure-port=0", *RATES)

    def make_certificates(self) -> None:
        """Make what is missing of the keys, certificates and kubeconfigs."""
        pki = self.certificates
        addresses = f"IP:127.0.0.1,IP:{API_SERVICE_ADDRESS},IP:{self.endpoints.address}"
        pki.add_authority("ca")
        pki.add_key_pair("service-accounts")
        pki.add_server("apiserver", "/CN=kube-apiserver", f"{addresses},DNS:localhost,{KUBERNETES_NAMES}")
        pki.add_client("apiserver-to-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client")
        pki.add_client("admin", "/O=system:masters/CN=kubernetes-admin")
        pki.add_client("controller-manager", "/CN=system:kube-controller-manager")
        pki.add_client("scheduler", "/CN=system:kube-scheduler")
        kubeconfig.write_for_certificate(self.kubeconfig, self.server, pki, "admin")
        for user in ("controller-manager", "scheduler"):
            self.write_kubeconfig(user)

    def write_kubeconfig(self, user: str) -> Path:
        """Write the kubeconfig of the user with the certificate of that name."""
        file = self.user_kubeconfig(user)
        kubeconfig.write_for_certificate(file, self.server, self.certificates, user)
        return file

    def user_kubeconfig(self, user: str) -> Path:
        """Where the kubeconfig of that user is."""
        return self.directory / "conf" / f"{user}.kubeconfig"

    async def kubectl_as(self, namespace: str, service_account: str) -> Kubectl:
        """kubectl with the rights of a service account, and nothing more; its `kubeconfig` serves other clients too."""
        token = await self.kubectl("--namespace", namespace, "create", "token", service_account, "--duration=8h")
        file = self.directory / "conf" / f"{namespace}.{service_account}.kubeconfig"
        kubeconfig.write_for_token(file, self.server, self.certificates, service_account, token.strip())
        return Kubectl(file, namespace)

    def _daemon(self, name: str, *options: str | Path) -> Daemon:
        return Daemon(name, [program(name), *options], self.directory, outlives_us=self.outlives_us)

    def _logged_in_as(self, user: str) -> list[str | Path]:
        file = self.user_kubeconfig(user)
        return [
            *("--kubeconfig", file, "--authentication-kubeconfig", file, "--authorization-kubeconfig", file),
        ]

    def _is_ready(self) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex((self.endpoints.address, self.endpoints.api_port)) != 0:
                return False
        return self._succeeds("get", "--raw", "/readyz")

    def _has_service_accounts(self) -> bool:
        return self._succeeds("--namespace", "default", "get", "serviceaccount", "default")

    def _succeeds(self, *words: str) -> bool:
        try:
            self.kubectl.run(*words)
        except KubectlFailed:
            return False
        return True


@contextmanager
def running_control_plane(*, controllers: bool = False, scheduler: bool = False) -> Iterator[ControlPlane]:
    """A control plane in a temporary folder, gone afterwards."""
    with TemporaryDirectory(prefix="holdfast-cluster-") as folder:
        plane = ControlPlane(Path(folder))
        try:
            plane.start(controllers=controllers, scheduler=scheduler)
            yield plane
        finally:
            plane.stop()


def _free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on."""
    return list(itertools.islice(filter(_is_free, random.sample(PORTS, len(PORTS))), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
