"""A namespace for one test."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.rig.kubectl import Kubectl


@contextmanager
def fresh_namespace(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A namespace in which pods can be created at once; it is deleted afterwards, without waiting for it."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kubectl.run("create", "-f", "-", stdin=json.dumps(namespace))
    # A pod is refused until the controllers have made the account that it would run as.
    kubectl.run("--namespace", name, "wait", "--for=create", "serviceaccount/default", "--timeout=120s")
    try:
        yield kubectl.within(name)
    finally:
        kubectl.run("delete", "namespace", name, "--wait=false")
