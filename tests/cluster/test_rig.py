"""The rig itself: what the other tests stand on works, and what must not work does not."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.rig.control_plane import ControlPlane, running_control_plane
from tests.cluster.rig.fake_nodes import FakeNodes
from tests.cluster.rig.guard import refused_packets
from tests.cluster.rig.kubectl import Kubectl, KubectlFailed, Object
from tests.cluster.rig.node import Node

PYTHON = "python:3.11-slim"
DOCUMENTATION_ADDRESS = "203.0.113.1"  # set aside for examples: nobody has it


def pod(name: str, code: str, *, image: str = PYTHON, memory: str = "128Mi") -> Object:
    container = {
        "name": "main",
        "image": image,
        "command": ["python3", "-c", textwrap.dedent(code)],
        "resources": {"limits": {"memory": memory}},
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def simulated_pod(name: str, fake_nodes: FakeNodes, **annotations: str) -> Object:
    metadata = {"name": name, "annotations": {f"fake.test/{key}": value for key, value in annotations.items()}}
    container = {"name": "main", "image": "any"}
    spec = {"restartPolicy": "Never", "containers": [container], **fake_nodes.placement()}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def ended(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def running(pod: Object) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Running")


def last_state(pod: Object) -> Any:
    return pod["status"]["containerStatuses"][0]["state"]["terminated"]


async def output_of(kubectl: Kubectl, described: Object) -> str:
    """Run the pod to its end and return what it printed."""
    name = described["metadata"]["name"]
    await kubectl.apply(described)
    await kubectl.until("pod", name, ended)
    return (await kubectl("logs", name)).strip()


class TestControlPlane:
    async def test_two_run_side_by_side_and_know_nothing_of_each_other(self, api_server: ControlPlane) -> None:
        with running_control_plane() as other:
            await other.kubectl("create", "namespace", "only-there")
            with pytest.raises(KubectlFailed, match="not found"):
                await api_server.kubectl("get", "namespace", "only-there")

    async def test_it_knows_the_resources(self, namespace: Kubectl) -> None:
        assert json.loads(await namespace("get", "taskruns", "-o", "json"))["items"] == []

    async def test_a_service_account_has_its_rights_and_nothing_more(
        self, api_server: ControlPlane, namespace: Kubectl
    ) -> None:
        assert namespace.namespace is not None
        await namespace("create", "serviceaccount", "reader")
        await namespace("create", "role", "reader", "--verb=get", "--verb=list", "--resource=configmaps")
        account = f"{namespace.namespace}:reader"
        await namespace("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={account}")
        reader = await api_server.kubectl_as(namespace.namespace, "reader")
        await reader("get", "configmaps")
        with pytest.raises(KubectlFailed, match="Forbidden"):
            await reader("get", "secrets")

    async def test_what_is_owned_goes_with_its_owner(self, namespace: Kubectl) -> None:
        await namespace("create", "configmap", "owner")
        owner = await namespace.get("configmap", "owner")
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        metadata = {"name": "owned", "ownerReferences": [reference]}
        await namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        await namespace("delete", "configmap", "owner")
        await namespace.until_gone("configmap", "owned")

    async def test_a_restarted_api_server_has_kept_everything(self) -> None:
        with running_control_plane() as plane:
            await plane.kubectl("create", "namespace", "kept")
            plane.api_server.kill()
            with pytest.raises(KubectlFailed):
                await plane.kubectl("get", "namespace", "kept")
            plane.start()
            await plane.kubectl("get", "namespace", "kept")

    def test_a_killed_session_leaves_no_server_behind(self) -> None:
        program = """
            from tests.cluster.rig.control_plane import running_control_plane
            with running_control_plane() as plane:
                print(plane.endpoints.api_port, plane.directory, flush=True)
                input()
        """
        session = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert session.stdout is not None
        port, directory = session.stdout.readline().split()
        servers = [os.pidfd_open(int(file.read_text().split()[0])) for file in Path(directory, "run").glob("*.pid")]
        assert len(servers) == 2
        session.send_signal(signal.SIGKILL)
        session.communicate()
        for server in servers:
            poll_until_ended(server)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0
        subprocess.run(["rm", "-rf", directory], check=True)


class TestFakeNodes:
    async def test_a_pod_ends_as_its_annotations_say(self, namespace: Kubectl, fake_nodes: FakeNodes) -> None:
        await namespace.apply(
            simulated_pod("good", fake_nodes, **{"run-for": "10ms"}),
            simulated_pod("bad", fake_nodes, **{"run-for": "10ms", "exit-code": "137", "reason": "OOMKilled"}),
        )
        good = await namespace.until("pod", "good", ended)
        bad = await namespace.until("pod", "bad", ended)
        assert (good["status"]["phase"], last_state(good)["exitCode"]) == ("Succeeded", 0)
        assert (last_state(bad)["exitCode"], last_state(bad)["reason"]) == (137, "OOMKilled")

    async def test_pods_of_a_lost_node_are_evicted(self, namespace: Kubectl, fake_nodes: FakeNodes) -> None:
        lost = simulated_pod("lost", fake_nodes)
        unreachable = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": 1}
        tolerations = [*lost["spec"]["tolerations"], {**unreachable, "operator": "Exists"}]
        await namespace.apply({**lost, "spec": {**lost["spec"], "tolerations": tolerations}})
        node = (await namespace.until("pod", "lost", running))["spec"]["nodeName"]
        await fake_nodes.lose(node)
        await namespace.until("pod", "lost", lambda pod: "deletionTimestamp" in pod["metadata"])
        await fake_nodes.find(node)
        await namespace.until_gone("pod", "lost")


class TestNode:
    async def test_a_pod_runs_and_ends(self, node_namespace: Kubectl) -> None:
        assert await output_of(node_namespace, pod("hello", "print('hello')")) == "hello"

    async def test_names_of_the_cluster_are_answered(self, node_namespace: Kubectl) -> None:
        code = "import socket; print(socket.gethostbyname('kubernetes.default.svc.cluster.local'))"
        assert await output_of(node_namespace, pod("names", code)) == "10.96.0.1"

    async def test_nothing_leaves_this_machine(self, node_namespace: Kubectl) -> None:
        code = f"""
            import socket
            try:
                socket.create_connection(("{DOCUMENTATION_ADDRESS}", 443), timeout=20)
            except OSError as error:
                print(type(error).__name__)
        """
        before = refused_packets()["pods to elsewhere"]
        assert await output_of(node_namespace, pod("outward", code)) == "ConnectionRefusedError"
        assert refused_packets()["pods to elsewhere"] > before

    async def test_too_much_memory_is_reported(self, node_namespace: Kubectl) -> None:
        await node_namespace.apply(pod("hungry", "x = bytearray(300 << 20)", memory="64Mi"))
        state = last_state(await node_namespace.until("pod", "hungry", ended))
        assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)

    async def test_a_missing_image_is_not_asked_for_elsewhere(self, node_namespace: Kubectl) -> None:
        def waits_for_image(pod: Object) -> bool:
            statuses = pod.get("status", {}).get("containerStatuses", [])
            return any(status["state"].get("waiting", {}).get("reason") == "ErrImagePull" for status in statuses)

        await node_namespace.apply(pod("imageless", "", image="no-such-image:1"))
        await node_namespace.until("pod", "imageless", waits_for_image)

    async def test_a_process_is_killed_from_outside(self, node: Node, node_namespace: Kubectl) -> None:
        assert node_namespace.namespace is not None
        await node_namespace.apply(pod("victim", "import signal; signal.pause()"))
        await node_namespace.until("pod", "victim", running)
        assert await node.exec("victim", "echo", "here", namespace=node_namespace.namespace) == "here\n"
        await node.kill("victim", namespace=node_namespace.namespace)
        assert last_state(await node_namespace.until("pod", "victim", ended))["exitCode"] == 137

    async def test_an_image_is_built_and_run(self, node: Node, node_namespace: Kubectl, tmp_path: Path) -> None:
        (tmp_path / "greeting.py").write_text("import os; print('built', os.getuid())")
        recipe = f"FROM {PYTHON}\nRUN useradd --uid 10001 app\nCOPY greeting.py /\nUSER 10001\n"
        (tmp_path / "Dockerfile").write_text(recipe)
        await node.images.build(tmp_path / "Dockerfile", tmp_path, "rig-test:1")
        built = pod("built", "exec(open('/greeting.py').read())", image="rig-test:1")
        assert await output_of(node_namespace, built) == "built 10001"

    async def test_a_killed_part_is_put_in_order_by_the_next_up(self, node: Node, node_namespace: Kubectl) -> None:
        node.kubelet.daemon.kill()
        node.kube_proxy.daemon.kill()
        node.plane.controllers.kill()
        node.containerd.daemon.kill()
        node.up()
        assert await output_of(node_namespace, pod("after", "print('after')")) == "after"


def poll_until_ended(descriptor: int) -> None:
    """Wait until the process has ended, whoever reaps it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(20_000)
    os.close(descriptor)
