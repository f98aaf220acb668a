"""Routing domains: the connected components of who talks to whom, free of overlapping subnets.

Networks of one domain exchange routes with a common neighbour at least, so two of them with one
prefix would meet in its table. Networks that no chain of connections joins never share a table, and
may overlap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from compiler.catalogue import found
from compiler.model import Subnet, VirtualNetwork
from compiler.names import ObjectName
from compiler.problem import Problem
from compiler.routers import Cause, Connection

Connections = Mapping[ObjectName, tuple[Connection, ...]]


def domains_of(
    networks: Iterable[ObjectName], connections: Iterable[Connection]
) -> Mapping[ObjectName, frozenset[ObjectName]]:
    """The domain of each network, one shared set for each domain."""
    above = {network: network for network in networks}

    def root(network: ObjectName) -> ObjectName:
        while (parent := above[network]) is not network:
            above[network] = above[parent]
            network = parent
        return network

    for connection in connections:
        top = root(next(iter(connection.left)))
        for side in (connection.left, connection.right):
            for network in side:
                above[root(network)] = top
    members: dict[ObjectName, list[ObjectName]] = {}
    for network in above:
        members.setdefault(root(network), []).append(network)
    shared = {top: frozenset(domain) for top, domain in members.items()}
    return {network: shared[root(network)] for network in above}


def overlaps(
    networks: Iterable[VirtualNetwork],
    domains: Mapping[ObjectName, frozenset[ObjectName]],
    connections: Connections,
) -> Iterable[Problem]:
    """An error for each subnet that lies inside, or equals, one of another network of its domain.

    Each is held against the closest one that contains it: prefixes nest or are disjoint, so that
    finds every network that must change, without a problem for every pair.
    """
    in_domain: dict[int, list[tuple[VirtualNetwork, Subnet]]] = {}
    for network in networks:
        domain = domains[network.name]
        if len(domain) > 1:
            in_domain.setdefault(id(domain), []).extend((network, subnet) for subnet in network.subnets)
    for subnets in in_domain.values():
        for outer, inner in _nested(subnets):
            yield _overlap(outer, inner, connections)


_Owned = tuple[VirtualNetwork, Subnet]


def _nested(subnets: Sequence[_Owned]) -> Iterable[tuple[_Owned, _Owned]]:
    """Pairs of different networks, the subnet of the second inside that of the first."""
    enclosing: list[tuple[int, int, _Owned]] = []
    for version, start, length, owned in sorted(map(_position, subnets), key=lambda p: (p[:3], _tie(p[3]))):
        end = start + (1 << ((32 if version == 4 else 128) - length)) - 1
        while enclosing and enclosing[-1][:2] < (version, start):
            enclosing.pop()
        for _, _, outer in reversed(enclosing):
            if outer[0].name != owned[0].name:
                yield outer, owned
                break
        enclosing.append((version, end, owned))


def _position(owned: _Owned) -> tuple[int, int, int, _Owned]:
    prefix = owned[1].prefix
    return prefix.version, int(prefix.network_address), prefix.prefixlen, owned


def _tie(owned: _Owned) -> tuple[ObjectName, object]:
    return owned[0].name, owned[1].origin


def _overlap(one: _Owned, other: _Owned, connections: Connections) -> Problem:
    (first, theirs), (second, ours) = sorted((one, other), key=lambda owned: owned[1].origin)
    return found(
        "ATL411",
        origin=ours.origin,
        subject=f"VirtualNetwork {second.name}",
        reason=(
            f"its subnet {ours.prefix} overlaps {theirs.prefix} of network {first.name} "
            f"({theirs.origin.place}) in one routing domain: "
            f"{path_text(second.name, path(second.name, first.name, connections))}"
        ),
    )


def path(
    start: ObjectName, goal: ObjectName, connections: Connections
) -> tuple[tuple[Cause, ObjectName], ...]:
    """A shortest chain of connections between two networks of one domain: each step's cause and end."""
    came_from: dict[ObjectName, tuple[ObjectName, Cause]] = {}
    seen = {start}
    queue = deque((start,))
    while queue and goal not in seen:
        network = queue.popleft()
        for connection in connections.get(network, ()):
            for far in sorted(connection.across(network) - seen):
                seen.add(far)
                came_from[far] = (network, connection.cause)
                queue.append(far)
    steps: list[tuple[Cause, ObjectName]] = []
    while goal in came_from:
        network, cause = came_from[goal]
        steps.append((cause, goal))
        goal = network
    return tuple(reversed(steps))


def path_text(start: ObjectName, steps: Iterable[tuple[Cause, ObjectName]]) -> str:
    return "".join((str(start), *(f" <- {cause} -> {network}" for cause, network in steps)))
