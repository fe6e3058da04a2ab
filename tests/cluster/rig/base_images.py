"""The images that the node needs before any is built: pause, CoreDNS, and a stand-in for `python:3.11-slim`.

`python3 -m tests.cluster.rig.base_images` makes those that are missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster.rig import programs
from tests.cluster.rig.directory import HERE, cache_directory, program
from tests.cluster.rig.errors import RigError
from tests.cluster.rig.image_archive import ImageArchive
from tests.cluster.rig.stamp import Stamp

PAUSE = ImageArchive("holdfast.test/pause:1", entrypoint=["/pause"])
COREDNS = ImageArchive("holdfast.test/coredns:1.12.4", entrypoint=["/coredns"])
PYTHON = ImageArchive("python:3.11-slim", command=["python3"])
PYTHON_PACKAGES = "python3,python3-pip,python3-venv"


def archives() -> list[Path]:
    """The archives of all three, made where they are missing.

    Raises:
        RigError: A program that makes them failed; the message names its log.
    """
    return [python_base(), _pause(), _coredns()]


def python_base() -> Path:
    """A small Debian 12 with Python 3.11 and pip, under the name of the real image: a Dockerfile builds on both."""
    made = _folder() / "python.tar"
    stamp = Stamp.of(made, [HERE / "image_archive.py"], PYTHON.reference, PYTHON_PACKAGES)
    with stamp.being_made():
        if not stamp.is_current():
            root = _folder() / "python-root"
            _bootstrap(root)
            PYTHON.pack_root(fresh := made.with_suffix(".new"), root)
            stamp.put(fresh)
            shutil.rmtree(root)
    return made


def _pause() -> Path:
    made, source = _folder() / "pause.tar", HERE / "pause.c"
    stamp = Stamp.of(made, [source, HERE / "image_archive.py"], PAUSE.reference)
    with stamp.being_made():
        if not stamp.is_current():
            binary = _folder() / "pause"
            _logged("pause", ["gcc", "-Os", "-static", "-s", "-o", str(binary), str(source)])
            PAUSE.pack_program(fresh := made.with_suffix(".new"), binary, "/pause")
            stamp.put(fresh)
    return made


def _coredns() -> Path:
    programs.build("coredns")
    made, binary = _folder() / "coredns.tar", program("coredns")
    stamp = Stamp.of(made, [binary, HERE / "image_archive.py"], COREDNS.reference)
    with stamp.being_made():
        if not stamp.is_current():
            COREDNS.pack_program(fresh := made.with_suffix(".new"), binary, "/coredns")
            stamp.put(fresh)
    return made


def _bootstrap(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    _logged("debootstrap", ["debootstrap", "--variant=minbase", f"--include={PYTHON_PACKAGES}", "bookworm", str(root)])
    # The real image has a `python`, and its pip installs without being asked twice.
    for mark in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        mark.unlink()
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for leftovers in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
        shutil.rmtree(root / leftovers)
        (root / leftovers).mkdir()


def _logged(name: str, command: list[str]) -> None:
    log = cache_directory() / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        ended = subprocess.run(["nice", "-n", "19", *command], stdout=output, stderr=subprocess.STDOUT, check=False)
    if ended.returncode != 0:
        raise RigError(f"{command[0]} failed:\n{log.read_text()[-2000:]}\nAll of it: {log}")


def _folder() -> Path:
    folder = cache_directory() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    try:
        archives()
    except RigError as error:
        sys.exit(str(error))
