"""What the chart's pods and accounts may do: the API server itself is asked, and asked for too much."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cli.lab.control_plane import Binaries, CommandRefused, ControlPlane
from compiler.names import NodeName
from controller.cluster.identities import Put, identities_for
from controller.cluster.objects import NETWORK_STATUS
from tests.cluster.chart import (
    AGENT,
    AGENTS,
    CONTROLLER,
    NAMESPACE,
    NODES,
    installed,
    make_namespace,
    named,
    pod_of,
    rendered,
    require_tools,
)

SECONDS = 30.0
"""Within which a new admission policy must hold; the API server learns of it by a watch."""


@pytest.fixture(scope="module")
def server(binaries: Binaries, control_plane: ControlPlane) -> Iterator[ControlPlane]:
    require_tools(binaries)
    with installed(control_plane):
        yield control_plane


def make_pod(server: ControlPlane, kind: str, name: str, namespace: str) -> str:
    pod = pod_of(named(rendered(server), kind, name), namespace)
    if namespace not in (NAMESPACE, AGENTS):
        pod["spec"]["serviceAccountName"] = "default"
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        account |= {"metadata": {"name": "default", "namespace": namespace}}  # type: ignore[dict-item]
        server.kubectl("apply", "-f", "-", input=json.dumps(account))
    return server.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod))


def test_the_controller_passes_pod_securitys_restricted_level(server: ControlPlane) -> None:
    assert "pod/atoll-controller created" in make_pod(server, "Deployment", "atoll-controller", NAMESPACE)


def test_the_agent_is_admitted_to_its_own_namespace(server: ControlPlane) -> None:
    assert "pod/atoll-agent created" in make_pod(server, "DaemonSet", "atoll-agent", AGENTS)


def test_the_agent_needs_a_privileged_namespace_but_is_not_privileged(server: ControlPlane) -> None:
    make_namespace(server, "baseline", "baseline")
    with pytest.raises(CommandRefused) as refusal:
        make_pod(server, "DaemonSet", "atoll-agent", "baseline")
    complaint = str(refusal.value)
    assert "host namespaces (hostNetwork=true)" in complaint
    assert 'must not include "NET_ADMIN", "SYS_ADMIN" in securityContext.capabilities.add' in complaint
    volumes = 'hostPath volumes (volumes "state", "socket", "netns", "sysctls", "cni-conf", "cni-bin")'
    assert volumes in complaint
    assert "privileged (" not in complaint
    assert "hostPID" not in complaint


CONTROLLER_MAY = [
    ("list", "", "pods", "default", ""),
    ("patch", "", "pods/status", "default", ""),
    ("watch", "", "nodes", "", ""),
    ("watch", "discovery.k8s.io", "endpointslices", "default", ""),
    ("patch", "atoll.dev", "virtualnetworks", "default", ""),
    ("patch", "atoll.dev", "virtualnetworks/status", "default", ""),
    ("create", "atoll.dev", "nodenetworks", "", ""),
    ("create", "events.k8s.io", "events", "default", ""),
    ("patch", "atoll.dev", "networksources/status", NAMESPACE, ""),
    ("create", "", "configmaps", NAMESPACE, ""),
    ("get", "", "secrets", NAMESPACE, "networks-git"),
    ("update", "coordination.k8s.io", "leases", NAMESPACE, "atoll-controller"),
    ("create", "", "serviceaccounts", NODES, ""),
    ("create", "rbac.authorization.k8s.io", "clusterroles", "", ""),
]
CONTROLLER_MAY_NOT = [
    ("list", "", "secrets", NAMESPACE, ""),
    ("get", "", "secrets", "default", "any"),
    ("get", "", "secrets", AGENTS, "any"),
    ("get", "", "configmaps", "default", "any"),
    ("create", "", "pods", "default", ""),
    ("create", "", "pods", NAMESPACE, ""),
    ("create", "", "pods", AGENTS, ""),
    ("patch", "", "pods", "default", ""),
    ("update", "", "pods/status", "default", ""),
    ("patch", "", "nodes/status", "", "worker-1"),
    ("create", "", "pods/exec", AGENTS, "any"),
    ("create", "", "pods/eviction", "default", "any"),
    ("patch", "", "nodes", "", "worker-1"),
    ("get", "", "nodes/proxy", "", "worker-1"),
    ("patch", "", "namespaces", "", "default"),
    ("patch", "", "services", "default", ""),
    ("create", "atoll.dev", "networksources", NAMESPACE, ""),
    ("delete", "atoll.dev", "networksources", NAMESPACE, ""),
    ("patch", "atoll.dev", "networksources", "default", ""),
    ("deletecollection", "atoll.dev", "virtualnetworks", "default", ""),
    ("update", "coordination.k8s.io", "leases", NAMESPACE, "another"),
    ("delete", "coordination.k8s.io", "leases", NAMESPACE, "atoll-controller"),
    ("update", "coordination.k8s.io", "leases", "kube-system", "kube-scheduler"),
    ("create", "", "serviceaccounts", "kube-system", ""),
    ("create", "", "serviceaccounts/token", NODES, "worker-1"),
    ("create", "", "serviceaccounts/token", AGENTS, "atoll-agent"),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles", "", ""),
    ("bind", "rbac.authorization.k8s.io", "clusterroles", "", "cluster-admin"),
    ("create", "rbac.authorization.k8s.io", "roles", NAMESPACE, ""),
    ("impersonate", "", "users", "", "admin"),
    ("patch", "apiextensions.k8s.io", "customresourcedefinitions", "", ""),
    ("patch", "admissionregistration.k8s.io", "validatingadmissionpolicies", "", "atoll-controller-roles"),
    ("delete", "admissionregistration.k8s.io", "validatingadmissionpolicybindings", "", ""),
]
AGENT_MAY = [("create", "", "serviceaccounts/token", NODES, "worker-1")]
AGENT_MAY_NOT = [
    ("create", "", "serviceaccounts/token", AGENTS, "atoll-agent"),
    ("create", "", "serviceaccounts/token", NAMESPACE, "atoll-controller"),
    ("create", "", "serviceaccounts/token", "kube-system", "any"),
    ("get", "", "serviceaccounts", NODES, "worker-1"),
    ("get", "atoll.dev", "nodenetworks", "", "worker-1"),
    ("patch", "atoll.dev", "nodenetworks/status", "", "worker-1"),
    ("list", "atoll.dev", "virtualnetworks", "default", ""),
    ("list", "", "pods", AGENTS, ""),
    ("get", "", "nodes", "", "worker-1"),
    ("get", "", "secrets", AGENTS, "any"),
    ("get", "", "secrets", NAMESPACE, "networks-git"),
    ("create", "", "pods", AGENTS, ""),
]
Question = tuple[str, str, str, str, str]
"""Verb, group, resource with subresource, namespace, name."""


def review(user: str, question: Question) -> dict[str, Any]:
    verb, group, resource, namespace, name = question
    kind, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": kind, "subresource": subresource}
    groups = [
        "system:authenticated",
        "system:serviceaccounts",
        f"system:serviceaccounts:{user.split(':')[2]}",
    ]
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": groups,
            "resourceAttributes": attributes | {"namespace": namespace, "name": name},
        },
    }


def allowed(server: ControlPlane, user: str, questions: list[Question]) -> list[Question]:
    """Those that the API server says yes to."""
    reviews = {"apiVersion": "v1", "kind": "List", "items": [review(user, one) for one in questions]}
    answer = server.kubectl(
        *("create", "-f", "-", "-o", "jsonpath={.status.allowed}{'\\n'}"), input=json.dumps(reviews)
    )
    answers = answer.split()
    assert len(answers) == len(questions)
    return [question for question, said in zip(questions, answers, strict=True) if said == "true"]


@pytest.mark.parametrize(
    ("user", "questions"),
    [pytest.param(CONTROLLER, CONTROLLER_MAY, id="controller"), pytest.param(AGENT, AGENT_MAY, id="agent")],
)
def test_an_account_may_do_its_work(server: ControlPlane, user: str, questions: list[Question]) -> None:
    assert allowed(server, user, questions) == questions


@pytest.mark.parametrize(
    ("user", "questions"),
    [
        pytest.param(CONTROLLER, CONTROLLER_MAY_NOT, id="controller"),
        pytest.param(AGENT, AGENT_MAY_NOT, id="agent"),
    ],
)
def test_an_account_may_do_nothing_else(server: ControlPlane, user: str, questions: list[Question]) -> None:
    assert allowed(server, user, questions) == []


def as_controller(server: ControlPlane, *arguments: str, input: object = None) -> str:
    """A request of the controller's own, tried only."""
    groups = [f"--as-group={group}" for group in review(CONTROLLER, CONTROLLER_MAY[0])["spec"]["groups"]]
    command = (*arguments, "--dry-run=server", f"--as={CONTROLLER}", *groups)
    return server.kubectl(*command, input=json.dumps(input))


