"""On which network each pod is: what it names when it starts, where its address is once it runs.

The pod's annotation decides, else its namespace's, else the default network. A pod that names what it
cannot have waits. A running pod stays where it is: its address lies in a block that its node has for one
network, or in the default network's ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from compiler.allocations import Allocations
from compiler.inventory import Inventory, Pod
from compiler.model import Address, Declarations, Prefix, VirtualNetwork
from compiler.names import NodeName, ObjectName, is_label, is_subdomain
from verifier.talking import labels_of


class Outside(Enum):
    """Where a pod is that is on no network of ours."""

    DEFAULT = "the default network"
    WAITING = "none, for it must wait"


Seat: TypeAlias = ObjectName | Outside

Blocks: TypeAlias = Mapping[NodeName, Mapping[Prefix, ObjectName]]
"""The blocks in force of each node, and whose they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seating:
    declarations: Declarations
    networks: Mapping[ObjectName, VirtualNetwork]
    inventory: Inventory
    owners: Mapping[tuple[NodeName, int, int, int], ObjectName]
    """By node, IP version, prefix length and first address of a block."""
    lengths: frozenset[tuple[int, int]]
    """IP version and prefix length of all blocks."""

    def seat_of(self, pod: Pod) -> Seat:
        """A pod without a node has none: it waits."""
        if pod.node is None:
            return Outside.WAITING
        for address in pod.addresses:
            owner = self.owner_of(pod.node, address)
            if owner is not None:
                return owner
        ranges = self.declarations.config.pod_ranges
        if any(address in prefix for address in pod.addresses for prefix in ranges):
            return Outside.DEFAULT
        return self._named(pod)

    def owner_of(self, node: NodeName, address: Address) -> ObjectName | None:
        """The network in whose block of the node the address lies: there is at most one."""
        for version, length in self.lengths:
            if version == address.version:
                host_bits = address.max_prefixlen - length
                start = int(address) >> host_bits << host_bits
                owner = self.owners.get((node, version, length, start))
                if owner is not None:
                    return owner
        return None

    def _named(self, pod: Pod) -> Seat:
        space = pod.name.namespace
        written = pod.network
        if written is None:
            home = self.inventory.namespaces.get(space)
            if home is None:
                return Outside.WAITING
            written = home.network
        if written is None:
            return Outside.DEFAULT
        name = ObjectName.parse(written, default_namespace=space)
        if not (is_label(name.namespace) and is_subdomain(name.name)):
            return Outside.WAITING
        network = self.networks.get(name)
        return name if network and self._admits(network, space) else Outside.WAITING

    def _admits(self, network: VirtualNetwork, space: str) -> bool:
        if network.name.namespace == space:
            return True
        allowed = network.allowed_namespaces
        return allowed is not None and allowed.matches(labels_of(space, self.inventory.namespaces))


def seating(declarations: Declarations, inventory: Inventory, blocks: Blocks) -> Seating:
    owners: dict[tuple[NodeName, int, int, int], ObjectName] = {
        (node, prefix.version, prefix.prefixlen, int(prefix.network_address)): network
        for node, some in blocks.items()
        for prefix, network in some.items()
    }
    return Seating(
        declarations=declarations,
        networks={network.name: network for network in declarations.networks},
        inventory=inventory,
        owners=owners,
        lengths=frozenset((version, length) for _, version, length, _ in owners),
    )


def blocks_by_node(declarations: Declarations, allocations: Allocations) -> Blocks:
    """Of declared networks; retired blocks are nobody's."""
    found: dict[NodeName, dict[Prefix, ObjectName]] = {}
    for network in declarations.networks:
        entry = allocations.networks.get(network.name)
        if entry is not None and entry.retired_in is None:
            for prefix, node in entry.blocks.items():
                found.setdefault(node, {})[prefix] = network.name
    return found
