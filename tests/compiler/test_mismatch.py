"""The cluster against the ClusterConfig: one warning for each rule, however many nodes break it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from compiler.change import Change
from compiler.compilation import Compilation, compile, recompile
from compiler.inventory import Inventory, Node
from compiler.names import NodeName
from compiler.problem import Origin
from tests.compiler.declared import declarations, network
from tests.compiler.small_cluster import NODES, RED, TWO, cluster, compiled, service


def node(text: str, *addresses: str, external: str | None = None, pods: str | None = None) -> Node:
    extra = () if external is None else (ip_address(external),)
    return Node(
        name=NodeName(text),
        addresses=(*map(ip_address, addresses), *extra),
        external=frozenset(extra),
        pod_ranges=() if pods is None else (ip_network(pods),),
    )


def of(*nodes: Node) -> Inventory:
    return replace(cluster(), nodes={one.name: one for one in nodes})


def told(compilation: Compilation, *codes: str) -> list[tuple[str, str, str]]:
    return [(p.code, p.subject, p.reason) for p in compilation.problems if p.code in codes]


ALL = ("ATL758", "ATL759", "ATL760", "ATL761", "ATL762", "ATL763")


def test_a_cluster_as_declared_gives_no_warning() -> None:
    good = node("a", "192.0.2.1", "2001:db8::1", external="203.0.113.1", pods="10.244.3.0/24")
    assert told(compiled(TWO, of(good)), *ALL) == []


def test_node_addresses_outside_the_node_ranges_are_counted_and_three_are_named() -> None:
    thousand = [node(f"n{i:03}", f"198.51.{i // 250}.{i % 250 + 1}") for i in range(1000)]
    assert told(compiled(TWO, of(*thousand)), *ALL) == [
        (
            "ATL758",
            "ClusterConfig",
            "its nodeRanges do not hold 1000 addresses of nodes: n000 at 198.51.0.1, n001 at 198.51.0.2, "
            "n002 at 198.51.0.3 and 997 more",
        )
    ]


def test_an_external_address_may_be_anywhere() -> None:
    assert told(compiled(TWO, of(node("a", "192.0.2.1", external="203.0.113.1"))), *ALL) == []


def test_two_nodes_with_one_address() -> None:
    twins = compiled(TWO, of(node("a", "192.0.2.1"), node("b", "192.0.2.1"), node("c", "192.0.2.3")))
    assert told(twins, *ALL) == [("ATL759", "Nodes", "1 address is of two nodes or more: 192.0.2.1 of a, b")]


def test_a_node_address_in_another_range_of_the_cluster() -> None:
    inside = compiled(TWO, of(node("a", "192.0.2.1", external="100.64.0.9"), node("b", "10.96.0.2")))
    assert told(inside, "ATL760") == [
        ("ATL760", "ClusterConfig", "its host-link ranges hold 1 address of nodes: a at 100.64.0.9"),
        ("ATL760", "ClusterConfig", "its serviceRanges hold 1 address of nodes: b at 10.96.0.2"),
    ]


def test_a_pod_range_of_a_node_outside_the_pod_ranges() -> None:
    outside = compiled(TWO, of(node("a", "192.0.2.1", pods="10.244.0.0/15")))
    assert told(outside, *ALL) == [
        ("ATL761", "ClusterConfig", "its podRanges do not hold 1 range of nodes: 10.244.0.0/15 of a")
    ]


def test_a_node_address_inside_a_network_is_told_at_the_subnet() -> None:
    taken = declarations(RED, network("wide", "198.51.0.0/16", line=7))
    inside = compiled(taken, of(node("a", "192.0.2.1"), node("b", "198.51.100.7")))
    assert told(inside, "ATL762") == [
        (
            "ATL762",
            "VirtualNetwork team-a/wide",
            "its subnet 198.51.0.0/16 holds 1 address of nodes: b at 198.51.100.7",
        )
    ]
    assert [p.origin for p in inside.problems if p.code == "ATL762"] == [Origin(path="networks.yaml", line=7)]


def test_a_service_address_outside_the_service_ranges() -> None:
    web, slices = service("web", 1)
    far = replace(web, cluster_addresses=(ip_address("10.97.0.1"),))
    outside = compiled(TWO, cluster(services=[far], slices=[slices]))
    assert told(outside, *ALL) == [
        (
            "ATL763",
            "ClusterConfig",
            "its serviceRanges do not hold 1 address of Services: team-a/web at 10.97.0.1",
        )
    ]
    assert told(recompile(outside, Change(services={web.name: web})), *ALL) == []


def test_warnings_follow_the_nodes_and_the_place_of_the_configuration() -> None:
    far = node(NODES[0], "198.51.100.7", pods="10.250.0.0/24")
    first = compiled(declarations(network("wide", "198.51.0.0/16")), of(far))
    assert [code for code, _, _ in told(first, *ALL)] == ["ATL758", "ATL761", "ATL762"]
    moved = replace(TWO, config=replace(TWO.config, origin=Origin(path="moved.yaml", line=3)))
    second = recompile(
        first, Change(declarations=replace(moved, networks=first.inputs.declarations.networks))
    )
    scratch = compile(second.inputs.declarations, second.inputs.inventory, first.allocations)
    assert second.problems == scratch.problems
    assert {p.origin.path for p in second.problems if p.origin and p.code == "ATL758"} == {"moved.yaml"}
    third = recompile(second, Change(nodes={far.name: node(NODES[0], "192.0.2.1")}))
    assert told(third, *ALL) == []
