"""Trying to break the least privilege of agents, with real tokens on the real API server.

An agent's pod on one node must be worth nothing on another: not its mounted token, and not what it
is exchanged for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.identity import NoIdentity, as_node
from agent.node_status import NodeStatus
from cli.lab.control_plane import Binaries, CommandRefused, ControlPlane
from controller.cluster.identities import Identities
from kube.api import Api, Forbidden, Json, NotFound, ObjectRef, Unauthorized
from kube.client import ClusterApi
from kube.kinds import (
    CLUSTER_CONFIGS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NETWORK_SOURCES,
    NODE_NETWORK_PARTS,
    NODE_NETWORKS,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    VIRTUAL_NETWORK_ROUTERS,
    VIRTUAL_NETWORKS,
)
from kube.resource import Resource
from tests.agent.cluster import body_of, part_body
from tests.cluster.chart import AGENTS, NAMESPACE, installed, manifest, named, rendered, require_tools
from tests.cluster.chart import NODES as NODES_NAMESPACE
from tests.cluster.nodes import ONE, TWO, Nodes, await_refusal, token_of, token_spec
from tests.compiler.sample_plans import node_plan

FIELD_MANAGER = "atoll-controller"
OTHERS_STATUS = "is not the one of system:serviceaccount:atoll-nodes:node-1.example.org"
STATUS_ONLY = "a node may write the status of its NodeNetwork, and nothing else"


def _nn(node: str) -> ObjectRef:
    return ObjectRef(resource=NODE_NETWORKS, name=node)


def _part(node: str) -> ObjectRef:
    return ObjectRef(resource=NODE_NETWORK_PARTS, name=f"{node}.0")


@pytest.fixture(scope="module")
def nodes(binaries: Binaries, control_plane: ControlPlane) -> Iterator[Nodes]:
    """Two nodes with identities and plans of two parts, under the chart's rights and policies in force."""
    require_tools(binaries)
    with installed(control_plane):
        nodes = Nodes.made_on(control_plane)
        for node in (ONE, TWO):
            _publish(nodes.admin, node)
        agent = nodes.agent(ONE)
        await_refusal(lambda: _ask(agent, TWO), "atoll-agent-token")
        yield nodes


@pytest.fixture(scope="module")
def agent(nodes: Nodes) -> ClusterApi:
    """With the token that the kubelet of the first node has mounted."""
    return nodes.agent(ONE)


@pytest.fixture(scope="module")
def node(nodes: Nodes) -> Api:
    """With the token of the first node."""
    return nodes.node(ONE)


def _publish(admin: Api, node: str) -> None:
    body, parts = body_of(node_plan(name=node), parts=1)
    for part in parts:
        admin.apply(_part(node), part, field_manager=FIELD_MANAGER, force=True)
    admin.apply(_nn(node), body, field_manager=FIELD_MANAGER, force=True)


def _ask(api: Api, node: str, *, namespace: str = NODES_NAMESPACE, **changes: object) -> str:
    return token_of(api, namespace, node, token_spec(node, **changes))


def _status(attachments: int) -> Json:
    return NodeStatus(attachments=attachments).merge_patch()


def _attachments(admin: Api, node: str) -> object:
    found: Any = json.loads(admin.get(_nn(node)))
    return found.get("status", {}).get("attachments")


# What an agent's own account can get.


