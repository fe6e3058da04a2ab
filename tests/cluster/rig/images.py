"""Images built from Dockerfiles by buildah, without a daemon, and loaded into the node."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.rig import base_images
from tests.cluster.rig.containerd import Containerd
from tests.cluster.rig.directory import cache_directory
from tests.cluster.rig.errors import RigError

_LOADING = threading.Lock()


@dataclass(frozen=True)
class Images:
    """The images of the node."""

    containerd: Containerd = field(repr=False)

    async def build(
        self,
        dockerfile: Path,
        context: Path,
        tag: str,
        *,
        contexts: Mapping[str, Path] | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        """Build an image and load it into the node. In the build there is no package index: bring wheels along.

        Args:
            dockerfile: The recipe; `FROM python:3.11-slim` is the stand-in, and any image built here can be a base.
            context: What the recipe may copy.
            tag: `name:version`, as pods say it. Not `latest`, whose pull policy is `Always`: here every pull fails.
            contexts: Further directories by name, for `COPY --from=name`.
            arguments: Values of the recipe's `ARG`s.

        Raises:
            RigError: buildah failed; the message is the end of what it wrote.
        """
        await asyncio.to_thread(self.build_now, dockerfile, context, tag, contexts=contexts, arguments=arguments)

    def build_now(
        self,
        dockerfile: Path,
        context: Path,
        tag: str,
        *,
        contexts: Mapping[str, Path] | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        """The same, for code that is not asynchronous."""
        self._load_base()
        options = [f"--build-context={name}={path}" for name, path in (contexts or {}).items()]
        options += [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
        # chroot isolation needs no namespaces; --pull-never asks nobody else for a missing base. Layers of earlier
        # builds are not used: this buildah does not see that what a RUN mounts from another stage has changed.
        settings = ["--isolation=chroot", "--network=host", "--pull-never", "--layers=false", "--format=docker"]
        _buildah("build", *settings, *options, "--tag", f"localhost/{tag}", "--file", str(dockerfile), str(context))
        archive = _folder() / f"{uuid.uuid4().hex}.tar"
        try:
            _buildah("push", "--quiet", f"localhost/{tag}", f"docker-archive:{archive}:{tag}")
            self.containerd.import_image(archive)
        finally:
            archive.unlink(missing_ok=True)

    def _load_base(self) -> None:
        archive = base_images.python_base()
        note = _folder() / "base-loaded"
        made_from = archive.with_name(f"{archive.name}.made-from").read_text()
        with _LOADING:
            if note.exists() and note.read_text() == made_from:
                return
            _buildah("pull", "--quiet", f"docker-archive:{archive}")
            note.write_text(made_from)


def _buildah(*words: str) -> None:
    storage = ["--root", str(_folder() / "storage"), "--runroot", str(_folder() / "run"), "--storage-driver", "overlay"]
    ended = subprocess.run(
        ["nice", "-n", "19", "buildah", *storage, *words],
        env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise RigError(f"buildah {words[0]} failed:\n{ended.stdout[-3000:]}")


def _folder() -> Path:
    folder = cache_directory() / "buildah"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
