"""Devices, routes and kernel settings of the node, and how all of them are taken back."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.rig.addresses import (
    NODE_ADDRESS,
    NODE_BRIDGE,
    NODE_RANGE,
    POD_BRIDGE,
    POD_RANGE,
    SERVICE_RANGE,
)
from tests.cluster.rig.errors import RigError, Unavailable
from tests.cluster.rig.guard import lower_guard, raise_guard

# The last three are not ours: the kubelet sets them when it starts.
SETTINGS = (
    "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-iptables",
    "vm.overcommit_memory",
    "kernel.panic",
    "kernel.panic_on_oops",
)
# Without the second, traffic from pod to pod on the bridge would pass by the rules of Services.
NEEDED = SETTINGS[:2]


@dataclass(frozen=True)
class Network:
    """The network of the node. `directory` keeps what the kernel's settings were before."""

    directory: Path

    def raise_up(self) -> None:
        """Guard, bridge, addresses and routes; doing it again changes nothing.

        Raises:
            Unavailable: The addresses are in use on another device, or the kernel cannot filter bridges.
        """
        self._refuse_foreign_addresses()
        if shutil.which("modprobe"):  # kernels without modules have both built in
            _try("modprobe", "-a", "overlay", "br_netfilter")
        self._remember_settings()
        raise_guard()
        for name in NEEDED:
            _setting(name).write_text("1")
        if not Path(f"/sys/class/net/{NODE_BRIDGE}").exists():
            _run("ip", "link", "add", NODE_BRIDGE, "type", "bridge")
        _run("ip", "link", "set", NODE_BRIDGE, "up")
        _run("ip", "address", "replace", f"{NODE_ADDRESS}/32", "dev", NODE_BRIDGE)
        # The route is looked up before a Service's address is translated: it decides the source address.
        _run("ip", "route", "replace", SERVICE_RANGE, "dev", NODE_BRIDGE, "src", NODE_ADDRESS)
        _run("ip", "route", "replace", "unreachable", POD_RANGE)

    def take_down(self) -> None:
        """Undo it, whatever of it is there; the guard comes last."""
        for bridge in (POD_BRIDGE, NODE_BRIDGE):
            _try("ip", "link", "delete", bridge)
        _try("ip", "route", "delete", "unreachable", POD_RANGE)
        for kept in self.directory.glob("*.before"):
            _setting(kept.name.removesuffix(".before")).write_text(kept.read_text())
            kept.unlink()
        if shutil.which("nft"):
            lower_guard()

    def _remember_settings(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        for name in SETTINGS:
            kept = self.directory / f"{name}.before"
            if not _setting(name).exists():
                raise Unavailable(f"this kernel has no setting {name}")
            if not kept.exists():
                kept.write_text(_setting(name).read_text())

    def _refuse_foreign_addresses(self) -> None:
        for device in json.loads(_run("ip", "-json", "-4", "address", "show")):
            if device["ifname"] in (NODE_BRIDGE, POD_BRIDGE):
                continue
            for address in device["addr_info"]:
                prefix = ".".join(address["local"].split(".")[:2])
                if prefix in {value.rsplit(".", 2)[0] for value in (POD_RANGE, NODE_RANGE, SERVICE_RANGE)}:
                    raise Unavailable(
                        f"{device['ifname']} has the address {address['local']}, which the node would use"
                    )


def _setting(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def _run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RigError(f"{' '.join(command)} failed: {ended.stderr.strip()}")
    return ended.stdout


def _try(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=False)
