"""The books of one allocation run: who holds which block, and what is taken where.

Opened from the allocations before, changed in place, closed into new ones. Entries that nobody
touched stay the same objects. What is retired stays taken until it is confirmed gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network

from compiler.allocations import Allocations, NetworkAllocation, NodeAllocation
from compiler.draft import Draft
from compiler.model import Prefix
from compiler.names import NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.ranges import Ranges

Holdings = Mapping[NodeName, Mapping[ObjectName, tuple[Prefix, ...]]]
"""For each node and network every block in the allocations, retired ones too: `blocks` turned about."""

BITS = {4: 32, 6: 128}


def holdings_of(allocations: Allocations) -> Holdings:
    draft: Draft[NodeName, ObjectName, tuple[Prefix, ...]] = Draft({})
    for name, entry in allocations.networks.items():
        by_node: dict[NodeName, list[Prefix]] = {}
        for prefix, node in entry.blocks.items():
            by_node.setdefault(node, []).append(prefix)
        for prefix, (node, _) in entry.retired_blocks.items():
            by_node.setdefault(node, []).append(prefix)
        for node, prefixes in by_node.items():
            draft.open(node)[name] = tuple(prefixes)
    return draft.finished()


def span(prefix: Prefix) -> tuple[int, int]:
    """First and last address, as integers."""
    start = int(prefix.network_address)
    return start, start + (1 << (BITS[prefix.version] - prefix.prefixlen)) - 1


def prefix_at(version: int, start: int, size: int) -> Prefix:
    length = BITS[version] - size.bit_length() + 1
    return IPv4Network((start, length)) if version == 4 else IPv6Network((start, length))


@dataclass(slots=True)
class _Account:
    """A network's entry, open for changes."""

    blocks: dict[Prefix, NodeName]
    retired: dict[Prefix, tuple[NodeName, int]]


