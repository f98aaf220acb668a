"""The books of one allocation run: who holds which block, and what is taken where.

Opened from the allocations before, changed in place, closed into new ones. Entries that nobody
touched stay the same objects. What is retired stays taken until it is confirmed gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
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


class Account:
    """One declared network's entry, open for changes."""

    __slots__ = ("_confirmed", "_taken", "blocks", "entry", "name", "retired")

    def __init__(self, name: ObjectName, entry: NetworkAllocation, confirmed: int) -> None:
        self.name = name
        self.entry = entry
        self._confirmed = confirmed
        self._taken: dict[int, Ranges] = {}
        self.blocks = dict(entry.blocks)
        self.retired = dict(entry.retired_blocks)
        if entry.retired_in is not None:  # declared again: its blocks are up for return
            self.retired |= {prefix: (node, entry.retired_in) for prefix, node in entry.blocks.items()}
            self.blocks = {}

    def taken(self, version: int) -> Ranges:
        """Addresses that belong to a node, or did and are not confirmed free."""
        ranges = self._taken.get(version)
        if ranges is None:
            held = [*self.blocks, *(p for p, (_, ended) in self.retired.items() if ended > self._confirmed)]
            ranges = Ranges(sorted(span(prefix) for prefix in held if prefix.version == version))
            self._taken[version] = ranges
        return ranges

    def keeps(self, prefix: Prefix, node: NodeName) -> bool:
        """Whether a block that the node has or had is still in others' way."""
        return self.blocks.get(prefix) == node or self.retired[prefix][1] > self._confirmed

    def closed(self) -> NetworkAllocation:
        entry = self.entry
        if entry.retired_in is None and (self.blocks, self.retired) == (entry.blocks, entry.retired_blocks):
            return entry
        return NetworkAllocation(number=entry.number, blocks=self.blocks, retired_blocks=self.retired)


class Ledger:
    def __init__(self, allocations: Allocations, holdings: Holdings) -> None:
        self._before = allocations
        self.confirmed = allocations.confirmed
        self.generation = allocations.generation + 1
        """In which everything ends that this run retires."""
        self.networks: dict[ObjectName, NetworkAllocation] = dict(allocations.networks)
        self.nodes: dict[NodeName, NodeAllocation] = dict(allocations.nodes)
        self._changed = False
        self._holdings = Draft(holdings)
        self._accounts: dict[ObjectName, Account] = {}
        self._taken_on: dict[tuple[NodeName, int], Ranges] = {}

    def admit_network(self, network: ObjectName, number: int) -> None:
        self._changed = True
        self.networks[network] = NetworkAllocation(number=NetworkNumber(number))

    def retire_network(self, network: ObjectName) -> None:
        """With everything it holds."""
        self._changed = True
        self.networks[network] = replace(self.networks[network], retired_in=self.generation)

    def drop_network(self, network: ObjectName) -> None:
        """Forget a retired network, for another takes its number."""
        self._changed = True
        entry = self.networks.pop(network)
        for prefix, node in entry.blocks.items():
            self._forget(network, prefix, node)
        for prefix, (node, _) in entry.retired_blocks.items():
            self._forget(network, prefix, node)

    def admit_node(self, node: NodeName, number: int) -> None:
        self._changed = True
        self.nodes[node] = NodeAllocation(number=NodeNumber(number))

    def retire_node(self, node: NodeName) -> None:
        self._changed = True
        self.nodes[node] = replace(self.nodes[node], retired_in=self.generation)

    def drop_node(self, node: NodeName) -> None:
        self._changed = True
        del self.nodes[node]

    def account(self, network: ObjectName) -> Account:
        account = self._accounts.get(network)
        if account is None:
            account = Account(network, self.networks[network], self.confirmed)
            self._accounts[network] = account
        return account

    def held(self, network: ObjectName, node: NodeName) -> tuple[Prefix, ...]:
        """The node's blocks in a network, retired ones too."""
        return self._holdings.read(node).get(network, ())

    def blocks_of(self, account: Account, node: NodeName) -> Iterator[Prefix]:
        """The node's blocks in a network, those in force."""
        held = self.held(account.name, node)
        return (prefix for prefix in held if account.blocks.get(prefix) == node)

    def retire(self, account: Account, prefix: Prefix) -> None:
        account.retired[prefix] = (account.blocks.pop(prefix), self.generation)

    def restore(self, account: Account, prefix: Prefix) -> None:
        """Give a retired block back to its former owner, or forget it where that would now collide."""
        node, ended = account.retired[prefix]
        start, end = span(prefix)
        taken = (account.taken(prefix.version), self.taken_on(node, prefix.version))
        del account.retired[prefix]
        if ended <= self.confirmed:
            if any(ranges.end_of_overlap(start, end) is not None for ranges in taken):
                self._forget(account.name, prefix, node)
                return
            for ranges in taken:
                ranges.add(start, end)
        account.blocks[prefix] = node

    def grant(self, account: Account, node: NodeName, version: int, start: int, size: int) -> None:
        """A new block. Of the network's own retired blocks, those that it covers are forgotten."""
        prefix = prefix_at(version, start, size)
        end = start + size - 1
        for old, (owner, _) in list(account.retired.items()):
            first, last = span(old)
            if old.version == version and first <= end and start <= last:
                del account.retired[old]
                self._forget(account.name, old, owner)
        account.taken(version).add(start, end)
        self.taken_on(node, version).add(start, end)
        account.blocks[prefix] = node
        held = self._holdings.open(node)
        held[account.name] = (*held.get(account.name, ()), prefix)

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
        account = self._accounts.get(network)
        if account is not None:
            return account.keeps(prefix, node)
        entry = self.networks[network]
        in_force = entry.blocks.get(prefix) == node
        ended = entry.retired_in if in_force else entry.retired_blocks[prefix][1]
        return ended is None or ended > self.confirmed

    def closed(self) -> tuple[Allocations, Holdings]:
        """The new allocations; the ones before, themselves, where nothing changed."""
        for name, account in self._accounts.items():
            entry = account.closed()
            if entry is not account.entry:
                self.networks[name] = entry
                self._changed = True
        if not self._changed:
            return self._before, self._holdings.finished()
        after = replace(self._before, generation=self.generation, networks=self.networks, nodes=self.nodes)
        return after, self._holdings.finished()

    def _forget(self, network: ObjectName, prefix: Prefix, node: NodeName) -> None:
        held = self._holdings.open(node)
        remaining = tuple(other for other in held[network] if other != prefix)
        if remaining:
            held[network] = remaining
        else:
            del held[network]
