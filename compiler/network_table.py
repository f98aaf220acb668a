"""Networks as every node where they are present holds them: the shared values of all plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.allocations import NetworkAllocation
from compiler.model import VirtualNetwork
from compiler.names import NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.plan import Access, Block, NetworkPlan, Presence
from compiler.resolve import Resolution


@dataclass(frozen=True, kw_only=True, slots=True)
class WholeNetwork:
    plan: NetworkPlan
    """As present."""
    peers: frozenset[NetworkNumber]
    nodes: int
    """Nodes with blocks, as a bit set of node numbers: plans unite hundreds of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surface:
    """What a network's plan follows from, beside its declaration and allocation."""

    resolution: Resolution
    numbers: Mapping[ObjectName, NetworkNumber]
    node_numbers: Mapping[NodeName, NodeNumber]


def whole_network(
    network: VirtualNetwork,
    entry: NetworkAllocation,
    access: tuple[Access, ...],
    zone: NetworkNumber,
    surface: Surface,
) -> WholeNetwork:
    peers = frozenset(surface.numbers[peer] for peer in surface.resolution.peers[network.name])
    blocks = _blocks(entry, surface.node_numbers)
    nodes = 0
    for number in {block.node for block in blocks}:
        nodes |= 1 << number
    plan = NetworkPlan(
        number=entry.number,
        name=network.name,
        presence=Presence.PRESENT,
        zone=zone,
        egress=network.egress,
        subnets=tuple(subnet.prefix for subnet in network.subnets),
        blocks=blocks,
        peers=tuple(sorted(peers)),
        infrastructure=access,
    )
    return WholeNetwork(plan=plan, peers=peers, nodes=nodes)


def zones_of(
    resolution: Resolution, numbers: Mapping[ObjectName, NetworkNumber]
) -> Mapping[ObjectName, NetworkNumber]:
    """The smallest number of each network's routing domain."""
    smallest: dict[frozenset[ObjectName], NetworkNumber] = {}
    zones = {}
    for name, domain in resolution.domains.items():
        if domain not in smallest:
            smallest[domain] = min(numbers[member] for member in domain)
        zones[name] = smallest[domain]
    return zones


def _blocks(entry: NetworkAllocation, node_numbers: Mapping[NodeName, NodeNumber]) -> tuple[Block, ...]:
    """By node, then family, then address."""
    rows = sorted(
        (node_numbers[node], prefix.version, int(prefix.network_address), prefix)
        for prefix, node in entry.blocks.items()
        if node in node_numbers
    )
    return tuple(Block(prefix=prefix, node=number) for number, _, _, prefix in rows)
