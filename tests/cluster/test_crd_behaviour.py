"""Atoll's kinds on a real API server: what it fills in, keeps, lets two writers share, and holds at most."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

import schemas
from cli.lab.definitions import DEFINITIONS
from kube import kinds
from kube.api import Conflict, Invalid, ObjectRef
from tests.cluster.scene import Cluster
from tests.cluster.test_crds import Candidate, Spec, config, network, router, source

NODE: Spec = {
    "revision": "c0ffee",
    "generation": 1,
    "digest": f"sha256:{'0' * 64}",
    "number": 1,
    "plan": "H4sI",
}
PLAN_LIMIT = 1_000_000


def at_once(cluster: Cluster, candidate: Candidate) -> dict[str, Any]:
    """The object as the server would store it."""
    stored = cluster.api.request_raw("POST", candidate.path, {"dryRun": "All"}, body=candidate.body)
    found: dict[str, Any] = json.loads(stored)
    return found


def created(cluster: Cluster, candidate: Candidate) -> ObjectRef:
    cluster.api.request_raw("POST", candidate.path, body=candidate.body)
    return candidate.ref


def node(**more: object) -> Candidate:
    return Candidate(kind="NodeNetwork", spec={**NODE, **more}, name="node-1")


def applied(cluster: Cluster, candidate: Candidate, *, by: str) -> dict[str, Any]:
    """The object after one manager's server-side apply, without force."""
    found: dict[str, Any] = json.loads(
        cluster.api.apply(candidate.ref, candidate.body, field_manager=by, force=False)
    )
    return found


def with_status(cluster: Cluster, ref: ObjectRef, status: Mapping[str, object], *, by: str) -> dict[str, Any]:
    identity: dict[str, object] = {"name": ref.name}
    if ref.namespace:
        identity["namespace"] = ref.namespace
    body = {
        "apiVersion": ref.resource.api_version,
        "kind": ref.resource.kind,
        "metadata": identity,
        "status": status,
    }
    found: dict[str, Any] = json.loads(
        cluster.api.apply(ref, body, field_manager=by, force=False, subresource="status")
    )
    return found


def condition(of: str, status: str) -> dict[str, object]:
    return {
        "type": of,
        "status": status,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "reason": "Tested",
        "message": "A test says so.",
    }


# --- definitions ---


def test_the_server_keeps_every_definition_word_for_word(cluster: Cluster) -> None:
    """The chart compares them, to say when the cluster's are old."""
    for crd in schemas.crds():
        ref = ObjectRef(resource=DEFINITIONS, name=crd["metadata"]["name"])
        assert json.loads(cluster.api.get(ref))["spec"]["versions"] == crd["spec"]["versions"]