@pytest.fixture(scope="module")
def policed(server: ControlPlane) -> ControlPlane:
    """With the policy in force, which is some moments after it was made."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            as_controller(server, "delete", "clusterrole", "system:basic-user")
        except CommandRefused:
            return server
    raise AssertionError(f"the policy atoll-controller-roles was not in force after {SECONDS:g} s")


@pytest.fixture(scope="module")
def pod(policed: ControlPlane) -> str:
    """A pod with a label and annotations, in the namespace `default`."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    account |= {"metadata": {"name": "default", "namespace": "default"}}  # type: ignore[dict-item]
    policed.kubectl("apply", "-f", "-", input=json.dumps(account))
    metadata = {
        "name": "web",
        "namespace": "default",
        "labels": {"app": "web"},
        "annotations": {"theirs": "1"},
    }
    spec = {"containers": [{"name": "main", "image": "registry.example/image"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    policed.kubectl("create", "-f", "-", input=json.dumps(body))
    return "web"


def patch_pod(server: ControlPlane, pod: str, patch: object) -> str:
    arguments = ("patch", "pod", pod, "-n", "default", "--subresource=status", "--type=merge")
    return as_controller(server, *arguments, f"--patch={json.dumps(patch)}", "-o", "json")


def test_the_controller_tells_a_pod_of_its_network(policed: ControlPlane, pod: str) -> None:
    patch = {"metadata": {"annotations": {NETWORK_STATUS: "[]"}}, "spec": {"hostNetwork": True}}
    told = json.loads(patch_pod(policed, pod, patch))
    assert told["metadata"]["annotations"] == {"theirs": "1", NETWORK_STATUS: "[]"}
    assert "hostNetwork" not in told["spec"]


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"metadata": {"annotations": {"theirs": "2"}}}, id="another annotation"),
        pytest.param({"metadata": {"annotations": {"new": "1"}}}, id="a new annotation"),
        pytest.param({"metadata": {"annotations": {"theirs": None}}}, id="an annotation less"),
        pytest.param({"metadata": {"annotations": None}}, id="all annotations"),
        pytest.param({"metadata": {"labels": {"app": "db"}}}, id="a label"),
        pytest.param({"metadata": {"finalizers": ["example.com/hold"]}}, id="a finalizer"),
        pytest.param({"status": {"phase": "Failed"}}, id="the status itself"),
        pytest.param({"status": {"podIPs": [{"ip": "10.1.0.1"}], "podIP": "10.1.0.1"}}, id="addresses"),
    ],
)
def test_the_controller_tells_a_pod_nothing_else(policed: ControlPlane, pod: str, patch: object) -> None:
    with pytest.raises(CommandRefused, match=f"may write its annotation {NETWORK_STATUS} only"):
        patch_pod(policed, pod, patch)


