"""Images of one layer, packed as containerd and buildah load them: equal content gives an equal image."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

EPOCH = "1970-01-01T00:00:00Z"
LEFT_OUT = ("dev/*", "proc/*", "sys/*", "usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class ImageArchive:
    """What the archive is called, and how a container of it starts.

    Args:
        reference: Name and tag of the image.
        entrypoint: The program a container always runs.
        command: What it runs if the pod says nothing else.
    """

    reference: str
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()

    def pack_root(self, file: Path, root: Path) -> None:
        """Pack a directory as the root of the image."""
        with TemporaryDirectory(dir=file.parent) as folder:
            layer = Path(folder) / "layer.tar"
            excluded = [f"--exclude=./{pattern}" for pattern in LEFT_OUT]
            fixed = ["--numeric-owner", "--sort=name", "--mtime=@0"]
            subprocess.run(["tar", *fixed, *excluded, "-C", root, "-cf", layer, "."], check=True)
            self._pack(file, layer)

    def pack_program(self, file: Path, program: Path, path: str) -> None:
        """Pack one program, linked statically, as the only file of the image."""
        with TemporaryDirectory(dir=file.parent) as folder:
            layer = Path(folder) / "layer.tar"
            with tarfile.open(layer, "w") as tar, program.open("rb") as content:
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = program.stat().st_size, 0o755
                tar.addfile(entry, content)
            self._pack(file, layer)

    def _pack(self, file: Path, layer: Path) -> None:
        with layer.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        settings = {"Env": [PATH], "Entrypoint": list(self.entrypoint), "Cmd": list(self.command)}
        config = {
            "architecture": "amd64",
            "os": "linux",
            "created": EPOCH,
            "config": {name: value for name, value in settings.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": EPOCH, "created_by": "tests/cluster"}],
        }
        written = json.dumps(config).encode()
        config_name = f"{hashlib.sha256(written).hexdigest()}.json"
        manifest = [{"Config": config_name, "RepoTags": [self.reference], "Layers": [f"{digest}/layer.tar"]}]
        with tarfile.open(file, "w") as tar:
            _add(tar, config_name, written)
            tar.add(layer, f"{digest}/layer.tar")
            _add(tar, "manifest.json", json.dumps(manifest).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
