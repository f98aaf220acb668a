"""Warnings at review time: addresses that run out, nodes that hold very many networks."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.allocations import NetworkAllocation
from compiler.catalogue import found
from compiler.ledger import BITS
from compiler.model import Limits, Prefix, VirtualNetwork
from compiler.plan import NodePlan, Presence
from compiler.problem import Problem


def filling(network: VirtualNetwork, entry: NetworkAllocation, limits: Limits) -> Iterator[Problem]:
    """One for each family whose blocks cover more than the share that `limits` allows."""
    for version in (4, 6):
        total = sum(_size(subnet.prefix) for subnet in network.subnets if subnet.prefix.version == version)
        used = sum(_size(prefix) for prefix in entry.blocks if prefix.version == version)
        if total and used > limits.address_warning_share * total:
            yield found(
                "ATL753",
                origin=network.origin,
                subject=f"VirtualNetwork {network.name}",
                reason=f"blocks of nodes cover {used / total:.0%} of its IPv{version} subnets, more than the "
                f"share {limits.address_warning_share:g} that limits.addressWarningShare allows",
            )


def crowded(plan: NodePlan, limits: Limits) -> Problem | None:
    """Where the node holds more networks than `limits` expects."""
    count = len(plan.networks)
    if count <= limits.max_networks_per_node:
        return None
    present = sum(network.presence is Presence.PRESENT for network in plan.networks)
    return found(
        "ATL754",
        origin=None,
        subject=f"Node {plan.name}",
        reason=f"it holds {count} networks, {present} of its own pods and {count - present} that these may "
        f"talk to; limits.maxNetworksPerNode is {limits.max_networks_per_node}",
    )


def _size(prefix: Prefix) -> int:
    return 1 << (BITS[prefix.version] - prefix.prefixlen)
