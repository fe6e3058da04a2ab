"""The programs of a cluster, built from the Go modules that `tests/cluster/tools` pins.

`python3 -m tests.cluster.rig.programs [NAME...]` builds those that are missing; it needs nothing but Python and Go.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.rig.directory import HERE, cache_directory, program
from tests.cluster.rig.errors import RigError, Unavailable
from tests.cluster.rig.stamp import Stamp

TOOLS = HERE.parent / "tools"
COMMANDS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")


@dataclass(frozen=True)
class Program:
    """One program: the module in `tools` that pins it, and the package that is its `main`."""

    name: str
    package: str = "."
    aliases: tuple[str, ...] = ()


# In the order in which tests need them.
PROGRAMS = (
    Program("etcd", "go.etcd.io/etcd/server/v3"),
    Program("kubernetes", aliases=COMMANDS),
    Program("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    Program("coredns"),
)


def build(*names: str) -> None:
    """Build the named programs (none named: all) where they are not current.

    Raises:
        Unavailable: Go is not on the PATH.
        RigError: A build failed; the message names its log.
    """
    for wanted in PROGRAMS:
        if not names or wanted.name in names:
            _build(wanted)


def _build(wanted: Program) -> None:
    if shutil.which("go") is None:
        raise Unavailable("Go is not on the PATH: the cluster's programs are built with Go 1.26 or newer")
    module = TOOLS / wanted.name
    made = program(wanted.name)
    flags = f"-s -w {_version_flags(module)}".strip()
    inputs = [path for name in ("go.mod", "go.sum", "main.go") if (path := module / name).exists()]
    stamp = Stamp.of(made, inputs, wanted.package, flags, _go_version())
    with stamp.being_made():
        if not stamp.is_current():
            _compile(wanted, module, flags, stamp)
        for alias in wanted.aliases:
            _link(made, made.with_name(alias))


def _compile(wanted: Program, module: Path, flags: str, stamp: Stamp) -> None:
    fresh = stamp.made.with_name(f"{wanted.name}.new")
    log = cache_directory() / "logs" / f"build-{wanted.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    command = ["nice", "-n", "19", "go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath"]
    with log.open("w") as output:
        ended = subprocess.run(
            [*command, "-ldflags", flags, "-o", str(fresh), wanted.package],
            cwd=module,
            env={**os.environ, "CGO_ENABLED": "0"},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode != 0:
        raise RigError(f"building {wanted.name} failed:\n{log.read_text()[-2000:]}\nAll of it: {log}")
    stamp.put(fresh)
    print(f"built {wanted.name} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _version_flags(module: Path) -> str:
    """What makes Kubernetes say its own version: without it the server reports v0.0.0."""
    pinned = re.search(r"^\s*k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)$", (module / "go.mod").read_text(), re.MULTILINE)
    if pinned is None:
        return ""
    version, major, minor = pinned.groups()
    stamped = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in stamped.items())


def _go_version() -> str:
    return subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()


def _link(target: Path, alias: Path) -> None:
    if not alias.is_symlink():
        alias.symlink_to(target.name)


if __name__ == "__main__":
    try:
        build(*sys.argv[1:])
    except RigError as error:
        sys.exit(str(error))