def test_an_agent_gets_the_token_of_its_node(nodes: Nodes) -> None:
    token = nodes.node_token(ONE)()
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    answer: Any = json.loads(
        nodes.admin.request_raw("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=review)
    )
    assert answer["status"]["user"]["username"] == f"system:serviceaccount:atoll-nodes:{ONE}"
    assert answer["status"]["user"]["extra"]["authentication.kubernetes.io/node-name"] == [ONE]


def test_the_token_of_another_node_is_refused(agent: ClusterApi) -> None:
    with pytest.raises(Forbidden) as refusal:
        _ask(agent, TWO)
    assert (
        f"the agent on node {ONE} may ask for a token of ServiceAccount atoll-nodes/{ONE} only"
        in refusal.value.message
    )


def test_and_so_it_is_for_the_agent_on_the_other_node(nodes: Nodes) -> None:
    other = nodes.agent(TWO)
    assert _ask(other, TWO)
    with pytest.raises(Forbidden, match=f"the agent on node {TWO} may ask"):
        _ask(other, ONE)


def test_an_agent_that_wants_to_be_another_node_is_told_why_it_cannot(nodes: Nodes) -> None:
    mounted = nodes.connection("agent on the first node", nodes.agent_token(ONE))
    with pytest.raises(NoIdentity, match=f"no token of ServiceAccount atoll-nodes/{TWO}: .*may ask for"):
        as_node(mounted, TWO).get(_nn(TWO))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"boundObjectRef": None}, f"must be bound to Node {ONE}", id="bound to nothing"),
        pytest.param(
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": TWO}},
            f"must be bound to Node {ONE}",
            id="bound to another node",
        ),
        pytest.param(
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": ONE}},
            f"must be bound to Node {ONE}",
            id="bound to a Secret",
        ),
        pytest.param({"expirationSeconds": 3601}, "must live for an hour at most", id="longer than an hour"),
        pytest.param(
            {"expirationSeconds": 1 << 31}, "must live for an hour at most", id="longer than a lifetime"
        ),
    ],
)
def test_its_own_nodes_token_only_in_the_form_of_the_exchange(
    agent: ClusterApi, changes: dict[str, object], words: str
) -> None:
    spec = {name: value for name, value in token_spec(ONE, **changes).items() if value is not None}
    with pytest.raises(Forbidden, match=words):
        token_of(agent, NODES_NAMESPACE, ONE, spec)


@pytest.mark.parametrize(
    ("namespace", "account"),
    [
        (NODES_NAMESPACE, "default"),
        (AGENTS, "atoll-agent"),
        (NAMESPACE, "atoll-controller"),
        ("kube-system", "default"),
    ],
)
def test_tokens_of_other_accounts_are_refused(
    nodes: Nodes, agent: ClusterApi, namespace: str, account: str
) -> None:
    with_account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
    ref = ObjectRef(resource=SERVICE_ACCOUNTS, name=account, namespace=namespace)
    nodes.admin.apply(ref, with_account, field_manager="test", force=False)
    with pytest.raises(Forbidden):
        _ask(agent, account, namespace=namespace)
    with pytest.raises(Forbidden):
        token_of(agent, namespace, account, {"expirationSeconds": 600})


def test_an_account_of_the_nodes_name_elsewhere_is_refused_even_with_the_right_to_it(
    nodes: Nodes, agent: ClusterApi
) -> None:
    where = "elsewhere"
    nodes.admin.create(NAMESPACES, {"metadata": {"name": where}})
    nodes.admin.create(SERVICE_ACCOUNTS, {"metadata": {"name": ONE}}, namespace=where)
    _grant(nodes.admin, "tokens-for-agents", AGENTS, [""], ["serviceaccounts/token"])
    await_refusal(
        lambda: _ask(agent, ONE, namespace=where), "may ask for a token of ServiceAccount atoll-nodes/"
    )


def test_a_token_without_a_node_is_worth_nothing(nodes: Nodes) -> None:
    loose = nodes.api("agent anywhere", nodes.admin_token(AGENTS, "atoll-agent"))
    with pytest.raises(Forbidden, match="the agent's own token names no node"):
        _ask(loose, ONE)


def test_nor_is_that_of_a_pod_that_was_never_scheduled(nodes: Nodes) -> None:
    with pytest.raises(Forbidden, match="the agent's own token names no node"):
        _ask(nodes.agent(), ONE)


def test_an_audience_can_be_held_too(nodes: Nodes, agent: ClusterApi) -> None:
    def apply(audiences: list[str]) -> None:
        objects = rendered(nodes.plane, {"agent": {"tokenAudiences": audiences}})
        policy = named(objects, "ValidatingAdmissionPolicy", "atoll-agent-token")
        nodes.plane.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", input=manifest([policy])
        )

    assert _ask(agent, ONE, audiences=["vault"])
    apply(["https://kubernetes.default.svc"])
    try:
        await_refusal(
            lambda: _ask(agent, ONE, audiences=["vault"]),
            "the token must be for the API server: its audiences are https://kubernetes.default.svc",
        )
        assert _ask(agent, ONE)
    finally:
        apply([])


