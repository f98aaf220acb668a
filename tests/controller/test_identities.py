"""Nodes' accounts and rights, simulated; tests/cluster/test_agent_rights.py tries to break the real ones."""

from __future__ import annotations

import json

import pytest

from compiler.names import NodeName
from controller.cluster.identities import (
    NAMESPACE,
    Delete,
    Identities,
    IdentitiesFailed,
    Put,
    identities_for,
    meaning,
)
from kube.api import Forbidden, Json, NotFound, ObjectRef, Unreachable
from kube.fake import FakeApi
from kube.kinds import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, NAMESPACES, SERVICE_ACCOUNTS

A, B = NodeName("node-a"), NodeName("node-b.example.org")


def _account(node: str) -> ObjectRef:
    return ObjectRef(resource=SERVICE_ACCOUNTS, name=node, namespace=NAMESPACE)


def _role(node: str) -> ObjectRef:
    return ObjectRef(resource=CLUSTER_ROLES, name=f"atoll:node:{node}")


def _binding(node: str) -> ObjectRef:
    return ObjectRef(resource=CLUSTER_ROLE_BINDINGS, name=f"atoll:node:{node}")


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    api.requests.clear()
    return api


def _writes(api: FakeApi) -> list[str]:
    return sorted(request for request in api.requests if not request.startswith(("GET", "LIST")))


def _held(api: FakeApi, ref: ObjectRef) -> dict[str, object]:
    found = json.loads(api.get(ref))
    assert isinstance(found, dict)
    return found


def _exists(api: FakeApi, ref: ObjectRef) -> bool:
    try:
        api.get(ref)
    except NotFound:
        return False
    return True


def test_a_new_node_needs_account_role_and_then_binding() -> None:
    assert [str(action) for action in identities_for([A], {})] == [
        "put serviceaccounts atoll-nodes/node-a",
        "put clusterroles.rbac.authorization.k8s.io atoll:node:node-a",
        "put clusterrolebindings.rbac.authorization.k8s.io atoll:node:node-a",
    ]


def test_a_node_may_read_its_own_network_and_parts_and_write_its_status() -> None:
    (role,) = (action for action in identities_for([A], {}) if action.ref == _role(A))
    assert isinstance(role, Put)
    assert role.body["rules"] == [
        {
            "apiGroups": ["atoll.dev"],
            "resources": ["nodenetworks"],
            "resourceNames": ["node-a"],
            "verbs": ["get", "list", "watch"],
        },
        {
            "apiGroups": ["atoll.dev"],
            "resources": ["nodenetworks/status"],
            "resourceNames": ["node-a"],
            "verbs": ["patch"],
        },
        {
            "apiGroups": ["atoll.dev"],
            "resources": ["nodenetworkparts"],
            "resourceNames": [
                "node-a.0",
                "node-a.1",
                "node-a.2",
                "node-a.3",
                "node-a.4",
                "node-a.5",
                "node-a.6",
                "node-a.7",
                "node-a.8",
                "node-a.9",
                "node-a.10",
                "node-a.11",
                "node-a.12",
                "node-a.13",
                "node-a.14",
                "node-a.15",
            ],
            "verbs": ["get"],
        },
    ]


def test_what_stands_as_it_should_needs_nothing() -> None:
    standing = {
        action.ref: meaning(action.body) for action in identities_for([A, B], {}) if isinstance(action, Put)
    }
    assert identities_for([B, A], standing) == ()


def test_a_node_that_is_gone_loses_all_three() -> None:
    standing: dict[ObjectRef, Json] = {ref: {} for ref in (_account(A), _role(A), _binding(A))}
    assert {action.ref for action in identities_for([], standing)} == standing.keys()
    assert all(isinstance(action, Delete) for action in identities_for([], standing))


def test_a_binding_that_leads_elsewhere_is_deleted_and_made_again() -> None:
    standing = {
        action.ref: meaning(action.body) for action in identities_for([A], {}) if isinstance(action, Put)
    }
    standing[_binding(A)] = {
        **standing[_binding(A)],
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
    }
    assert [str(action) for action in identities_for([A], standing)] == [
        "delete clusterrolebindings.rbac.authorization.k8s.io atoll:node:node-a",
        "put clusterrolebindings.rbac.authorization.k8s.io atoll:node:node-a",
    ]


def test_identities_are_made_labelled_and_named_after_their_node(api: FakeApi) -> None:
    Identities(api).reconcile([A, B])
    assert _held(api, _binding(B))["subjects"] == [
        {"kind": "ServiceAccount", "name": "node-b.example.org", "namespace": "atoll-nodes"}
    ]
    for ref in (_account(B), _role(B), _binding(B)):
        metadata = _held(api, ref)["metadata"]
        assert isinstance(metadata, dict)
        assert metadata["labels"] == {"app.kubernetes.io/managed-by": "atoll"}
        assert metadata["annotations"] == {"atoll.dev/node": "node-b.example.org"}


