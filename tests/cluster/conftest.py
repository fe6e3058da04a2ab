"""Fixtures of a real cluster, in three rungs.

`api_server` is an API server with its controllers and Holdfast's resources; `fake_nodes` adds simulated nodes;
`node` is a whole cluster of one real node. `namespace` is a fresh one per test on the first two, `node_namespace` on
the third. `installed` is Holdfast on the real node, as its users install it, and `scene` a place in it for one test.
Where something is missing the tests are skipped, and say what.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.cluster.installation import SYSTEM, Installation, build_images, install
from tests.cluster.node_scene import NodeScene, fresh_scene
from tests.cluster.rig.control_plane import ControlPlane, running_control_plane
from tests.cluster.rig.errors import Unavailable
from tests.cluster.rig.fake_nodes import FakeNodes, running_fake_nodes
from tests.cluster.rig.kubectl import Kubectl
from tests.cluster.rig.namespace import fresh_namespace
from tests.cluster.rig.node import Node, running_node

# The first test that needs a program waits for its build, which counts for no test.
TEST_TIMEOUT_SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cluster" in item.path.parts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_SECONDS, func_only=True))
    # on a fresh machine Kubernetes is still being built: everything else comes first
    items.sort(key=lambda item: "cluster" in item.path.parts)


@pytest.fixture(scope="session")
def api_server() -> Iterator[ControlPlane]:
    """An API server, etcd and the controllers, shared by the session: no pod ever runs here."""
    try:
        with running_control_plane(controllers=True) as plane:
            yield plane
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def fake_nodes(api_server: ControlPlane) -> Iterator[FakeNodes]:
    """Ten simulated nodes beside the shared API server; `fake_nodes.plane` is that server."""
    api_server.scheduler.start()
    with running_fake_nodes(api_server) as nodes:
        yield nodes


@pytest.fixture
def namespace(api_server: ControlPlane) -> Iterator[Kubectl]:
    """kubectl in a fresh namespace of `api_server`; `namespace.namespace` is its name."""
    with fresh_namespace(api_server.kubectl) as kubectl:
        yield kubectl


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """The real node of this machine, shared by the session; whoever has it already is waited for."""
    try:
        with running_node() as node:
            yield node
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def node_namespace(node: Node) -> Iterator[Kubectl]:
    """kubectl in a fresh namespace of `node`; `node_namespace.namespace` is its name."""
    with fresh_namespace(node.kubectl) as kubectl:
        yield kubectl


@pytest.fixture(scope="session")
def images(node: Node) -> Node:
    """The node with all of our images in it."""
    build_images(node.images)
    return node


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installed(images: Node) -> AsyncIterator[Installation]:
    """The node with Holdfast installed as the documentation says, shared by the session."""
    await install(images.kubectl)
    yield Installation(images)
    await images.kubectl("delete", "namespace", SYSTEM, "--wait=false")


@pytest.fixture
async def scene(installed: Installation) -> AsyncIterator[NodeScene]:
    """A fresh namespace of the node where runs are admitted, and a witness of what happens in their pods."""
    async with fresh_scene(installed) as scene:
        yield scene
