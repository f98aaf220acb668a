"""Who reaches whom: two networks that talk, one that overlaps them, one that may leave the cluster."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli.lab.lab import LabPod, LabService
from cli.lab.traffic import Probe
from tests.kernel.world import World

NETWORKS = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: red, namespace: team-a, labels: {mesh: a}}
spec: {subnets: [10.1.0.0/16, "fd01::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: blue, namespace: team-a, labels: {mesh: a}}
spec: {subnets: [10.2.0.0/16, "fd02::/64"]}
---
# The same addresses as red.
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: green, namespace: team-b}
spec: {subnets: [10.1.0.0/16, "fd01::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: leaving, namespace: team-b}
spec: {subnets: [10.4.0.0/16, "fd04::/64"], egress: snat}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: mesh, namespace: team-a}
spec: {type: mesh, virtualNetworkSelector: {matchLabels: {mesh: a}}}
"""
RED = ("team-a/red-1", "team-a/red-1b", "team-a/red-2")
BLUE = ("team-a/blue-1", "team-a/blue-2")
GREEN = ("team-b/green-1", "team-b/green-1b", "team-b/green-2", "team-b/green-2b")
LEAVING = ("team-b/leaving-1", "team-b/leaving-2")
NODE_PORT = 30080


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    world = make_world()
    world.declare(NETWORKS)
    for name in (*RED, *BLUE, *GREEN, *LEAVING):
        network, _dash, place = name.partition("/")[2].partition("-")
        world.pod(name, int(place[0]), network=network)
    web = LabService(
        name="team-a/web",
        addresses=world.lab.service_addresses(20),
        port=80,
        target_port=8080,
        pods=[world.lab.pods[name] for name in ("team-a/red-1", "team-a/red-2", "team-a/blue-2")],
        node_port=NODE_PORT,
    )
    world.lab.add_service(web)
    world.settle()
    return world


@pytest.fixture(scope="module")
def pods(world: World) -> list[LabPod]:
    return world.network_pods()


def names(world: World, *wanted: str) -> list[LabPod]:
    return [world.lab.pods[name] for name in wanted]


def test_overlapping_networks_hold_the_same_addresses_on_different_nodes(world: World) -> None:
    red, green = (world.lab.pods[name] for name in ("team-a/red-1", "team-b/green-2"))
    assert red.addresses == green.addresses
    assert [str(address) for address in red.addresses] == ["10.1.0.1", "fd01::"]


def test_pods_reach_whom_their_networks_may_talk_to_and_nobody_else(world: World, pods: list[LabPod]) -> None:
    insiders = [pod for pod in pods if pod.name not in LEAVING]
    world.check(world.pair_checks(insiders, pods))


def test_red_and_blue_talk_and_green_is_alone(world: World) -> None:
    """The key cells once more, as literals."""
    probes = {
        "red to blue": Probe(start=world.lab.pods["team-a/red-1"].place, address=blue(world), port=8080),
        "green to blue": Probe(start=world.lab.pods["team-b/green-1"].place, address=blue(world), port=8080),
        "red at green's own address": Probe(
            start=world.lab.pods["team-b/green-2"].place,
            address=world.lab.pods["team-a/red-2"].address(4),
            port=8080,
        ),
    }
    outcomes = world.lab.traffic.probe_all(list(probes.values()))
    assert dict(zip(probes, map(str, outcomes), strict=True)) == {
        "red to blue": "reached team-a/blue-2",
        "green to blue": "refused",
        "red at green's own address": "reached team-b/green-1",
    }


def blue(world: World):  # type: ignore[no-untyped-def]
    return world.lab.pods["team-a/blue-2"].address(4)