def test_a_second_time_nothing_is_asked(api: FakeApi) -> None:
    identities = Identities(api)
    identities.reconcile([A, B])
    api.requests.clear()
    identities.reconcile([B, A])
    assert api.requests == []


def test_one_more_node_costs_its_own_three_writes(api: FakeApi) -> None:
    identities = Identities(api)
    identities.reconcile([A])
    api.requests.clear()
    identities.reconcile([A, B])
    assert sorted(api.requests) == [
        "APPLY clusterrolebindings.rbac.authorization.k8s.io atoll:node:node-b.example.org",
        "APPLY clusterroles.rbac.authorization.k8s.io atoll:node:node-b.example.org",
        "APPLY serviceaccounts atoll-nodes/node-b.example.org",
    ]


def test_another_leader_finds_what_stands_and_writes_nothing(api: FakeApi) -> None:
    Identities(api).reconcile([A, B])
    api.requests.clear()
    Identities(api).reconcile([A, B])
    assert _writes(api) == []


def test_a_node_that_went_while_nobody_led_is_cleared_away(api: FakeApi) -> None:
    Identities(api).reconcile([A, B])
    Identities(api).reconcile([A])
    assert [_exists(api, ref) for ref in (_account(B), _role(B), _binding(B))] == [False, False, False]
    assert [_exists(api, ref) for ref in (_account(A), _role(A), _binding(A))] == [True, True, True]


def test_objects_of_others_stay(api: FakeApi) -> None:
    api.create(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace=NAMESPACE)
    api.create(
        CLUSTER_ROLES,
        {"metadata": {"name": "elsewhere", "labels": {"app.kubernetes.io/managed-by": "atoll"}}, "rules": []},
    )
    Identities(api).reconcile([])
    assert _writes(api) == [
        "POST clusterroles.rbac.authorization.k8s.io",
        "POST serviceaccounts atoll-nodes",
    ]


def test_rights_that_another_hand_widened_are_what_they_were(api: FakeApi) -> None:
    Identities(api).reconcile([A])
    before = _held(api, _role(A))["rules"]
    api.beside("kubectl").patch(
        _role(A), {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
    )
    Identities(api).reconcile([A])
    assert _held(api, _role(A))["rules"] == before


def test_one_that_fails_stops_no_other_and_is_named(api: FakeApi) -> None:
    def admission(verb: str, ref: ObjectRef, body: object) -> None:
        if ref == _account(A):
            raise Forbidden("exceeded quota", status=403, reason="Forbidden")

    api.server.admission.append(admission)
    identities = Identities(api)
    with pytest.raises(IdentitiesFailed) as caught:
        identities.reconcile([A, B])
    assert str(caught.value) == "put serviceaccounts atoll-nodes/node-a: 403 Forbidden: exceeded quota"
    assert _exists(api, _binding(B))
    api.server.admission.clear()
    api.requests.clear()
    identities.reconcile([A, B])
    assert api.requests == ["APPLY serviceaccounts atoll-nodes/node-a"]


def test_after_an_answer_was_lost_what_stands_is_listed_again(api: FakeApi) -> None:
    identities = Identities(api)
    api.lost_answers = 1
    with pytest.raises(IdentitiesFailed):
        identities.reconcile([A])
    api.requests.clear()
    identities.reconcile([A])
    assert [request for request in api.requests if request.startswith("LIST")] == [
        "LIST serviceaccounts atoll-nodes",
        "LIST clusterroles.rbac.authorization.k8s.io",
        "LIST clusterrolebindings.rbac.authorization.k8s.io",
    ]
    assert all(_exists(api, ref) for ref in (_account(A), _role(A), _binding(A)))


def test_an_outage_is_told_and_the_next_call_does_the_work(api: FakeApi) -> None:
    identities = Identities(api)
    api.outage = True
    with pytest.raises(Unreachable):
        identities.reconcile([A])
    api.outage = False
    identities.reconcile([A])
    assert _exists(api, _binding(A))


def test_a_binding_waits_until_the_server_knows_its_role(api: FakeApi) -> None:
    slept: list[float] = []

    def admission(verb: str, ref: ObjectRef, body: object) -> None:
        if ref == _binding(A) and len(slept) < 2:
            raise NotFound(f'clusterroles.rbac.authorization.k8s.io "{ref.name}" not found', status=404)

    api.server.admission.append(admission)
    Identities(api, sleep=slept.append).reconcile([A])
    assert slept == [0.1, 0.1]
    assert _exists(api, _binding(A))


def test_more_nodes_than_a_page_holds_are_all_found(api: FakeApi) -> None:
    nodes = [NodeName(f"node-{number}") for number in range(501)]
    Identities(api).reconcile(nodes)
    Identities(api).reconcile(nodes[1:])
    assert not _exists(api, _role("node-0"))
    api.requests.clear()
    Identities(api).reconcile(nodes[1:])
    assert _writes(api) == []
