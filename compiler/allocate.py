"""Numbers and blocks: every earlier decision is kept, and new ones take the lowest that is free.

- A network keeps its number and a node its blocks whatever else is added, removed or renamed, and
  whether or not pods still use them.
- What loses its ground (its network, subnet or node) is retired with the generation that ends it.
  It returns to its former owner as soon as the ground returns.
- Something else may take it only once `Allocations.confirmed` has reached that generation: until
  then a node may still act on it.
- A new block is the lowest position of the network's subnets, in declared order, that is free in the
  network and overlaps no block of another network on its node: an address is unique on its node.

`reallocate` looks only at what is touched and at earlier shortfalls; everything else is at rest,
so that it gives what `allocate` would give.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from compiler.allocations import Allocations
from compiler.catalogue import found
from compiler.ledger import BITS, Holdings, Ledger, holdings_of, prefix_at, span
from compiler.model import ClusterConfig, Prefix, VirtualNetwork
from compiler.names import MAX_NUMBER, NodeName, ObjectName
from compiler.numbering import free_numbers
from compiler.problem import Origin, Problem
from compiler.ranges import lowest_free


class Place(NamedTuple):
    """One network on one node. A tuple, for there may be 50,000."""

    network: ObjectName
    node: NodeName


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What must have numbers and addresses."""

    networks: Mapping[ObjectName, VirtualNetwork]
    nodes: Collection[NodeName]
    pods: Mapping[ObjectName, Mapping[NodeName, int]]
    """How many pods of each network are bound to each node; what is not in the other two waits."""
    config: ClusterConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Touched:
    """What differs from the demand before."""

    networks: Collection[ObjectName] = ()
    """Declared, changed or no longer declared."""
    nodes: Collection[NodeName] = ()
    """Come or gone."""
    places: Collection[Place] = ()
    """Where the number of pods is another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allotment:
    """Allocations, and what the next run needs to go on from them."""

    allocations: Allocations
    holdings: Holdings
    shortfalls: Mapping[Place, tuple[Problem, ...]] = field(default_factory=dict)
    """Demand that no subnet could meet."""
    unnumbered: Mapping[NodeName, Problem] = field(default_factory=dict)
    """Nodes for which no number was left."""
    refusals: tuple[Problem, ...] = ()
    """Networks for which no number was left."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        short = (problem for problems in self.shortfalls.values() for problem in problems)
        return (*self.refusals, *self.unnumbered.values(), *short)


def allocate(demand: Demand, allocations: Allocations) -> Allotment:
    """Extend the allocations to what is demanded. Raises nothing: what cannot be met is a problem."""
    start = Allotment(allocations=allocations, holdings=holdings_of(allocations))
    everything = Touched(
        networks={*allocations.networks, *demand.networks}, nodes={*allocations.nodes, *demand.nodes}
    )
    return reallocate(start, demand, everything)


def reallocate(previous: Allotment, demand: Demand, touched: Touched) -> Allotment:
    """As `allocate` from the previous allocations, at a cost in proportion to what is touched."""
    ledger = Ledger(previous.allocations, previous.holdings)
    nodes = {*touched.nodes, *previous.unnumbered}
    unnumbered = _number_nodes(ledger, demand, nodes)
    refusals = _number_networks(ledger, demand, touched.networks)
    reviewed = {*touched.networks}
    for node in touched.nodes:
        reviewed.update(previous.holdings.get(node, ()))
    for name in sorted(reviewed & demand.networks.keys()):
        _review(ledger, demand, demand.networks[name])
    places = {*touched.places, *previous.shortfalls, *_places(demand, reviewed, nodes)}
    shortfalls = {}
    for place in sorted(places, key=_name_order):
        if problems := tuple(_fill(ledger, demand, place)):
            shortfalls[place] = problems
    allocations, holdings = ledger.closed()
    return Allotment(
        allocations=allocations,
        holdings=holdings,
        shortfalls=shortfalls,
        unnumbered=unnumbered,
        refusals=refusals,
    )


def _name_order(place: Place) -> tuple[str, str, str]:
    return place.network.namespace, place.network.name, place.node


def _places(demand: Demand, networks: set[ObjectName], nodes: set[NodeName]) -> Iterator[Place]:
    for name in networks:
        for node in demand.pods.get(name, ()):
            yield Place(name, node)
    if nodes:
        for name in demand.pods.keys() - networks:
            for node in demand.pods[name].keys() & nodes:
                yield Place(name, node)


def _number_nodes(ledger: Ledger, demand: Demand, nodes: Collection[NodeName]) -> Mapping[NodeName, Problem]:
    """Retire, return and number; a problem for each node that finds no number."""
    for node in nodes:
        entry = ledger.nodes.get(node)
        if entry is None:
            continue
        if node not in demand.nodes and entry.retired_in is None:
            ledger.retire_node(node)
        elif node in demand.nodes and entry.retired_in is not None:
            ledger.admit_node(node, entry.number)
    new = sorted(node for node in nodes if node in demand.nodes and node not in ledger.nodes)
    if new:
        numbers = free_numbers(ledger.nodes, ledger.confirmed)
        for node, (number, former) in zip(new, numbers, strict=False):
            if former is not None:
                ledger.drop_node(former)
            ledger.admit_node(node, number)
    return {node: _no_number("ATL756", f"Node {node}", None) for node in new if node not in ledger.nodes}


