"""What is in a node's plan: networks, nodes, pods and Services, as far as the node needs them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from compiler.change import Change
from compiler.compilation import recompile
from compiler.inventory import Node
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, NodeNumber
from compiler.plan import NodePlan, PodBinding, Presence, RemoteNode
from compiler.planning import remote_table, remotes_in
from tests.compiler.declared import declarations, name, network
from tests.compiler.small_cluster import (
    BLUE,
    BLUE_POD,
    MESH,
    NODES,
    PLAIN_POD,
    RED,
    RED_POD,
    TWO,
    cluster,
    compiled,
    plan,
    pod,
    served,
    service,
)


def held(plan: NodePlan) -> dict[str, Presence]:
    return {str(one.name): one.presence for one in plan.networks}


# --- plans ---------------------------------------------------------------------------------------


def test_a_node_without_pods_has_a_plan_too() -> None:
    plans = compiled(TWO, cluster(pod("web", "red", 1))).plans
    assert sorted(plans) == ["node-1", "node-2"]
    assert plans[NODES[1]].networks == ()


def test_a_network_is_present_where_its_pods_are_and_carried_where_its_peers_are() -> None:
    joined = declarations(RED, BLUE, MESH)
    compilation = compiled(joined, cluster(pod("web", "red", 1), pod("db", "blue", 2)))
    assert held(plan(compilation, 1)) == {"team-a/red": "present", "team-a/blue": "carried"}
    assert held(plan(compilation, 2)) == {"team-a/red": "carried", "team-a/blue": "present"}


def test_networks_that_may_not_talk_stay_on_their_own_nodes() -> None:
    compilation = compiled(TWO, cluster(pod("web", "red", 1), pod("db", "blue", 2)))
    assert held(plan(compilation, 1)) == {"team-a/red": "present"}
    assert plan(compilation, 1).remotes == ()


def test_a_present_network_is_one_shared_value() -> None:
    compilation = compiled(TWO, cluster(pod("web", "red", 1), pod("app", "red", 2)))
    assert plan(compilation, 1).networks[0] is plan(compilation, 2).networks[0]


def test_carried_networks_keep_only_the_present_ones_among_their_peers() -> None:
    joined = declarations(RED, BLUE, network("violet", "10.3.0.0/24"), MESH)
    compilation = compiled(joined, cluster(pod("web", "red", 1), pod("db", "blue", 2)))
    peers = {str(one.name): len(one.peers) for one in plan(compilation, 1).networks}
    assert peers == {"team-a/red": 2, "team-a/blue": 1, "team-a/violet": 1}


def test_blocks_come_by_node_and_address() -> None:
    compilation = compiled(TWO, cluster(pod("web", "red", 2), pod("app", "red", 1)))
    (red,) = plan(compilation, 1).networks
    assert [(str(block.prefix), block.node) for block in red.blocks] == [
        ("10.1.0.0/28", 1),
        ("10.1.0.16/28", 2),
    ]


def test_the_zone_is_the_smallest_number_of_the_routing_domain() -> None:
    joined = declarations(RED, BLUE, MESH)
    compilation = compiled(joined, cluster(pod("web", "red", 1)))
    assert {(str(one.name), one.zone) for one in plan(compilation, 1).networks} == {
        ("team-a/blue", 1),
        ("team-a/red", 1),
    }


def test_pods_are_bound_to_their_network_the_default_network_or_nothing() -> None:
    inventory = cluster(pod("a-web", "red"), pod("b-plain", None), pod("c-lost", "rde"))
    assert plan(compiled(TWO, inventory), 1).pods == (
        PodBinding(name=name("a-web"), uid="uid-a-web", network=NetworkNumber(2)),
        PodBinding(name=name("b-plain"), uid="uid-b-plain", network=DEFAULT_NETWORK),
        PodBinding(
            name=name("c-lost"),
            uid="uid-c-lost",
            network=None,
            refusal="its annotation names network team-a/rde, which is not declared. Declare VirtualNetwork "
            "team-a/rde, or correct the annotation.",
        ),
    )


def test_a_running_pod_stays_on_the_network_that_its_address_is_of() -> None:
    first = compiled(TWO, cluster(pod("web", "red", 1)))
    moved = recompile(first, Change(pods={name("web"): pod("web", "blue", 1, "10.1.0.1")}))
    assert [binding.network for binding in plan(moved, 1).pods] == [first.numbers[RED.name]]
    assert [(problem.code, problem.subject) for problem in moved.problems if problem.code == "ATL316"] == [
        ("ATL316", "Pod team-a/web")
    ]


def test_a_node_without_an_address_is_reported_and_takes_no_part() -> None:
    inventory = cluster(pod("web", "red", 1), pod("app", "red", 2))
    nodes = {**inventory.nodes, NODES[1]: Node(name=NODES[1], addresses=())}
    compilation = compiled(TWO, replace(inventory, nodes=nodes))
    assert list(compilation.plans) == ["node-1"]
    assert plan(compilation, 1).remotes == ()
    assert "Node node-2" in {problem.subject for problem in compilation.problems if problem.code == "ATL755"}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("192.0.2.1 2001:db8::1", "192.0.2.2 2001:db8::2", "192.0.2.1"),
        ("2001:db8::1 192.0.2.1", "192.0.2.2", "192.0.2.1"),
        ("192.0.2.1 2001:db8::1", "2001:db8::2", "2001:db8::1"),
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "2001:db8::2", "192.0.2.1"),
    ],
)
def test_the_underlay_is_of_one_family(first: str, second: str, expected: str) -> None:
    nodes = {
        node: Node(name=node, addresses=tuple(map(ip_address, text.split())))
        for node, text in zip(NODES, (first, second), strict=False)
    }
    compilation = compiled(TWO, replace(cluster(), nodes=nodes))
    assert str(plan(compilation, 1).address) == expected


# --- services ------------------------------------------------------------------------------------


def backends(plan: NodePlan) -> dict[str, list[tuple[str, int]]]:
    return {
        str(one.name): [(str(backend.address), backend.network) for backend in one.backends]
        for one in plan.services
    }


def test_a_node_knows_the_services_of_the_networks_that_it_sees() -> None:
    shop, store = service("shop", 1, RED_POD), service("store", 2, BLUE_POD)
    apart = served(TWO, shop, store, pods=[RED_POD, BLUE_POD])
    assert backends(plan(apart, 1)) == {"team-a/shop": [("10.1.0.1", 2)]}
    joined = served(declarations(RED, BLUE, MESH), shop, store, pods=[RED_POD, BLUE_POD])
    assert sorted(backends(plan(joined, 1))) == ["team-a/shop", "team-a/store"]


def test_backends_that_no_client_here_may_reach_are_left_out() -> None:
    both = service("both", 1, RED_POD, BLUE_POD)
    compilation = served(TWO, both, pods=[RED_POD, BLUE_POD])
    assert backends(plan(compilation, 1)) == {"team-a/both": [("10.1.0.1", 2)]}
    assert backends(plan(compilation, 2)) == {"team-a/both": [("10.2.0.1", 1)]}


def test_services_of_the_default_network_are_left_to_kube_proxy() -> None:
    compilation = served(TWO, service("plain", 1, PLAIN_POD), pods=[RED_POD, PLAIN_POD])
    assert backends(plan(compilation, 1)) == {}
    assert plan(compilation, 1).isolated == ()


def test_infrastructure_is_known_where_a_network_lists_it() -> None:
    listed = network("red", "10.1.0.0/24", infrastructure=(name("plain"),))
    compilation = served(
        declarations(listed, BLUE), service("plain", 1, PLAIN_POD), pods=[RED_POD, PLAIN_POD]
    )
    (known,) = plan(compilation, 1).services
    assert known.infrastructure_of == (compilation.numbers[RED.name],)
    assert backends(plan(compilation, 1)) == {"team-a/plain": [("10.244.0.7", 0)]}
    assert backends(plan(compilation, 2)) == {}


def test_every_node_answers_the_default_networks_clients_of_a_mixed_service() -> None:
    mixed = service("mixed", 1, RED_POD, PLAIN_POD)
    compilation = served(TWO, mixed, pods=[RED_POD, BLUE_POD, PLAIN_POD])
    assert backends(plan(compilation, 2)) == {"team-a/mixed": [("10.244.0.7", 0)]}
    assert [one.mixed for one in plan(compilation, 2).isolated] == [True]


def test_a_local_service_has_the_nodes_own_backends() -> None:
    there = pod("there", "red", 2, "10.1.0.17")
    local = service("local", 1, RED_POD, there, local=True)
    compilation = served(TWO, local, pods=[RED_POD, there])
    assert backends(plan(compilation, 1)) == {"team-a/local": [("10.1.0.1", 2)]}
    assert backends(plan(compilation, 2)) == {"team-a/local": [("10.1.0.17", 2)]}


def test_an_endpoint_of_an_unbound_pod_gets_no_traffic() -> None:
    stale = replace(RED_POD, node=None)
    compilation = served(TWO, service("shop", 1, RED_POD), pods=[stale])
    assert plan(compilation, 1).isolated == ()
    assert [one.name for one in compilation.service_plans] == []


def test_prefixes_of_egress_are_the_clusters() -> None:
    datapath = plan(compiled(TWO, cluster()), 1).datapath
    assert ip_network("100.64.0.0/15") in datapath.cluster_ranges
    assert set(datapath.service_ranges) <= set(datapath.cluster_ranges)


def remote(number: int) -> RemoteNode:
    return RemoteNode(
        number=NodeNumber(number), name=NodeName(f"n{number}"), address=ip_address(f"192.0.2.{number}")
    )


def test_remotes_are_the_members_of_the_set_without_the_node_itself() -> None:
    table = remote_table([remote(9), remote(1), remote(4)])
    assert remotes_in(1 << 1 | 1 << 4 | 1 << 9, NodeNumber(4), table) == (remote(1), remote(9))
    assert remotes_in(0, NodeNumber(4), table) == ()