Attempt = Callable[[Api], object]
READS: dict[str, Attempt] = {
    "its own NodeNetwork": lambda api: api.get(_nn(ONE)),
    "its own NodeNetwork in a list": lambda api: api.list(
        NODE_NETWORKS, field_selector=f"metadata.name={ONE}"
    ),
    "its own parts": lambda api: api.get(_part(ONE)),
}


@pytest.mark.parametrize("attempt", READS.values(), ids=READS.keys())
def test_without_the_exchange_an_agent_reads_nothing(agent: ClusterApi, attempt: Attempt) -> None:
    with pytest.raises(Forbidden):
        attempt(agent)


def test_without_the_exchange_an_agent_writes_no_status(agent: ClusterApi) -> None:
    with pytest.raises(Forbidden):
        agent.patch(_nn(ONE), _status(1), subresource="status")


# What a node can do with its token.


def test_a_node_reads_its_own_plan(node: Api) -> None:
    assert json.loads(node.get(_nn(ONE)))["metadata"]["name"] == ONE
    assert json.loads(node.get(_part(ONE)))["metadata"]["name"] == f"{ONE}.0"
    listed: Any = json.loads(node.list(NODE_NETWORKS, field_selector=f"metadata.name={ONE}"))
    assert [item["metadata"]["name"] for item in listed["items"]] == [ONE]


def test_a_node_watches_its_own_plan(node: Api) -> None:
    version = json.loads(node.get(_nn(ONE)))["metadata"]["resourceVersion"]
    with node.watch(
        NODE_NETWORKS, resource_version=version, field_selector=f"metadata.name={ONE}", timeout_seconds=30
    ) as events:
        node.patch(_nn(ONE), _status(41), subresource="status")
        changed: Any = json.loads(next(events))
    assert (changed["type"], changed["object"]["status"]["attachments"]) == ("MODIFIED", 41)


