"""The operator has the rights that it needs and no other; people get theirs through Kubernetes' own roles."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.directory import HERE
from tests.cluster.rig.kubectl import Kubectl, KubectlFailed
from tests.support.databases import Database
from tests.support.kube_clients import task_run
from tests.support.operator_process import running_operator

INSTALL = HERE.parents[2] / "operator" / "install"
SYSTEM = "holdfast-system"
OPERATOR = "system:serviceaccount:holdfast-system:holdfast-operator"

#: Group, resource and verb of everything that it may do in any namespace.
EVERYWHERE = {
    *itertools.product(["holdfast.dev"], ["tasks", "taskqueues", "taskruns"], ["get", "list", "watch"]),
    *itertools.product(["holdfast.dev"], ["tasks/status", "taskqueues/status", "taskruns/status"], ["patch"]),
    *itertools.product(["holdfast.dev"], ["taskruns"], ["create", "delete"]),
    *itertools.product([""], ["pods"], ["get", "list", "watch", "create", "delete"]),
    *itertools.product(["events.k8s.io"], ["events"], ["create", "patch"]),
}
#: What it may do in its own namespace beside that.
AT_HOME = {
    ("coordination.k8s.io", "leases", "create"),
    ("coordination.k8s.io", "leases/holdfast-operator", "get"),
    ("coordination.k8s.io", "leases/holdfast-operator", "update"),
}
#: What everyone may do who is logged in: ask who they are, and what they may do.
ANYONE = {"authorization.k8s.io", "authentication.k8s.io"}


@pytest.fixture(scope="module")
def installed(api_server: ControlPlane) -> Kubectl:
    """kubectl as the administrator of a cluster with Holdfast in it."""
    api_server.kubectl.run("apply", "-k", str(INSTALL))
    for right in ("create pods", "update leases.coordination.k8s.io/holdfast-operator"):
        while not learned_of(api_server.kubectl, right):
            pass
    return api_server.kubectl


def learned_of(kubectl: Kubectl, right: str) -> bool:
    """Whether who authorizes knows of the operator's right already: it learns of a role a moment later."""
    try:
        kubectl.run("auth", "can-i", *right.split(), "--as", OPERATOR, "--namespace", SYSTEM)
    except KubectlFailed:
        return False
    return True


async def rights(kubectl: Kubectl, user: str, namespace: str) -> set[tuple[str, str, str]]:
    """All that the API server grants a user in a namespace, but what it grants everyone."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    # Without validation, for which kubectl would list all definitions, as a user who may not.
    answer = await kubectl(
        "create", "-f", "-", "-o", "json", "--validate=false", "--as", user, stdin=json.dumps(review)
    )
    status: dict[str, Any] = json.loads(answer)["status"]
    assert not status["incomplete"], status
    return {
        (group, f"{resource}/{name}" if name else resource, verb)
        for rule in status["resourceRules"]
        for group, resource, name, verb in itertools.product(
            rule["apiGroups"], rule["resources"], rule.get("resourceNames") or [""], rule["verbs"]
        )
        if group not in ANYONE
    }


async def may(kubectl: Kubectl, user: str, verb: str, group: str, resource: str, name: str = "") -> bool:
    """Whether the API server would let a user do that in the operator's namespace."""
    resource, _, subresource = resource.partition("/")
    wanted = {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": {**wanted, "namespace": SYSTEM}},
    }
    answer = json.loads(await kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review)))
    return bool(answer["status"]["allowed"])


async def test_the_operator_may_do_what_it_needs_and_nothing_more(installed: Kubectl) -> None:
    assert await rights(installed, OPERATOR, "default") == EVERYWHERE
    assert await rights(installed, OPERATOR, SYSTEM) == EVERYWHERE | AT_HOME


