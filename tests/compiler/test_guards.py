"""Deletions: which are refused, and what confirms them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network

from compiler.allocations import Allocations, NetworkAllocation
from compiler.guards import guard_deletions
from compiler.inventory import Inventory, Namespace, Pod
from compiler.model import Declarations, Limits
from compiler.names import NetworkNumber, NodeName
from compiler.problem import Origin
from tests.compiler.declared import cluster_config, declarations, name, network

NODE = NodeName("node-1")


def numbered(*networks: str) -> Allocations:
    return Allocations(
        networks={
            name(network): NetworkAllocation(
                number=NetworkNumber(index), blocks={ip_network(f"10.{index}.0.0/28"): NODE}
            )
            for index, network in enumerate(networks, start=1)
        }
    )


def declaring(*networks: str, confirmed: Iterable[str] = (), share: float = 0.3) -> Declarations:
    config = replace(
        cluster_config(),
        confirm_deletion_of=tuple(map(name, confirmed)),
        limits=Limits(max_deleted_share=share),
    )
    return replace(declarations(*(network(one, "10.1.0.0/24") for one in networks)), config=config)


def found(declared: Declarations, before: Allocations, *pods: Pod, **home: str) -> list[str]:
    inventory = Inventory(
        namespaces={space: Namespace(name=space, labels={}, network=text) for space, text in home.items()},
        pods={pod.name: pod for pod in pods},
    )
    return [str(problem) for problem in guard_deletions(declared, before, inventory)]


def pod(text: str, network: str | None = None, *addresses: str, node: NodeName | None = NODE) -> Pod:
    return Pod(
        name=name(text), uid="1", node=node, network=network, addresses=tuple(map(ip_address, addresses))
    )


TEN = tuple(f"n{i}" for i in range(10))


def test_one_network_may_always_go() -> None:
    assert found(declaring("blue"), numbered("red", "blue")) == []


def test_as_many_as_the_share_may_go() -> None:
    assert found(declaring(*TEN[3:]), numbered(*TEN)) == []


def test_more_than_the_share_is_refused() -> None:
    assert found(declaring(*TEN[4:]), numbered(*TEN)) == [
        "cluster.yaml:1:0: error ATL601: 4 VirtualNetworks: the commit deletes 4 of 10 networks, more than "
        "the share 0.3 that limits.maxDeletedShare allows: team-a/n0, team-a/n1, team-a/n2, team-a/n3. "
        "Restore them, or name them in spec.confirmDeletionOf of the ClusterConfig in the same commit."
    ]


def test_the_message_names_few() -> None:
    (problem,) = found(declaring(), numbered(*TEN))
    assert "team-a/n3, team-a/n4 and 5 more" in problem


def test_confirmed_deletions_do_not_count() -> None:
    assert found(declaring(*TEN[4:], confirmed=TEN[:1]), numbered(*TEN)) == []


def test_networks_deleted_earlier_do_not_count() -> None:
    before = numbered(*TEN)
    gone = {one: replace(entry, retired_in=1) for one, entry in before.networks.items()}
    assert found(declaring(), replace(before, networks=gone)) == []


def test_a_network_that_a_pod_names_is_refused() -> None:
    assert found(declaring("blue"), numbered("red", "blue"), pod("web", "red")) == [
        "cluster.yaml:1:0: error ATL602: VirtualNetwork team-a/red: the commit deletes it while 1 pod uses "
        "it: team-a/web. Restore it, move its pods first, or add team-a/red to spec.confirmDeletionOf of "
        "the ClusterConfig in the same commit."
    ]


def test_a_pod_uses_the_network_that_its_namespace_names() -> None:
    users = found(declaring("blue"), numbered("red", "blue"), pod("other/web"), other="team-a/red")
    assert ["1 pod uses it: other/web" in problem for problem in users] == [True]


def test_a_running_pod_uses_the_network_that_its_address_is_of() -> None:
    users = found(declaring("blue"), numbered("red", "blue"), pod("web", "blue", "10.1.0.4"))
    assert ["1 pod uses it: team-a/web" in problem for problem in users] == [True]


def test_an_address_on_another_node_says_nothing() -> None:
    elsewhere = pod("web", "blue", "10.1.0.4", node=NodeName("node-2"))
    assert found(declaring("blue"), numbered("red", "blue"), elsewhere) == []


def test_a_pod_that_is_not_bound_uses_nothing() -> None:
    assert found(declaring("blue"), numbered("red", "blue"), pod("web", "red", node=None)) == []


def test_confirming_lets_pods_lose_their_network() -> None:
    assert found(declaring("blue", confirmed=["red"]), numbered("red", "blue"), pod("web", "red")) == []


def test_confirming_what_is_declared_is_left_to_parsing() -> None:
    assert found(declaring("red", confirmed=["red"]), numbered("red")) == []


def test_confirming_what_never_was_is_reported() -> None:
    (problem,) = found(declaring("red", confirmed=["rde"]), numbered("red"))
    assert "ClusterConfig confirmDeletionOf team-a/rde: there is no such network" in problem


def test_a_refused_deletion_points_to_the_list_that_would_confirm_it() -> None:
    written = declaring(*TEN[5:])
    confirming, limiting = (Origin(path="cluster.yaml", line=line) for line in (9, 7))
    for deletions, limits, line in ((confirming, limiting, 9), (None, limiting, 7), (None, None, 1)):
        config = replace(written.config, deletions_origin=deletions, limits_origin=limits)
        declared = replace(written, config=config)
        (problem,) = guard_deletions(declared, numbered(*TEN), Inventory())
        assert (problem.code, problem.origin) == ("ATL601", Origin(path="cluster.yaml", line=line))


def test_a_confirmation_may_stay_after_its_deletion() -> None:
    gone = {name("red"): NetworkAllocation(number=NetworkNumber(1), retired_in=1)}
    assert found(declaring(confirmed=["red"]), Allocations(networks=gone)) == []