def test_a_node_writes_its_own_status_and_nothing_beside_it(nodes: Nodes, node: Api) -> None:
    before: Any = json.loads(nodes.admin.get(_nn(ONE)))
    everything = {
        **_status(42),
        "spec": {"plan": "", "number": 7},
        "metadata": {
            "labels": {"a": "b"},
            "annotations": {"a": "b"},
            "finalizers": ["example.org/stay"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": ONE, "uid": "1"}],
        },
    }
    node.patch(_nn(ONE), everything, subresource="status")
    after: Any = json.loads(nodes.admin.get(_nn(ONE)))
    for kept in ("labels", "annotations", "finalizers", "ownerReferences", "generation"):
        assert after["metadata"].get(kept) == before["metadata"].get(kept)
    assert after["spec"] == before["spec"]
    assert after["status"]["attachments"] == 42


def _new_part(name: str) -> Json:
    return part_body(name, "AAAA")


def _object(name: str) -> Json:
    return {"apiVersion": "atoll.dev/v1alpha1", "kind": "NodeNetwork", **_labelled(name)}


def _labelled(name: str) -> Json:
    return {"metadata": {"name": name, "labels": {"a": "b"}}}


OTHERS: dict[str, Attempt] = {
    "get another's": lambda api: api.get(_nn(TWO)),
    "get another's part": lambda api: api.get(_part(TWO)),
    "list all": lambda api: api.list(NODE_NETWORKS),
    "list another's": lambda api: api.list(NODE_NETWORKS, field_selector=f"metadata.name={TWO}"),
    "list all but another's": lambda api: api.list(NODE_NETWORKS, field_selector=f"metadata.name!={TWO}"),
    "list by a label": lambda api: api.list(
        NODE_NETWORKS, label_selector="app.kubernetes.io/managed-by=atoll"
    ),
    "list all parts": lambda api: api.list(NODE_NETWORK_PARTS),
    "list another's part": lambda api: api.list(NODE_NETWORK_PARTS, field_selector=f"metadata.name={TWO}.0"),
    "watch all": lambda api: api.watch(NODE_NETWORKS, resource_version="0", timeout_seconds=1),
    "watch another's": lambda api: api.watch(
        NODE_NETWORKS, resource_version="0", field_selector=f"metadata.name={TWO}", timeout_seconds=1
    ),
    "watch all parts": lambda api: api.watch(NODE_NETWORK_PARTS, resource_version="0", timeout_seconds=1),
    "patch another's status": lambda api: api.patch(_nn(TWO), _status(1), subresource="status"),
    "apply another's status": lambda api: api.apply(
        _nn(TWO),
        {**_object(TWO), "status": {"attachments": 1}},
        field_manager="x",
        force=True,
        subresource="status",
    ),
}
OWN: dict[str, Attempt] = {
    "patch its spec": lambda api: api.patch(_nn(ONE), {"spec": {"plan": "AAAA"}}),
    "patch its labels": lambda api: api.patch(_nn(ONE), {"metadata": {"labels": {"a": "b"}}}),
    "replace its status": lambda api: api.replace(
        _nn(ONE), {**_object(ONE), "status": {}}, subresource="status"
    ),
    "replace it": lambda api: api.replace(_nn(ONE), _object(ONE)),
    "apply it": lambda api: api.apply(
        _nn(ONE),
        _object(ONE),
        field_manager="x",
        force=True,
    ),
    "delete it": lambda api: api.delete(_nn(ONE)),
    "patch its part": lambda api: api.patch(_part(ONE), {"spec": {"data": "AAAA"}}),
    "delete its part": lambda api: api.delete(_part(ONE)),
    "create a part": lambda api: api.create(NODE_NETWORK_PARTS, _new_part(f"{ONE}.1")),
    "create a NodeNetwork": lambda api: api.create(NODE_NETWORKS, body_of(node_plan(name="node-3"))[0]),
}
KINDS: tuple[Resource, ...] = (
    SECRETS,
    CONFIG_MAPS,
    PODS,
    SERVICES,
    SERVICE_ACCOUNTS,
    NODES,
    NAMESPACES,
    EVENTS,
    LEASES,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    VIRTUAL_NETWORKS,
    VIRTUAL_NETWORK_ROUTERS,
    CLUSTER_CONFIGS,
    NETWORK_SOURCES,
)


@pytest.mark.parametrize("attempt", [*OTHERS.values(), *OWN.values()], ids=[*OTHERS, *OWN])
def test_a_node_is_refused(node: Api, attempt: Attempt) -> None:
    with pytest.raises(Forbidden):
        attempt(node)


@pytest.mark.parametrize("resource", KINDS, ids=str)
@pytest.mark.parametrize("namespace", [AGENTS, NAMESPACE, NODES_NAMESPACE, "default"])
def test_a_node_is_refused_all_other_kinds(node: Api, resource: Resource, namespace: str) -> None:
    place = namespace if resource.namespaced else ""
    ref = ObjectRef(resource=resource, name="any", namespace=place)
    for attempt in (
        lambda: node.get(ref),
        lambda: node.list(resource, namespace=place),
        lambda: node.create(resource, _labelled("any"), namespace=place),
        lambda: node.patch(ref, {"metadata": {"labels": {"a": "b"}}}),
        lambda: node.delete(ref),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_a_node_gets_no_token_not_even_its_own(node: Api) -> None:
    for name in (ONE, TWO):
        with pytest.raises(Forbidden):
            _ask(node, name)


@pytest.mark.parametrize(
    "who",
    [
        ("--as=admin", "--as-group=system:masters"),
        (f"--as=system:serviceaccount:{NODES_NAMESPACE}:{TWO}",),
        (f"--as=system:node:{ONE}", "--as-group=system:nodes"),
    ],
    ids=["the administrator", "the other node", "its kubelet"],
)
def test_a_node_is_nobody_else(nodes: Nodes, who: tuple[str, ...]) -> None:
    kubeconfig = nodes.plane.bearer("impersonating", nodes.node_token(ONE)())
    with pytest.raises(CommandRefused, match="cannot impersonate"):
        nodes.plane.kubectl(
            "get", "--raw", f"/apis/atoll.dev/v1alpha1/nodenetworks/{TWO}", *who, kubeconfig=kubeconfig
        )


# The policy holds also where somebody has given the nodes' accounts rights that they should not have.


@pytest.fixture
def generous(nodes: Nodes, node: Api) -> Iterator[Api]:
    """The first node, where all nodes have all rights on Atoll's kinds."""
    granted = _grant(nodes.admin, "everything-for-nodes", NODES_NAMESPACE, ["atoll.dev"], ["*"])
    await_refusal(lambda: node.patch(_nn(TWO), _status(1), subresource="status"), "atoll-node-status")
    yield node
    for ref in granted:
        nodes.admin.delete(ref)


def _grant(admin: Api, name: str, namespace: str, groups: list[str], resources: list[str]) -> list[ObjectRef]:
    """To all accounts of a namespace; returns what says so."""
    rule = {"apiGroups": groups, "resources": resources, "verbs": ["*"]}
    admin.create(CLUSTER_ROLES, {"metadata": {"name": name}, "rules": [rule]})
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "Group", "apiGroup": rbac, "name": f"system:serviceaccounts:{namespace}"}],
    }
    admin.create(CLUSTER_ROLE_BINDINGS, binding)
    return [ObjectRef(resource=kind, name=name) for kind in (CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES)]