def test_the_server_finds_every_schema_structural(cluster: Cluster) -> None:
    for crd in schemas.crds():
        status = json.loads(cluster.api.get(ObjectRef(resource=DEFINITIONS, name=crd["metadata"]["name"])))
        conditions = {one["type"]: one["status"] for one in status["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}


# --- defaults ---


def test_a_network_has_no_egress_unless_it_says_so(cluster: Cluster) -> None:
    assert at_once(cluster, network())["spec"] == {"subnets": ["10.1.0.0/24"], "egress": "none"}


def test_infrastructure_without_a_list_is_dns_and_the_api(cluster: Cluster) -> None:
    spec = at_once(cluster, network(infrastructure={}))["spec"]
    assert spec["infrastructure"] == {"services": ["dns", "api"]}


def test_a_cluster_has_the_defaults_of_the_reference(cluster: Cluster) -> None:
    given = config(limits={})
    filled_in = {name: value for name, value in at_once(cluster, given)["spec"].items() if name != "limits"}
    assert {name: value for name, value in filled_in.items() if name not in given.spec} == {
        "dns": {"service": "kube-system/kube-dns"},
        "api": {"service": "default/kubernetes"},
        "blockSizeV4": 28,
        "blockSizeV6": 122,
        "numberBase": 1000000,
        "vxlanPort": 14789,
        "mtu": 1500,
        "hostLinksV4": "100.64.0.0/15",
        "hostLinksV6": "fd41:746f:6c6c::/111",
        "confirmDeletionOf": [],
    }
    assert at_once(cluster, given)["spec"]["limits"] == {
        "maxDeletedShare": 0.3,
        "maxNetworksPerNode": 500,
        "addressWarningShare": 0.8,
    }


def test_a_source_asks_each_minute(cluster: Cluster) -> None:
    assert at_once(cluster, source())["spec"] == {
        "url": "https://git.example.org/networks.git",
        "interval": "1m",
        "timeout": "60s",
        "suspend": False,
    }


def test_a_rollout_begins_with_one_node_and_a_quarter(cluster: Cluster) -> None:
    spec = at_once(cluster, source(rollout={}))["spec"]
    assert spec["rollout"] == {"canary": {"count": 1}, "share": "25%", "readyTimeout": "2m"}


# --- two writers ---


def test_another_manager_cannot_add_a_subnet_unnoticed(cluster: Cluster) -> None:
    applied(cluster, network(subnets=["10.1.0.0/24"]), by="git")
    with pytest.raises(Conflict) as refusal:
        applied(cluster, network(subnets=["10.1.0.0/24", "10.2.0.0/24"]), by="someone")
    assert [cause.field for cause in refusal.value.causes] == [".spec.subnets"]


def test_another_manager_cannot_open_infrastructure_unnoticed(cluster: Cluster) -> None:
    applied(cluster, network(infrastructure={"services": ["dns"]}), by="git")
    with pytest.raises(Conflict):
        applied(cluster, network(infrastructure={"services": ["dns", "a/b"]}), by="someone")


def test_another_manager_cannot_confirm_a_deletion_unnoticed(cluster: Cluster) -> None:
    applied(cluster, config(confirmDeletionOf=[]), by="git")
    with pytest.raises(Conflict):
        applied(cluster, config(confirmDeletionOf=["shop/storefront"]), by="someone")


def test_a_place_replaces_the_default_place_whole(cluster: Cluster) -> None:
    applied(cluster, config(), by="git")
    place = {"addresses": ["169.254.20.10"], "ports": [{"protocol": "UDP", "port": 53}]}
    assert applied(cluster, config(dns=place), by="git")["spec"]["dns"] == place


def test_a_tag_replaces_a_branch(cluster: Cluster) -> None:
    applied(cluster, source(ref={"branch": "main"}), by="git")
    assert applied(cluster, source(ref={"tag": "v1"}), by="git")["spec"]["ref"] == {"tag": "v1"}


def test_each_condition_may_have_its_own_writer(cluster: Cluster) -> None:
    ref = created(cluster, network())
    with_status(cluster, ref, {"conditions": [condition("Ready", "True")]}, by="one")
    after = with_status(cluster, ref, {"conditions": [condition("InSync", "False")]}, by="another")
    assert {one["type"] for one in after["status"]["conditions"]} == {"Ready", "InSync"}


# --- what stays ---


def test_the_number_of_a_node_never_changes(cluster: Cluster) -> None:
    ref = created(cluster, node(number=1))
    with pytest.raises(Invalid, match=r"spec\.number: .*never changes, .* delete the object"):
        cluster.api.patch(ref, {"spec": {"number": 2}})


def test_a_deposed_leader_cannot_write_a_plan(cluster: Cluster) -> None:
    applied(cluster, node(epoch=7), by="atoll-controller")
    for older in (node(epoch=6, plan="H4sJ"), node(plan="H4sJ")):
        with pytest.raises(Invalid, match=r"spec\.epoch: .*another controller leads"):
            applied(cluster, older, by="atoll-controller")


def test_a_leader_writes_a_plan_again_and_the_next_one_too(cluster: Cluster) -> None:
    for epoch in (7, 7, 8):
        written = applied(cluster, node(epoch=epoch, plan=f"H4s{epoch}"), by="atoll-controller")
        assert written["spec"]["epoch"] == epoch


def test_all_else_of_a_node_changes(cluster: Cluster) -> None:
    ref = created(cluster, node())
    changed = json.loads(cluster.api.patch(ref, {"spec": {"generation": 2, "plan": "H4sJ"}}))
    assert (changed["spec"]["generation"], changed["metadata"]["generation"]) == (2, 2)


def test_a_status_leaves_the_generation(cluster: Cluster) -> None:
    ref = created(cluster, node())
    status = {"applied": {"revision": "c0ffee", "generation": 1, "at": "2026-01-02T03:04:05Z"}}
    assert with_status(cluster, ref, status, by="agent")["metadata"]["generation"] == 1


# --- selectable fields ---


def test_nodes_are_found_by_what_they_have_applied(cluster: Cluster) -> None:
    ref = created(cluster, node())
    with_status(cluster, ref, {"applied": {"revision": "c0ffee"}}, by="agent")
    found = [
        len(json.loads(cluster.api.list(kinds.NODE_NETWORKS, field_selector=selector))["items"])
        for selector in ("status.applied.revision=c0ffee", "status.applied.revision!=c0ffee")
    ]
    assert found == [1, 0]


# --- the largest ---


def test_a_plan_fills_its_room_and_no_more(cluster: Cluster) -> None:
    assert at_once(cluster, node(plan="x" * PLAN_LIMIT))
    with pytest.raises(Invalid, match=r"spec\.plan: Too long: may not be more than 1000000 bytes"):
        at_once(cluster, node(plan="x" * (PLAN_LIMIT + 1)))


def test_a_part_of_a_plan_is_stored(cluster: Cluster) -> None:
    part = Candidate(kind="NodeNetworkPart", spec={"data": "x" * PLAN_LIMIT}, name="node-1.0")
    stored = json.loads(cluster.api.get(created(cluster, part)))
    assert len(stored["spec"]["data"]) == PLAN_LIMIT


SERVICES = [f"{'n' * 63}/{number:03d}{'s' * 60}" for number in range(256)]
LABELS = {f"{'p' * 100}.example.org/{'l' * 50}{number}": "v" * 60 for number in range(256)}
EXPRESSIONS = [{"key": "a", "operator": "In", "values": ["v"] * 256}] * 64
ADDRESSES = [f"fd09:aaaa:bbbb:cccc:dddd:eeee:fff0:{number:04x}" for number in range(64)]
PORTS = [{"protocol": "TCP", "port": 10000 + number} for number in range(64)]


def longest_ranges(start: str) -> list[str]:
    return [f"{start}:aaaa:bbbb:cccc:dddd:eeee:fff0:{number:02x}00/120" for number in range(64)]


LARGEST = {
    "subnets": network(subnets=longest_ranges("fd01")),
    "services": network(infrastructure={"services": SERVICES}),
    "selector": network(allowedNamespaces={"matchLabels": LABELS, "matchExpressions": EXPRESSIONS}),
    "imports": router(
        **{
            "import": {
                "virtualNetworkRouters": [
                    {
                        "virtualNetworkRouterSelector": {"matchExpressions": EXPRESSIONS[:1] * 8},
                        "namespaceSelector": {"matchLabels": {f"l{n}": "v" for n in range(16)}},
                    }
                ]
                * 256
            }
        }
    ),
    "cluster": config(
        podRanges=longest_ranges("fd01"),
        serviceRanges=longest_ranges("fd02"),
        nodeRanges=longest_ranges("fd03"),
        dns={"addresses": ADDRESSES, "ports": PORTS},
        api={"addresses": ADDRESSES, "ports": PORTS},
        confirmDeletionOf=[f"namespace-{number}/name-{number}" for number in range(10_000)],
    ),
}


@pytest.mark.parametrize("largest", LARGEST)
def test_the_largest_object_stays_within_what_rules_may_cost(cluster: Cluster, largest: str) -> None:
    """The server gives up on an object whose rules cost more than its budget, good or not."""
    assert at_once(cluster, LARGEST[largest])["spec"]
