"""Numbers and blocks: every earlier decision is kept, and new ones take the lowest that is free.

- A network keeps its number and a node its blocks whatever else is added, removed or renamed, and
  whether or not pods still use them.
- What loses its ground (its network, subnet or node) is retired with the generation that ends it.
  It returns to its former owner as soon as the ground returns.
- Something else may take it only once `Allocations.confirmed` has reached that generation: until
  then a node may still act on it.
- An address that a pod asks for is a block of its own on the pod's node, where no block of the node
  holds it; the block is retired once no pod asks for it there, or runs with it.
- A new block is the lowest position of the network's subnets, in declared order, that is free in the
  network and overlaps no block of another network on its node: an address is unique on its node. Where
  none of the whole size is free, as around addresses that pods ask for, it is the largest that is.

`reallocate` looks only at what is touched and at earlier shortfalls; everything else is at rest,
so that it gives what `allocate` would give.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

from compiler.allocations import Allocations
from compiler.catalogue import found
from compiler.demand import Demand, Place, by_name
from compiler.ledger import BITS, Account, Holdings, Ledger, holdings_of, span
from compiler.membership import Refusal
from compiler.model import Address, ClusterConfig, Prefix, VirtualNetwork
from compiler.names import MAX_NUMBER, NodeName, ObjectName
from compiler.numbering import free_numbers
from compiler.plan import is_single
from compiler.problem import Origin, Problem
from compiler.ranges import lowest_free
from compiler.singles import grant_asked, nodes_with_singles

MORE_THAN_PODS = 256
"""So many addresses a node may need beside its pods': released ones rest, and pods are on their way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Touched:
    """What differs from the demand before."""

    networks: Collection[ObjectName] = ()
    """Declared, changed or no longer declared."""
    nodes: Collection[NodeName] = ()
    """Come or gone."""
    places: Collection[Place] = ()
    """Where the number of pods is another, or what they ask for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allotment:
    """Allocations, and what the next run needs to go on from them."""

    allocations: Allocations
    holdings: Holdings
    shortfalls: Mapping[Place, tuple[Problem, ...]] = field(default_factory=dict)
    """Demand that no subnet could meet."""
    unmet: Mapping[Place, Mapping[Address, Refusal]] = field(default_factory=dict)
    """Addresses asked for that their node could not get."""
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
    for name in sorted(reviewed & demand.networks.keys() & ledger.networks.keys()):
        _review(ledger, demand, demand.networks[name])
    places = {*touched.places, *previous.shortfalls, *previous.unmet, *_places(demand, reviewed, nodes)}
    for name in reviewed & ledger.networks.keys() & demand.networks.keys():
        places.update(Place(name, node) for node in nodes_with_singles(ledger, demand.networks[name]))
    unmet = dict(grant_asked(ledger, demand, places))
    shortfalls = dict(_fill(ledger, demand, places))
    allocations, holdings = ledger.closed()
    return Allotment(
        allocations=allocations,
        holdings=holdings,
        shortfalls=shortfalls,
        unmet=unmet,
        unnumbered=unnumbered,
        refusals=refusals,
    )


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
    """Retire and number; a problem for each network that finds no number.

    A deleted network that is declared again keeps its own: `free_numbers` gives it to nobody.
    """
    for name in names:
        entry = ledger.networks.get(name)
        if entry is not None and entry.retired_in is None and name not in demand.networks:
            ledger.retire_network(name)
    new = sorted(name for name in names if name in demand.networks and name not in ledger.networks)
    if new:
        returning = {
            name: replace(ledger.networks[name], retired_in=None)
            for name in names
            if name in demand.networks and name in ledger.networks
        }
        numbers = free_numbers({**ledger.networks, **returning}, ledger.confirmed)
        for name, (number, former) in zip(new, numbers, strict=False):
            if former is not None:
                ledger.drop_network(former)
            ledger.admit_network(name, number)
    return tuple(
        _no_number("ATL752", f"VirtualNetwork {name}", demand.networks[name].origin)
        for name in new
        if name not in ledger.networks
    )


def _no_number(code: str, subject: str, origin: Origin | None) -> Problem:
    reason = f"all {MAX_NUMBER:,} numbers are taken, or were by something not yet confirmed gone"
    return found(code, origin=origin, subject=subject, reason=reason)


def _review(ledger: Ledger, demand: Demand, network: VirtualNetwork) -> None:
    """Retire the blocks that lost their subnet or node, return those that found both again.

    One of a single address returns to who asks for it (`compiler.singles`).
    """
    account = ledger.account(network.name)
    subnets = [(subnet.prefix.version, *span(subnet.prefix)) for subnet in network.subnets]

    def grounded(prefix: Prefix, node: NodeName) -> bool:
        if node not in demand.nodes:
            return False
        start, end = span(prefix)
        return any(
            first <= start and end <= last and version == prefix.version for version, first, last in subnets
        )

    prefixes = {subnet.prefix for subnet in network.subnets}
    lost = [prefix for prefix, node in account.blocks.items() if not grounded(prefix, node)]
    returning = [
        prefix
        for prefix, (node, _) in account.retired.items()
        if grounded(prefix, node) and not is_single(prefix, prefixes)
    ]
    for prefix in lost:
        ledger.retire(account, prefix)
    for prefix in sorted(returning, key=lambda prefix: (prefix.version, *span(prefix))):
        ledger.restore(account, prefix)


def _places(demand: Demand, networks: set[ObjectName], nodes: set[NodeName]) -> Iterator[Place]:
    """Where pods may now find what they lacked."""
    for name in networks:
        for node in demand.pods.get(name, ()):
            yield Place(name, node)
    if nodes:
        for name in demand.pods.keys() - networks:
            for node in demand.pods[name].keys() & nodes:
                yield Place(name, node)


def _fill(
    ledger: Ledger, demand: Demand, places: Iterable[Place]
) -> Iterator[tuple[Place, tuple[Problem, ...]]]:
    """Grant blocks, by network and node, until every pod there can have an address of each family."""
    for name, some in groupby(sorted(places, key=by_name), key=lambda place: place.network):
        network = demand.networks.get(name)
        if network is None or name not in ledger.networks:
            continue
        account, families = ledger.account(name), _families(network, demand.config)
        for place in some:
            if place.node not in demand.nodes or place.node not in ledger.nodes:
                continue
            problems = tuple(
                _shortfall(network, place.node, family.version, missing)
                for family in families
                if (missing := _fill_family(ledger, account, family, place, demand))
            )
            if problems:
                yield place, problems


@dataclass(frozen=True, kw_only=True, slots=True)
class _Family:
    """A network's addresses of one family, as integers."""

    version: int
    prefixes: frozenset[Prefix]
    subnets: tuple[tuple[int, int, int], ...]
    """First and last address, and the size of a block: the whole subnet where that is smaller."""
    unusable: frozenset[int]
    """The first and last address of an IPv4 subnet; a /31 or /32 has neither (RFC 3021)."""

    def room(self, start: int, end: int) -> int:
        """For how many pods a block has addresses."""
        room = end - start + 1
        for address in self.unusable:
            if start <= address <= end:
                room -= 1
        return room