def test_with_all_rights_a_node_still_writes_its_own_status_only(nodes: Nodes, generous: Api) -> None:
    before = _attachments(nodes.admin, TWO)
    generous.patch(_nn(ONE), _status(43), subresource="status")
    for write in ("patch another's status", "apply another's status"):
        with pytest.raises(Forbidden, match=OTHERS_STATUS):
            OTHERS[write](generous)
    assert _attachments(nodes.admin, TWO) == before
    for write in OWN.keys() - {"replace its status", "replace it"}:
        with pytest.raises(Forbidden, match=STATUS_ONLY):
            OWN[write](generous)


def test_with_all_rights_a_node_still_makes_no_declarations(generous: Api) -> None:
    network = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "VirtualNetwork",
        "metadata": {"name": "own"},
        "spec": {"subnets": ["10.9.0.0/16"]},
    }
    with pytest.raises(Forbidden, match=STATUS_ONLY):
        generous.create(VIRTUAL_NETWORKS, network, namespace="default")


# Ends.


def test_a_node_that_is_removed_and_made_anew_leaves_its_tokens_worthless(nodes: Nodes) -> None:
    name = "node-3"
    for resource, namespace in ((NODES, ""), (SERVICE_ACCOUNTS, NODES_NAMESPACE)):
        nodes.admin.create(resource, {"metadata": {"name": name}}, namespace=namespace)
    api = nodes.api("a node that goes", _ask(nodes.agent(name), name))
    with pytest.raises(Forbidden):
        api.get(_nn(name))
    nodes.admin.delete(ObjectRef(resource=NODES, name=name))
    nodes.admin.create(NODES, {"metadata": {"name": name}})
    _await_unauthorized(api, _nn(name))


def test_a_node_that_the_cluster_no_longer_has_loses_its_account(nodes: Nodes) -> None:
    api = nodes.node(TWO)
    api.get(_nn(TWO))
    token = nodes.admin_token(NAMESPACE, "atoll-controller")
    controller = Identities(nodes.api("the controller", token))
    controller.reconcile([ONE])
    account = ObjectRef(resource=SERVICE_ACCOUNTS, name=TWO, namespace=NODES_NAMESPACE)
    with pytest.raises(NotFound):
        nodes.admin.get(account)
    await_refusal(lambda: api.get(_nn(TWO)), f'serviceaccounts "{TWO}" not found')
    controller.reconcile([ONE, TWO])


def _await_unauthorized(api: Api, ref: ObjectRef) -> None:
    """The API server believes a token that it has seen for some seconds more."""
    await_refusal(lambda: api.get(ref), "401 Unauthorized")
    with pytest.raises(Unauthorized):
        api.get(ref)
