"""A network's blocks on one node: what its pods can have there.

A block of a single address, cut out of a larger subnet, is for the pod that asks for that address;
from the others any pod is served. The first and the last address of an IPv4 subnet are nobody's
(RFC 3021 makes an exception of /31 and /32), as `compiler.allocate` counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from compiler.model import Address, Prefix
from compiler.names import NodeNumber
from compiler.plan import NetworkPlan, is_single


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnBlocks:
    shared: tuple[Prefix, ...] = ()
    """For any pod of the network."""
    single: tuple[Prefix, ...] = ()
    """Of one address each."""
    versions: tuple[int, ...] = ()
    """IP versions of the network's subnets: each pod gets an address of each."""
    ends: frozenset[Address] = frozenset()
    """Addresses of the shared blocks that are nobody's."""

    @property
    def fullest(self) -> int:
        """For how many pods the shared blocks have addresses: the scarcer IP version decides."""
        return min((self.room(version) for version in self.versions), default=0)

    def room(self, version: int) -> int:
        """Addresses of an IP version in the shared blocks."""
        addresses = sum(block.num_addresses for block in self.shared if block.version == version)
        return addresses - sum(end.version == version for end in self.ends)

    def holds(self, address: Address) -> bool:
        """Whether the address belongs to this node, and a pod may have it."""
        return address not in self.ends and any(address in block for block in self.shared + self.single)


def own_blocks(network: NetworkPlan, node: NodeNumber) -> OwnBlocks:
    own = [block.prefix for block in network.blocks if block.node == node]
    subnets = frozenset(network.subnets)
    single = tuple(block for block in own if is_single(block, subnets))
    shared = tuple(block for block in own if block not in single)
    return OwnBlocks(
        shared=shared,
        single=single,
        versions=tuple(sorted({subnet.version for subnet in network.subnets})),
        ends=frozenset(_ends(network.subnets, shared)),
    )


def _ends(subnets: Collection[Prefix], blocks: Collection[Prefix]) -> Iterator[Address]:
    for subnet in subnets:
        if subnet.version == 4 and subnet.prefixlen < 31:
            for end in (subnet[0], subnet[-1]):
                if any(end in block for block in blocks):
                    yield end
