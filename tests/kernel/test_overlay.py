"""What a node takes from the overlay: only packets of known nodes, and of each only its own pods'."""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest

from cli.lab.namespace import Namespace
from cli.lab.traffic import Address
from compiler.device_names import vxlan_mac
from compiler.names import NetworkNumber, NodeName, ObjectName
from compiler.plan import NodePlan
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
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: green, namespace: team-a}
spec: {subnets: [10.3.0.0/16, "fd03::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: mesh, namespace: team-a}
spec: {type: mesh, virtualNetworkSelector: {matchLabels: {mesh: a}}}
"""
PODS = ("red-1", "red-2", "red-3", "blue-2", "green-1", "green-2")
_tokens = itertools.count()


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    world = make_world(nodes=3)
    world.declare(NETWORKS)
    for name in PODS:
        network, _dash, node = name.partition("-")
        world.pod(f"team-a/{name}", int(node), network=network)
    world.settle()
    return world


def plan(world: World, node: int) -> NodePlan:
    assert world.compilation is not None
    return world.compilation.plans[NodeName(f"node-{node}")]


def number(world: World, network: str) -> NetworkNumber:
    assert world.compilation is not None
    return world.compilation.numbers[ObjectName(namespace="team-a", name=network)]


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(source: Address, target: Address, payload: bytes) -> bytes:
    """A UDP datagram to the echo port."""
    padded = payload + b"\0" * (len(payload) % 2)
    length = 8 + len(payload)
    ends = source.packed + target.packed
    pseudo = ends + struct.pack("!HH", socket.IPPROTO_UDP, length)
    head = struct.pack("!HHH", 40000, 8080, length)
    udp = head + struct.pack("!H", checksum(pseudo + head + b"\0\0" + padded)) + payload
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_UDP, 64) + ends + udp
    start = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0, 64, socket.IPPROTO_UDP)
    return start + struct.pack("!H", checksum(start + b"\0\0" + ends)) + ends + udp


def inject(world: World, start: Namespace, network: str, source: Address, target: str) -> bytes:
    """Sends a VXLAN packet for a pod of node 1, made by hand; its payload tells it from all others."""
    token = f"injected {next(_tokens)}".encode()
    there, vni = plan(world, 1), number(world, network)
    macs = (
        vxlan_mac(there.number, vni),
        vxlan_mac(plan(world, 2).number, vni),
    )
    kind = 0x0800 if source.version == 4 else 0x86DD
    address = world.lab.pods[target].address(source.version)
    frame = b"".join(bytes.fromhex(mac.replace(":", "")) for mac in macs) + struct.pack("!H", kind)
    frame += packet(source, address, token)
    header = struct.pack("!II", 1 << 27, (there.datapath.number_base + vni) << 8)
    with start.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.sendto(header + frame, (str(there.address), there.datapath.vxlan_port))
    return token


@pytest.mark.parametrize("version", [4, 6])
def test_a_node_takes_from_another_only_packets_of_that_nodes_pods(world: World, version: int) -> None:
    node = world.nodes[1].place
    pods = world.lab.pods
    honest = pods["team-a/red-2"].address(version)
    nobody = IPv4Address("10.9.9.9") if version == 4 else IPv6Address("fd09::9")
    forged = {
        "a pod of the node that gets it": inject(
            world, node, "red", pods["team-a/red-1"].address(version), "team-a/red-1"
        ),
        "a pod of a network that the network may not talk to": inject(
            world, node, "red", pods["team-a/green-2"].address(version), "team-a/red-1"
        ),
        "a network's packet for a pod of another": inject(world, node, "green", honest, "team-a/red-1"),
        "nobody": inject(world, node, "red", nobody, "team-a/red-1"),
    }
    assert world.lab.traffic.arrives(inject(world, node, "red", honest, "team-a/red-1"))
    arrived = {name: world.lab.traffic.has_arrived(token) for name, token in forged.items()}
    assert not any(arrived.values()), arrived


def test_nobody_but_a_node_sends_into_the_overlay(world: World) -> None:
    """Not a pod of the default network, on the node or another; not another machine; not a pod."""
    honest = world.lab.pods["team-a/red-2"].address(4)
    starts = {
        "a pod of the default network, same node": world.lab.pods["default/plain-1"].place,
        "a pod of the default network, other node": world.lab.pods["default/plain-2"].place,
        "another machine": world.lab.underlay,
        "a pod of a network": world.lab.pods["team-a/green-2"].place,
    }
    forged = {name: inject(world, place, "red", honest, "team-a/red-1") for name, place in starts.items()}
    control = inject(world, world.nodes[1].place, "red", honest, "team-a/red-1")
    assert world.lab.traffic.arrives(control)
    arrived = {name: world.lab.traffic.has_arrived(token) for name, token in forged.items()}
    assert not any(arrived.values()), arrived
