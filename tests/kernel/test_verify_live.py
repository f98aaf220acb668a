"""What real kernels hold after an apply is proved, read as `atoll verify --live` does; faults are seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli.lab.lab import LabNode, LabService
from cli.node_dump import read_live
from cli.verify_inputs import Basis, judge_one
from compiler.names import NodeName
from review.proof_memory import Given
from tests.kernel.world import World
from verifier.judge import Verdict
from verifier.state import Address
from verifier.violation import Kind

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
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: green, namespace: team-b}
spec: {subnets: [10.1.0.0/16, "fd01::/64"], egress: snat}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: mesh, namespace: team-a}
spec: {type: mesh, virtualNetworkSelector: {matchLabels: {mesh: a}}}
"""
PODS = ("team-a/red-1", "team-a/red-2", "team-a/blue-1", "team-a/blue-2", "team-b/green-1", "team-b/green-2")
"""The digit is the node's."""


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    world = make_world()
    world.declare(NETWORKS)
    for name in PODS:
        network, _dash, place = name.partition("/")[2].partition("-")
        world.pod(name, int(place), network=network)
    world.lab.add_service(
        LabService(
            name="team-a/web",
            addresses=world.lab.service_addresses(20),
            port=80,
            target_port=8080,
            pods=[world.lab.pods["team-a/red-1"], world.lab.pods["team-a/blue-2"]],
        )
    )
    world.settle()
    return world


def judged(world: World, node: LabNode) -> Verdict:
    def read(name: str, address: Address) -> Given:
        with node.place.entered():
            return read_live(name, address)

    assert world.compilation is not None
    basis = Basis(compilation=world.compilation, allocations=world.allocations)
    return judge_one(basis, NodeName(node.name), read)


def number(world: World, network: str) -> int:
    assert world.compilation is not None
    return next(n for name, n in world.compilation.numbers.items() if str(name) == network)


def test_every_node_is_proved_as_its_kernel_has_it(world: World) -> None:
    for node in world.nodes:
        verdict = judged(world, node)
        assert verdict.violations == ()
        assert verdict.certificate.counts.unwitnessed == 0
        assert verdict.certificate.counts.entries > 10


def test_a_pair_and_a_route_too_many_are_a_leak(world: World) -> None:
    node = world.nodes[0]
    green, blue = number(world, "team-b/green"), number(world, "team-a/blue")
    pod = world.lab.pods["team-a/blue-1"].address(4)
    table = f"table {1_000_000 + green}"
    port = (
        node.place.run("ip", "-4", "-o", "route", "get", str(pod), "vrf", f"vn{blue}")
        .split(" dev ")[1]
        .split()[0]
    )
    node.place.nft(f"add element inet atoll peers {{ {green} . {blue} }}\n")
    node.place.ip(f"route add {pod}/32 dev {port} {table}")
    try:
        verdict = judged(world, node)
    finally:
        node.place.ip(f"route del {pod}/32 dev {port} {table}")
        node.place.nft(f"delete element inet atoll peers {{ {green} . {blue} }}\n")
    leaks = [found for found in verdict.violations if found.kind is Kind.LEAK]
    assert any(str(pod) in str(found) and "team-b/green" in found.sentence for found in leaks)
    assert judged(world, node).proved


def test_the_local_table_first_is_seen(world: World) -> None:
    node = world.nodes[0]
    node.place.ip("rule add pref 0 lookup local")
    try:
        verdict = judged(world, node)
    finally:
        node.place.ip("rule del pref 0")
    assert Kind.ROUTING in {found.kind for found in verdict.violations}


def test_a_node_without_the_table_is_seen(world: World) -> None:
    """Last of all: the table does not come back."""
    node = world.nodes[1]
    node.place.nft("delete table inet atoll\n")
    assert Kind.FORGED in {found.kind for found in judged(world, node).violations}
