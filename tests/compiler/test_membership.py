"""Which network a pod joins, why it must wait, and where a running pod really is."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from compiler.inventory import Namespace, Pod
from compiler.membership import DEFAULT, Membership, join, settle
from compiler.model import LabelSelector
from compiler.names import NodeName, ObjectName
from compiler.problem import Problem
from tests.compiler.declared import EVERYTHING, name, network, where

NETWORKS = {
    one.name: one
    for one in (
        network("team-a/red", "10.1.0.0/24"),
        network("team-b/open", "10.2.0.0/24", allowed=where(team="a")),
        network("team-b/closed", "10.3.0.0/24"),
        network("team-b/everybody", "10.4.0.0/24", allowed=EVERYTHING),
        network("team-b/by-name", "10.5.0.0/24", allowed=where(**{"kubernetes.io/metadata.name": "team-a"})),
    )
}


def pod(annotation: str | None = None, *addresses: str, space: str = "team-a") -> Pod:
    return Pod(
        name=ObjectName(namespace=space, name="web"),
        uid="1",
        node=NodeName("node-1"),
        network=annotation,
        addresses=tuple(map(ip_address, addresses)),
    )


def joins(one: Pod, *, of_namespace: str | None = None, labels: dict[str, str] | None = None) -> Membership:
    space = one.name.namespace
    known = {space: Namespace(name=space, labels=labels or {}, network=of_namespace)}
    return join(one, known, NETWORKS)


@pytest.mark.parametrize(
    ("annotation", "of_namespace", "expected"),
    [
        (None, None, "the default network"),
        ("red", None, "network team-a/red"),
        ("team-a/red", None, "network team-a/red"),
        (None, "red", "network team-a/red"),
        (None, "team-b/everybody", "network team-b/everybody"),
        ("red", "team-b/everybody", "network team-a/red"),
    ],
)
def test_the_pods_annotation_counts_before_its_namespaces(
    annotation: str | None, of_namespace: str | None, expected: str
) -> None:
    assert str(joins(pod(annotation), of_namespace=of_namespace)) == expected


def test_a_network_of_the_own_namespace_needs_no_permission_and_no_inventory_of_namespaces() -> None:
    assert join(pod("red"), {}, NETWORKS) == Membership(network=name("team-a/red"))


@pytest.mark.parametrize(
    ("annotation", "labels", "permitted"),
    [
        ("team-b/open", {"team": "a"}, True),
        ("team-b/open", {"team": "c"}, False),
        ("team-b/open", {}, False),
        ("team-b/closed", {"team": "a"}, False),
        ("team-b/everybody", {}, True),
        ("team-b/by-name", {}, True),
        ("team-b/by-name", {"kubernetes.io/metadata.name": "another"}, True),
    ],
)
def test_another_namespaces_network_admits_by_the_labels_of_the_pods_namespace(
    annotation: str, labels: dict[str, str], permitted: bool
) -> None:
    membership = joins(pod(annotation), labels=labels)
    assert (membership.network is not None) == permitted
    assert (membership.refusal is None) == permitted


def test_a_claimed_name_label_admits_nobody() -> None:
    stranger = pod("team-b/by-name", space="stranger")
    assert joins(stranger, labels={"kubernetes.io/metadata.name": "team-a"}).refusal is not None


def refusal(membership: Membership) -> str:
    assert membership.network is None
    assert not membership.is_default
    return str(membership.refusal)


def test_an_unknown_network_makes_the_pod_wait() -> None:
    assert refusal(joins(pod("rde"))) == (
        "its annotation names network team-a/rde, which is not declared. "
        "Declare VirtualNetwork team-a/rde, or correct the annotation."
    )


def test_a_network_that_does_not_admit_the_namespace_makes_the_pod_wait() -> None:
    assert refusal(joins(pod(), of_namespace="team-b/closed")) == (
        "the annotation of namespace team-a names network team-b/closed, whose allowedNamespaces does not "
        "admit namespace team-a. Let spec.allowedNamespaces of VirtualNetwork team-b/closed match the labels "
        "of namespace team-a, or choose a network of the pod's own namespace."
    )


@pytest.mark.parametrize(
    "text", ["", "/", "a/", "/red", "a/b/c", "Red", "red ", "team_a/red", "x" * 300, "é", "a\nb"]
)
def test_a_malformed_annotation_makes_the_pod_wait_and_never_means_the_default_network(text: str) -> None:
    assert refusal(joins(pod(text))) == (
        f"its annotation {text[:100]!a} is not a network's name. "
        "Write <name> or <namespace>/<name> of a VirtualNetwork."
    )


def test_a_pod_whose_namespace_is_not_in_the_inventory_waits() -> None:
    assert refusal(join(pod(), {}, NETWORKS)) == (
        "its namespace team-a is not in the inventory, which may choose a network for it. "
        "Take the inventory again, with namespaces."
    )


RED = Membership(network=name("team-a/red"))
POD_RANGES = (ip_network("10.244.0.0/16"), ip_network("fd00:244::/48"))
RED_SUBNETS = (ip_network("10.1.0.0/24"),)


def settled(one: Pod, chosen: Membership, *, owner: str | None = None) -> tuple[Membership, Problem | None]:
    return settle(
        one,
        chosen,
        owner=name(owner) if owner else None,
        subnets=RED_SUBNETS if chosen == RED else (),
        pod_ranges=POD_RANGES,
    )


@pytest.mark.parametrize("chosen", [DEFAULT, RED, joins(pod("rde"))])
def test_a_pod_without_an_address_gets_what_it_chose(chosen: Membership) -> None:
    assert settled(pod(), chosen) == (chosen, None)


def test_a_running_pod_on_the_network_that_it_names_is_no_problem() -> None:
    assert settled(pod("red", "10.1.0.7"), RED, owner="team-a/red") == (RED, None)
    assert settled(pod("red", "10.1.0.7"), RED) == (RED, None)
    assert settled(pod(None, "10.244.3.7"), DEFAULT) == (DEFAULT, None)


def test_a_changed_annotation_moves_no_running_pod() -> None:
    membership, problem = settled(pod("red", "10.9.0.7"), RED, owner="team-a/blue")
    assert membership == Membership(network=name("team-a/blue"))
    assert str(problem) == (
        "warning ATL316: Pod team-a/web: it runs on network team-a/blue with address 10.9.0.7, but it would "
        "now join network team-a/red. A running pod keeps its network: delete it so that it starts again on "
        "network team-a/red, or restore the annotation."
    )


def test_an_annotation_added_later_leaves_a_running_pod_on_the_default_network() -> None:
    membership, problem = settled(pod("red", "10.244.3.7", "fd00:244::7"), RED)
    assert membership == DEFAULT
    assert problem is not None
    assert problem.reason == (
        "it runs on the default network with address 10.244.3.7, but it would now join network team-a/red"
    )


def test_an_annotation_taken_away_leaves_a_running_pod_on_its_network() -> None:
    membership, problem = settled(pod(None, "10.1.0.7"), DEFAULT, owner="team-a/red")
    assert membership == RED
    assert problem is not None


def test_a_permission_withdrawn_leaves_a_running_pod_on_its_network_and_says_what_it_would_meet() -> None:
    membership, problem = settled(pod("rde", "10.1.0.7"), joins(pod("rde")), owner="team-a/red")
    assert membership == RED
    assert problem is not None
    assert f"{problem.reason}. {problem.remedy}." == (
        "it runs on network team-a/red with address 10.1.0.7, and could not start now: its annotation names "
        "network team-a/rde, which is not declared. A running pod keeps its network; before it starts again: "
        "Declare VirtualNetwork team-a/rde, or correct the annotation."
    )


def test_an_address_that_nothing_explains_is_reported() -> None:
    membership, problem = settled(pod("red", "172.16.0.7"), RED)
    assert membership == RED
    assert problem is not None
    assert problem.reason == (
        "it reports address 172.16.0.7, which is not of network team-a/red, the one it names"
    )


def test_the_empty_selector_admits_every_namespace() -> None:
    assert LabelSelector() == EVERYTHING
    assert joins(pod("team-b/everybody", space="anyone")).network == name("team-b/everybody")
