"""Hub and spokes, mutual consent, and what becomes of open connections when consent comes and goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cli.lab.lab import LabPod
from cli.lab.traffic import Conversation, Probe
from tests.kernel.world import World

NETWORKS = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: platform, namespace: hub}
spec: {subnets: [10.1.0.0/16, "fd01::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: shop, namespace: shop}
spec: {subnets: [10.2.0.0/16, "fd02::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: pay, namespace: pay}
spec: {subnets: [10.3.0.0/16, "fd03::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: left, namespace: mesh}
spec: {subnets: [10.4.0.0/16, "fd04::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: right, namespace: mesh}
spec: {subnets: [10.5.0.0/16, "fd05::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: joined, namespace: mesh}
spec: {type: mesh, virtualNetworkSelector: {}}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: spoke, namespace: shop, labels: {role: spoke}}
spec:
  type: spoke
  virtualNetworkSelector: {}
  import: {virtualNetworkRouters: [{virtualNetworkRouterSelector: {}, namespaceSelector: {}}]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: spoke, namespace: pay, labels: {role: spoke}}
spec:
  type: spoke
  virtualNetworkSelector: {}
  import: {virtualNetworkRouters: [{virtualNetworkRouterSelector: {}, namespaceSelector: {}}]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: hub, namespace: hub}
spec:
  type: hub
  virtualNetworkSelector: {}
"""
CONSENT = """\
  import:
    virtualNetworkRouters:
      - virtualNetworkRouterSelector: {matchLabels: {role: spoke}}
        namespaceSelector: {}
"""
PODS = {
    "hub/platform-1": 1,
    "hub/platform-2": 2,
    "shop/shop-1": 1,
    "shop/shop-2": 2,
    "pay/pay-2": 2,
    "mesh/left-1": 1,
    "mesh/right-1": 1,
    "mesh/right-2": 2,
}


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    world = make_world()
    world.declare(NETWORKS)
    for name, node in PODS.items():
        world.pod(name, node, network=name.partition("/")[2].partition("-")[0])
    world.settle()
    return world


def pod(world: World, name: str) -> LabPod:
    return world.lab.pods[name]


@contextmanager
def conversation(world: World, source: str, target: str, version: int) -> Iterator[Conversation]:
    address = pod(world, target).address(version)
    talk = world.lab.traffic.converse(Probe(start=pod(world, source).place, address=address, port=8080))
    try:
        assert talk.by == target
        yield talk
    finally:
        talk.close()


def change(world: World, networks: str) -> None:
    world.declare(networks)
    world.apply()


def test_a_request_without_consent_opens_nothing(world: World) -> None:
    pods = world.network_pods()
    world.check(world.pair_checks(pods, pods, protocols=("TCP",)))
    assert world.answerer(pod(world, "shop/shop-1"), pod(world, "hub/platform-2").address(4)) is None


def test_consent_opens_hub_to_spokes_and_disturbs_nobody(world: World) -> None:
    with (
        conversation(world, "mesh/left-1", "mesh/right-2", 4) as unrelated,
        conversation(world, "shop/shop-1", "shop/shop-2", 6) as own,
    ):
        change(world, NETWORKS + CONSENT)
        assert unrelated.exchanges_again()
        assert own.exchanges_again()
    pods = world.network_pods()
    world.check(world.pair_checks(pods, pods))


def test_spokes_never_meet_not_even_through_the_hub(world: World) -> None:
    """The key cells once more, as literals."""
    cells = {
        "spoke to hub": ("shop/shop-1", "hub/platform-2"),
        "hub to spoke": ("hub/platform-2", "pay/pay-2"),
        "spoke to spoke": ("shop/shop-2", "pay/pay-2"),
        "hub to mesh": ("hub/platform-1", "mesh/left-1"),
    }
    probes = [
        Probe(start=pod(world, source).place, address=pod(world, target).address(6), port=8080)
        for source, target in cells.values()
    ]
    outcomes = world.lab.traffic.probe_all(probes)
    assert dict(zip(cells, map(str, outcomes), strict=True)) == {
        "spoke to hub": "reached hub/platform-2",
        "hub to spoke": "reached pay/pay-2",
        "spoke to spoke": "refused",
        "hub to mesh": "refused",
    }


def test_withdrawing_consent_cuts_open_connections_at_once_and_no_others(world: World) -> None:
    with (
        conversation(world, "shop/shop-1", "hub/platform-2", 4) as across_nodes,
        conversation(world, "hub/platform-1", "shop/shop-1", 6) as on_one_node,
        conversation(world, "mesh/left-1", "mesh/right-1", 6) as unrelated,
        conversation(world, "hub/platform-1", "hub/platform-2", 4) as own,
    ):
        change(world, NETWORKS)
        assert across_nodes.is_cut()
        assert on_one_node.is_cut()
        assert unrelated.exchanges_again()
        assert own.exchanges_again()
    pods = world.network_pods()
    world.check(world.pair_checks(pods, pods, protocols=("TCP", "UDP")))


def test_a_second_apply_changes_nothing(world: World) -> None:
    before = {name: agent.policy.transactions for name, agent in world.agents.items()}
    world.apply()
    assert {name: agent.policy.transactions for name, agent in world.agents.items()} == before


def test_a_pod_that_comes_and_goes_issues_no_nft_command(world: World) -> None:
    before = world.agents[world.nodes[0].name].policy.transactions
    late = world.pod("shop/shop-1-late", 1, network="shop")
    world.settle()
    world.check(world.pair_checks([late], world.network_pods(), protocols=("TCP",)))
    world.agents[late.node.name].delete(late)
    assert world.agents[world.nodes[0].name].policy.transactions == before


def test_what_is_not_atolls_stays_byte_for_byte_as_it_was(world: World) -> None:
    for node in world.nodes:
        before, after = world.foreign[node.name]
        assert after == before
        assert world.lab.foreign_state(node) == after