def _number_networks(ledger: Ledger, demand: Demand, names: Collection[ObjectName]) -> tuple[Problem, ...]:
    """Retire, reopen and number; a problem for each network that finds no number."""
    for name in names:
        entry = ledger.networks.get(name)
        if entry is None:
            continue
        if name not in demand.networks and entry.retired_in is None:
            ledger.retire_network(name)
        elif name in demand.networks and entry.retired_in is not None:
            ledger.reopen(name)
    new = sorted(name for name in names if name in demand.networks and name not in ledger.networks)
    if new:
        numbers = free_numbers(ledger.networks, ledger.confirmed)
        for name, (number, former) in zip(new, numbers, strict=False):
            if former is not None:
                ledger.drop_network(former)
            ledger.admit(name, number)
    return tuple(
        _no_number("ATL752", f"VirtualNetwork {name}", demand.networks[name].origin)
        for name in new
        if name not in ledger.networks
    )


def _no_number(code: str, subject: str, origin: Origin | None) -> Problem:
    reason = f"all {MAX_NUMBER:,} numbers are taken, or were by something not yet confirmed gone"
    return found(code, origin=origin, subject=subject, reason=reason)


def _review(ledger: Ledger, demand: Demand, network: VirtualNetwork) -> None:
    """Retire the blocks that lost their subnet or node, return those that found both again."""
    if network.name not in ledger.networks:
        return
    subnets = [(subnet.prefix.version, *span(subnet.prefix)) for subnet in network.subnets]

    def grounded(prefix: Prefix, node: NodeName) -> bool:
        start, end = span(prefix)
        return node in demand.nodes and any(
            version == prefix.version and first <= start and end <= last for version, first, last in subnets
        )

    for prefix, node in list(ledger.blocks(network.name).items()):
        if not grounded(prefix, node):
            ledger.retire(network.name, prefix)
    retired = ledger.retired(network.name)
    returning = [prefix for prefix, (node, _) in retired.items() if grounded(prefix, node)]
    for prefix in sorted(returning, key=lambda prefix: (prefix.version, *span(prefix))):
        ledger.restore(network.name, prefix)


def _fill(ledger: Ledger, demand: Demand, place: Place) -> Iterator[Problem]:
    """Grant blocks until every pod of the network on the node can have an address of each family."""
    network = demand.networks.get(place.network)
    pods = demand.pods.get(place.network, {}).get(place.node, 0)
    if network is None or network.name not in ledger.networks or place.node not in ledger.nodes:
        return
    if place.node not in demand.nodes:
        return
    for version in sorted({subnet.prefix.version for subnet in network.subnets}):
        unusable = _unusable(network, version)
        held = ledger.blocks_of(network.name, place.node)
        room = sum(_room(prefix, unusable) for prefix in held if prefix.version == version)
        while room < pods:
            prefix = _next_block(ledger, demand.config, network, version, place.node)
            if prefix is None:
                yield _shortfall(network, place.node, version, pods - room)
                break
            ledger.grant(network.name, prefix, place.node)
            room += _room(prefix, unusable)


def _unusable(network: VirtualNetwork, version: int) -> frozenset[int]:
    """The first and last address of an IPv4 subnet; a /31 or /32 has neither (RFC 3021)."""
    return frozenset(
        address
        for subnet in network.subnets
        if subnet.prefix.version == version == 4 and subnet.prefix.prefixlen < 31
        for address in span(subnet.prefix)
    )


def _room(prefix: Prefix, unusable: Collection[int]) -> int:
    """How many pods a block has addresses for."""
    start, end = span(prefix)
    return end - start + 1 - sum(start <= address <= end for address in unusable)


def _next_block(
    ledger: Ledger, config: ClusterConfig, network: VirtualNetwork, version: int, node: NodeName
) -> Prefix | None:
    """The lowest free position; a subnet smaller than a block is one block."""
    length = config.block_size_v4 if version == 4 else config.block_size_v6
    taken = (ledger.taken_in(network.name, version), ledger.taken_on(node, version))
    for subnet in network.subnets:
        if subnet.prefix.version != version:
            continue
        size = 1 << (BITS[version] - max(length, subnet.prefix.prefixlen))
        start = lowest_free(*span(subnet.prefix), size, *taken)
        if start is not None:
            return prefix_at(version, start, size)
    return None


def _shortfall(network: VirtualNetwork, node: NodeName, version: int, pods: int) -> Problem:
    return found(
        "ATL751",
        origin=network.origin,
        subject=f"VirtualNetwork {network.name}",
        reason=f"its IPv{version} subnets have no block left for node {node}: {pods} pods there wait",
        remedy=f"Add an IPv{version} subnet to VirtualNetwork {network.name}, or widen one of its subnets",
    )
