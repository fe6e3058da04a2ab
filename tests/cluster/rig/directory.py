"""Where programs, images and the state of the node are kept: outside the tree, so that a fresh clone finds them."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent


def cache_directory() -> Path:
    """The folder of everything the rig keeps: `$HOLDFAST_CLUSTER_DIR`, else `~/.cache/holdfast-cluster`."""
    chosen = os.environ.get("HOLDFAST_CLUSTER_DIR")
    return Path(chosen) if chosen else Path.home() / ".cache" / "holdfast-cluster"


def program(name: str) -> Path:
    """The path of a built program."""
    return cache_directory() / "bin" / name