@pytest.mark.parametrize(
    ("verb", "group", "resource"),
    [
        ("get", "", "secrets"),
        ("list", "", "secrets"),
        ("create", "", "pods/exec"),
        ("create", "", "pods/attach"),
        ("create", "", "pods/eviction"),
        ("patch", "", "pods"),
        ("list", "", "nodes"),
        ("list", "", "namespaces"),
        ("create", "", "serviceaccounts/token"),
        ("impersonate", "", "users"),
        ("update", "holdfast.dev", "taskruns"),
        ("patch", "holdfast.dev", "taskruns"),
        ("delete", "holdfast.dev", "taskqueues"),
        ("create", "apps", "deployments"),
        ("create", "batch", "jobs"),
        ("create", "rbac.authorization.k8s.io", "rolebindings"),
        ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
        ("list", "apiextensions.k8s.io", "customresourcedefinitions"),
        ("*", "*", "*"),
    ],
)
async def test_the_operator_may_not(installed: Kubectl, verb: str, group: str, resource: str) -> None:
    assert not await may(installed, OPERATOR, verb, group, resource)


async def test_its_lease_is_its_own(installed: Kubectl) -> None:
    lease = ("update", "coordination.k8s.io", "leases")
    assert await may(installed, OPERATOR, *lease, "holdfast-operator")
    assert not await may(installed, OPERATOR, *lease, "other")


async def test_these_rights_are_enough(
    installed: Kubectl, api_server: ControlPlane, namespace: Kubectl, database: Database
) -> None:
    as_operator = await api_server.kubectl_as(SYSTEM, "holdfast-operator")
    async with running_operator(as_operator.kubeconfig, database.dsn, "one", lease_namespace=SYSTEM) as operator:
        await operator.says("all watches are up")
        await namespace.apply(task_run("census"))
        await namespace.until("pods", "census-1", lambda pod: True)
        await namespace.until("taskruns", "census", lambda run: "runID" in run.get("status", {}))
        await namespace("delete", "taskrun", "census")
        await namespace.until_gone("pod", "census-1")
        assert f'User "{OPERATOR}" cannot' not in "\n".join(operator.log)


async def test_what_a_service_account_of_a_namespace_may_not(installed: Kubectl) -> None:
    of_a_run = "system:serviceaccount:default:default"
    assert await rights(installed, of_a_run, "default") == set()


async def test_the_operators_pods_obey_the_restricted_standard(installed: Kubectl) -> None:
    deployment = await installed.within(SYSTEM).get("deployment", "holdfast-operator")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "of-the-operator", "namespace": SYSTEM},
        "spec": deployment["spec"]["template"]["spec"],
    }

    accepted = await installed("create", "-f", "-", "--dry-run=server", "-o", "name", stdin=json.dumps(pod))
    assert accepted.strip() == "pod/of-the-operator"

    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(KubectlFailed, match="violates PodSecurity"):
        await installed("create", "-f", "-", "--dry-run=server", stdin=json.dumps(pod))


PEOPLE: dict[str, dict[str, set[str]]] = {
    "view": {"taskruns": {"get", "list", "watch"}, "taskqueues": {"get", "list", "watch"}},
    "edit": {"taskruns": {"get", "create", "patch", "delete"}, "tasks": {"create"}, "taskqueues": {"get"}},
    "admin": {"taskruns": {"create", "delete"}, "taskqueues": {"create", "patch", "delete"}},
}
NOT_PEOPLE: dict[str, dict[str, set[str]]] = {
    "view": {"taskruns": {"create", "patch", "delete"}, "tasks": {"create"}, "taskqueues": {"patch"}},
    "edit": {"taskruns/status": {"patch", "update"}, "taskqueues": {"create", "patch", "delete"}},
    "admin": {"taskruns/status": {"patch", "update"}, "taskqueues/status": {"patch"}},
}


@pytest.mark.parametrize("role", PEOPLE)
async def test_kubernetes_own_roles_reach_our_kinds(installed: Kubectl, namespace: Kubectl, role: str) -> None:
    await installed.until("clusterrole", role, lambda found: "taskruns" in json.dumps(found.get("rules")))
    await namespace("create", "rolebinding", "ada", f"--clusterrole={role}", "--user=ada")

    assert namespace.namespace is not None
    while not (granted := await rights(namespace, "ada", namespace.namespace)):
        pass  # a moment later

    ours = {(resource, verb) for group, resource, verb in granted if group == "holdfast.dev"}
    assert pairs(PEOPLE[role]) <= ours
    assert not pairs(NOT_PEOPLE[role]) & ours


def pairs(verbs: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Each resource with each of its verbs."""
    return {(resource, verb) for resource, several in verbs.items() for verb in several}