def _families(network: VirtualNetwork, config: ClusterConfig) -> tuple[_Family, ...]:
    lengths = {4: config.block_size_v4, 6: config.block_size_v6}
    return tuple(
        _Family(
            version=version,
            prefixes=frozenset(prefixes),
            subnets=tuple(
                (*span(prefix), 1 << (BITS[version] - max(length, prefix.prefixlen))) for prefix in prefixes
            ),
            unusable=frozenset(
                address
                for prefix in prefixes
                if version == 4 and prefix.prefixlen < 31
                for address in span(prefix)
            ),
        )
        for version, length in lengths.items()
        if (prefixes := [s.prefix for s in network.subnets if s.prefix.version == version])
    )


def _fill_family(ledger: Ledger, account: Account, family: _Family, place: Place, demand: Demand) -> int:
    """How many pods still lack an address."""
    held = [prefix for prefix in ledger.blocks_of(account, place.node) if prefix.version == family.version]
    shared = [prefix for prefix in held if not is_single(prefix, family.prefixes)]
    needed = _needed(demand, place, family.version, shared)
    room = sum(family.room(*span(prefix)) for prefix in shared)
    while room < needed:
        position = _next_block(ledger, account, family, place.node)
        if position is None:
            return needed - room
        start, size = position
        ledger.grant(account, place.node, family.version, start, size)
        room += family.room(start, start + size - 1)
    return 0


def _needed(demand: Demand, place: Place, version: int, shared: Collection[Prefix]) -> int:
    """Addresses that the place needs in the blocks that any pod is served from.

    A node that says it needs more than its pods is believed up to a bound, and only where it has pods.
    """
    pods = demand.pods.get(place.network, {}).get(place.node, 0)
    needed = pods
    for address in demand.asked.get(place, ()):
        if address.version == version and not any(address in prefix for prefix in shared):
            needed -= 1  # it comes apart
    if pods and place.node in demand.wanted:
        wanted = demand.wanted[place.node].get(place.network, 0)
        needed = max(needed, min(wanted, pods + MORE_THAN_PODS))
    return needed


def _next_block(ledger: Ledger, account: Account, family: _Family, node: NodeName) -> tuple[int, int] | None:
    """Start and size of the lowest free position; of half the size where none is, and so on down to two."""
    taken = (account.taken(family.version), ledger.taken_on(node, family.version))
    largest = max(size for _, _, size in family.subnets)
    for halvings in range(largest.bit_length() - 1):
        for first, last, whole in family.subnets:
            size = whole >> halvings
            start = lowest_free(first, last, size, *taken) if size > 1 else None
            if start is not None:
                return start, size
    return None


def _shortfall(network: VirtualNetwork, node: NodeName, version: int, pods: int) -> Problem:
    return found(
        "ATL751",
        origin=network.origin,
        subject=f"VirtualNetwork {network.name}",
        reason=f"its IPv{version} subnets have no block left for node {node}, "
        f"where {pods} {'pod waits' if pods == 1 else 'pods wait'}",
        remedy=f"Add an IPv{version} subnet to VirtualNetwork {network.name}, or widen one of its subnets",
    )
