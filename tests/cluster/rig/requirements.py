"""What the real node needs of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.cluster.rig.containerd import CNI_PROGRAMS
from tests.cluster.rig.directory import cache_directory
from tests.cluster.rig.errors import Unavailable

# The Debian package of each program that is called by name.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "nft": "nftables",
    "debootstrap": "debootstrap",
    "buildah": "buildah",
    "socat": "socat",
    "ip": "iproute2",
    "openssl": "openssl",
    "gcc": "gcc",
}
LONGEST_DIRECTORY = 60  # UNIX sockets lie below it, and end at 107 characters


def check() -> None:
    """Check that a node can run here.

    Raises:
        Unavailable: Something is missing; the message says what, and how to get it.
    """
    if os.geteuid() != 0:
        raise Unavailable("a real node needs root: it makes network namespaces, cgroups and mounts")
    missing = [package for name, package in PACKAGES.items() if shutil.which(name) is None]
    if not (CNI_PROGRAMS / "bridge").exists():
        missing.append("containernetworking-plugins")
    if missing:
        raise Unavailable(f"a real node needs: apt-get install --no-install-recommends {' '.join(missing)}")
    if shutil.which("go") is None:
        raise Unavailable("Go is not on the PATH: the cluster's programs are built with Go 1.26 or newer")
    directory = cache_directory()
    if not re.fullmatch(rf"/[\w./-]{{1,{LONGEST_DIRECTORY}}}", str(directory)):
        raise Unavailable(f"HOLDFAST_CLUSTER_DIR={directory} must be absolute, plain, and at most 60 characters long")
    directory.mkdir(parents=True, exist_ok=True)
    if (kind := _file_system(directory)) in ("overlayfs", "nfs"):
        raise Unavailable(f"{directory} lies on {kind}, which cannot carry containers: set HOLDFAST_CLUSTER_DIR")


def _file_system(directory: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