def role(name: str, *, group: str = "atoll.dev", resource: str = "nodenetworks") -> dict[str, object]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [{"apiGroups": [group], "resources": [resource], "verbs": ["get"]}],
    }


def binding(name: str, role_name: str, account: str, namespace: str = NODES) -> dict[str, object]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role_name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


def test_the_controller_gives_each_node_its_identity(policed: ControlPlane) -> None:
    actions = identities_for([NodeName("worker-1")], {})
    bodies = [action.body for action in actions if isinstance(action, Put)]
    assert [body["kind"] for body in bodies] == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]
    for body in bodies[:2]:
        as_controller(policed, "create", "-f", "-", input=body)
    # A binding is judged by the role that stands, so this one is needed.
    policed.kubectl("create", "-f", "-", input=json.dumps(bodies[1]))
    as_controller(policed, "create", "-f", "-", input=bodies[2])
    as_controller(policed, "delete", "clusterrole", "atoll:node:worker-1")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        pytest.param(
            role("atoll:nodes"),
            "clusterroles atoll:nodes: the controller may touch only those named atoll:node:<node>",
            id="a role of another name",
        ),
        pytest.param(
            role("atoll:node:worker-9", group="", resource="pods"),
            "clusterrole atoll:node:worker-9: the role of a node may hold rights on kinds of atoll.dev only",
            id="a right on pods, which the controller itself has",
        ),
        pytest.param(
            role("atoll:node:worker-9", group="", resource="secrets"),
            "is attempting to grant RBAC permissions not currently held",
            id="a right on secrets, which it has not",
        ),
        pytest.param(
            binding("atoll:node:worker-9", "atoll-controller", "worker-9"),
            "it may bind the role of its own name to the ServiceAccount of its node only",
            id="a role that is not the node's",
        ),
        pytest.param(
            binding("atoll:node:worker-9", "atoll:node:worker-9", "worker-8"),
            "it may bind the role of its own name to the ServiceAccount of its node only",
            id="another node's account",
        ),
        pytest.param(
            binding("atoll:node:worker-9", "atoll:node:worker-9", "worker-9", "default"),
            "it may bind the role of its own name to the ServiceAccount of its node only",
            id="an account of another namespace",
        ),
        pytest.param(
            binding("atoll:node:worker-9", "cluster-admin", "worker-9"),
            "is attempting to grant RBAC permissions not currently held",
            id="cluster-admin",
        ),
    ],
)
def test_the_controller_cannot_give_more(policed: ControlPlane, body: object, complaint: str) -> None:
    policed.kubectl("apply", "-f", "-", input=json.dumps(role("atoll:node:worker-9")))
    with pytest.raises(CommandRefused) as refusal:
        as_controller(policed, "create", "-f", "-", input=body)
    assert complaint in str(refusal.value)


def test_the_controller_cannot_delete_roles_of_others(policed: ControlPlane) -> None:
    with pytest.raises(CommandRefused, match="the controller may touch only those named atoll:node:<node>"):
        as_controller(policed, "delete", "clusterrole", "cluster-admin")