class Ledger:
    def __init__(self, allocations: Allocations, holdings: Holdings) -> None:
        self._before = allocations
        self.confirmed = allocations.confirmed
        self.generation = allocations.generation + 1
        """In which everything ends that this run retires."""
        self.networks: dict[ObjectName, NetworkAllocation] = dict(allocations.networks)
        self.nodes = dict(allocations.nodes)
        self._dirty = False
        self._holdings = Draft(holdings)
        self._accounts: dict[ObjectName, _Account] = {}
        self._taken_in: dict[tuple[ObjectName, int], Ranges] = {}
        self._taken_on: dict[tuple[NodeName, int], Ranges] = {}

    def is_taken(self, retired_in: int | None) -> bool:
        """Whether something that ended then, or has not ended, is still in somebody's way."""
        return retired_in is None or retired_in > self.confirmed

    def blocks(self, network: ObjectName) -> Mapping[Prefix, NodeName]:
        account = self._accounts.get(network)
        return account.blocks if account else self.networks[network].blocks

    def retired(self, network: ObjectName) -> Mapping[Prefix, tuple[NodeName, int]]:
        account = self._accounts.get(network)
        return account.retired if account else self.networks[network].retired_blocks

    def blocks_of(self, network: ObjectName, node: NodeName) -> Iterator[Prefix]:
        """The node's blocks in a network, those in force."""
        blocks = self.blocks(network)
        held = self._holdings.read(node).get(network, ())
        return (prefix for prefix in held if blocks.get(prefix) == node)

    def retire(self, network: ObjectName, prefix: Prefix) -> None:
        account = self._open(network)
        account.retired[prefix] = (account.blocks.pop(prefix), self.generation)

    def restore(self, network: ObjectName, prefix: Prefix) -> None:
        """Give a retired block back to its former owner, or forget it where that would now collide."""
        account = self._open(network)
        node, ended = account.retired[prefix]
        start, end = span(prefix)
        taken = (self.taken_in(network, prefix.version), self.taken_on(node, prefix.version))
        del account.retired[prefix]
        if not self.is_taken(ended):
            if any(ranges.end_of_overlap(start, end) is not None for ranges in taken):
                self._forget(network, prefix, node)
                return
            for ranges in taken:
                ranges.add(start, end)
        account.blocks[prefix] = node

    def grant(self, network: ObjectName, prefix: Prefix, node: NodeName) -> None:
        """A new block. Of the network's own retired blocks, those that it covers are forgotten."""
        start, end = span(prefix)
        account = self._open(network)
        for old, (owner, _) in list(account.retired.items()):
            if old.version == prefix.version and old.overlaps(prefix):
                del account.retired[old]
                self._forget(network, old, owner)
        self.taken_in(network, prefix.version).add(start, end)
        self.taken_on(node, prefix.version).add(start, end)
        account.blocks[prefix] = node
        held = self._holdings.open(node)
        held[network] = (*held.get(network, ()), prefix)

    def admit(self, network: ObjectName, number: int) -> None:
        self._dirty = True
        self.networks[network] = NetworkAllocation(number=NetworkNumber(number))

    def retire_network(self, network: ObjectName) -> None:
        """With everything it holds."""
        self._dirty = True
        self.networks[network] = replace(self.networks[network], retired_in=self.generation)

    def drop_network(self, network: ObjectName) -> None:
        """Forget a retired network, for another takes its number."""
        self._dirty = True
        entry = self.networks.pop(network)
        for prefix, node in entry.blocks.items():
            self._forget(network, prefix, node)
        for prefix, (node, _) in entry.retired_blocks.items():
            self._forget(network, prefix, node)

    def admit_node(self, node: NodeName, number: int) -> None:
        self._dirty = True
        self.nodes[node] = NodeAllocation(number=NodeNumber(number))

    def retire_node(self, node: NodeName) -> None:
        self._dirty = True
        self.nodes[node] = replace(self.nodes[node], retired_in=self.generation)

    def drop_node(self, node: NodeName) -> None:
        self._dirty = True
        del self.nodes[node]

    def reopen(self, network: ObjectName) -> None:
        """A retired network is declared again: its number is its own, its blocks are up for return."""
        entry = self.networks[network]
        assert entry.retired_in is not None
        ended = entry.retired_in
        blocks = {prefix: (node, ended) for prefix, node in entry.blocks.items()}
        self._dirty = True
        self._accounts[network] = _Account({}, {**entry.retired_blocks, **blocks})
        self.networks[network] = replace(entry, retired_in=None)

    def taken_in(self, network: ObjectName, version: int) -> Ranges:
        """Addresses of a network that belong to a node, or did and are not confirmed free."""
        key = (network, version)
        ranges = self._taken_in.get(key)
        if ranges is None:
            held = [*self.blocks(network)]
            held += [prefix for prefix, (_, ended) in self.retired(network).items() if self.is_taken(ended)]
            ranges = Ranges(span(prefix) for prefix in held if prefix.version == version)
            self._taken_in[key] = ranges
        return ranges

    def taken_on(self, node: NodeName, version: int) -> Ranges:
        """Addresses of all networks that are on a node, or were and are not confirmed gone."""
        key = (node, version)
        ranges = self._taken_on.get(key)
        if ranges is None:
            ranges = Ranges(
                span(prefix)
                for network, prefixes in self._holdings.read(node).items()
                for prefix in prefixes
                if prefix.version == version and self._is_on(network, prefix, node)
            )
            self._taken_on[key] = ranges
        return ranges

    def _is_on(self, network: ObjectName, prefix: Prefix, node: NodeName) -> bool:
        if self.blocks(network).get(prefix) == node:
            return self.is_taken(self.networks[network].retired_in)
        _, ended = self.retired(network).get(prefix, (node, 0))
        return self.is_taken(ended)

    def closed(self) -> tuple[Allocations, Holdings]:
        """The new allocations; the ones before, themselves, where nothing changed."""
        for name, account in self._accounts.items():
            entry = replace(self.networks[name], blocks=account.blocks, retired_blocks=account.retired)
            if entry != self._before.networks.get(name):
                self.networks[name] = entry
                self._dirty = True
        if not self._dirty:
            return self._before, self._holdings.finished()
        after = replace(self._before, generation=self.generation, networks=self.networks, nodes=self.nodes)
        return after, self._holdings.finished()

    def _open(self, network: ObjectName) -> _Account:
        account = self._accounts.get(network)
        if account is None:
            entry = self.networks[network]
            account = _Account(dict(entry.blocks), dict(entry.retired_blocks))
            self._accounts[network] = account
        return account

    def _forget(self, network: ObjectName, prefix: Prefix, node: NodeName) -> None:
        held = self._holdings.open(node)
        remaining = tuple(other for other in held[network] if other != prefix)
        if remaining:
            held[network] = remaining
        else:
            del held[network]
