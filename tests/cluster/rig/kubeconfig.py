"""Files that say where the API server is and as whom to talk to it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.rig.certificates import Certificates


def write_for_certificate(file: Path, server: str, certificates: Certificates, user: str) -> None:
    """Write a kubeconfig with the keys inside, so that it can be copied elsewhere."""
    credentials = {
        "client-certificate-data": _encoded(certificates.certificate(user)),
        "client-key-data": _encoded(certificates.key(user)),
    }
    _write(file, server, certificates, user, credentials)


def write_for_token(file: Path, server: str, certificates: Certificates, user: str, token: str) -> None:
    """Write a kubeconfig that logs in by a token, such as a service account's."""
    _write(file, server, certificates, user, {"token": token})


def _write(file: Path, server: str, certificates: Certificates, user: str, credentials: Mapping[str, str]) -> None:
    cluster = {"server": server, "certificate-authority-data": _encoded(certificates.certificate("ca"))}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "holdfast", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "holdfast", "context": {"cluster": "holdfast", "user": user}}],
        "current-context": "holdfast",
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        json.dump(config, output, indent=1)


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
