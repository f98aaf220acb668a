"""The cluster as it is against the ranges that the ClusterConfig gives it.

All of it is a warning: an error would let one node that joins stand against every commit. Each rule
gives one problem, with examples, for a wrong range concerns a thousand nodes at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import nsmallest
from itertools import islice

from compiler.catalogue import found
from compiler.inventory import Node, Service
from compiler.ledger import span
from compiler.model import Address, ClusterConfig, Prefix, VirtualNetwork
from compiler.names import NodeName, ObjectName
from compiler.problem import Problem

NAMED = 3
"""So many examples a message gives."""


def node_mismatches(nodes: Mapping[NodeName, Node], config: ClusterConfig) -> tuple[Problem, ...]:
    """What nodes say of themselves, against each other and the ClusterConfig; networks aside."""
    ordered = [nodes[name] for name in sorted(nodes)]
    problems = [
        *_outside_node_ranges(ordered, config),
        *_shared(ordered),
        *_inside_other_ranges(ordered, config),
        *_pod_ranges_outside(ordered, config),
    ]
    return tuple(problems)


def _internal(node: Node) -> Iterator[Address]:
    return (address for address in node.addresses if address not in node.external)


def _outside_node_ranges(nodes: Iterable[Node], config: ClusterConfig) -> Iterator[Problem]:
    """Those in a range of something else are told of as such."""
    claimed = (*config.node_ranges, *(prefix for _, ranges in _other_ranges(config) for prefix in ranges))
    outside = [
        f"{node.name} at {address}"
        for node in nodes
        for address in _internal(node)
        if not _holds(claimed, address)
    ]
    if outside:
        reason = f"its nodeRanges do not hold {_count(outside, 'address', 'of nodes')}: {_examples(outside)}"
        yield found("ATL758", origin=config.origin, subject="ClusterConfig", reason=reason)


def _shared(nodes: Iterable[Node]) -> Iterator[Problem]:
    having: dict[Address, list[NodeName]] = {}
    for node in nodes:
        for address in _internal(node):
            having.setdefault(address, []).append(node.name)
    shared = [
        f"{address} of {', '.join(names[:NAMED])}{' and others' if len(names) > NAMED else ''}"
        for address, names in having.items()
        if len(names) > 1
    ]
    if shared:
        verb = "is" if len(shared) == 1 else "are"
        reason = f"{_count(shared, 'address')} {verb} of two nodes or more: {_examples(shared)}"
        yield found("ATL759", origin=None, subject="Nodes", reason=reason)


def _inside_other_ranges(nodes: Collection[Node], config: ClusterConfig) -> Iterator[Problem]:
    for field, ranges in _other_ranges(config):
        inside = [
            f"{node.name} at {address}"
            for node in nodes
            for address in node.addresses
            if _holds(ranges, address)
        ]
        if inside:
            reason = f"its {field} hold {_count(inside, 'address', 'of nodes')}: {_examples(inside)}"
            yield found("ATL760", origin=config.origin, subject="ClusterConfig", reason=reason)


def _other_ranges(config: ClusterConfig) -> Iterator[tuple[str, tuple[Prefix, ...]]]:
    yield "podRanges", config.pod_ranges
    yield "serviceRanges", config.service_ranges
    yield "host-link ranges", (config.host_links_v4, config.host_links_v6)


def _pod_ranges_outside(nodes: Iterable[Node], config: ClusterConfig) -> Iterator[Problem]:
    outside = [
        f"{prefix} of {node.name}"
        for node in nodes
        for prefix in node.pod_ranges
        if not any(_within(prefix, wider) for wider in config.pod_ranges)
    ]
    if outside:
        reason = f"its podRanges do not hold {_count(outside, 'range', 'of nodes')}: {_examples(outside)}"
        yield found("ATL761", origin=config.origin, subject="ClusterConfig", reason=reason)


def nodes_inside(
    network: VirtualNetwork, addresses: Mapping[int, list[int]], nodes: Mapping[NodeName, Node]
) -> Problem | None:
    """Where a subnet holds addresses of nodes; `addresses` are all of them by IP version, ascending."""
    for subnet in network.subnets:
        first, last = span(subnet.prefix)
        known = addresses[subnet.prefix.version]
        position = bisect_left(known, first)
        if position < len(known) and known[position] <= last:
            inside = [
                f"{name} at {address}"
                for name in sorted(nodes)
                for address in nodes[name].addresses
                if _holds((subnet.prefix,), address)
            ]
            reason = f"its subnet {subnet.prefix} holds {_count(inside, 'address', 'of nodes')}"
            return found(
                "ATL762",
                origin=subnet.origin,
                subject=f"VirtualNetwork {network.name}",
                reason=f"{reason}: {_examples(inside)}",
            )
    return None


def foreign_address(service: Service, config: ClusterConfig) -> Address | None:
    """The Service's first cluster address that is not in the service ranges."""
    outside = (a for a in service.cluster_addresses if not _holds(config.service_ranges, a))
    return next(outside, None)


def foreign_services(foreign: Mapping[ObjectName, Address], config: ClusterConfig) -> tuple[Problem, ...]:
    if not foreign:
        return ()
    examples = [f"{name} at {foreign[name]}" for name in nsmallest(NAMED, foreign)]
    reason = (
        f"its serviceRanges do not hold {_count(foreign, 'address', 'of Services')}: "
        f"{_examples(examples, len(foreign))}"
    )
    return (found("ATL763", origin=config.origin, subject="ClusterConfig", reason=reason),)


def _holds(ranges: Iterable[Prefix], address: Address) -> bool:
    return any(address in prefix for prefix in ranges)


def _within(inner: Prefix, outer: Prefix) -> bool:
    (first, last), (start, end) = span(inner), span(outer)
    return inner.version == outer.version and start <= first and last <= end


def _count(some: Collection[object], noun: str, whose: str = "") -> str:
    plural = "" if len(some) == 1 else "es" if noun.endswith("s") else "s"
    return f"{len(some)} {noun}{plural} {whose}".rstrip()


def _examples(examples: Iterable[str], number: int | None = None) -> str:
    listed = list(examples)
    number = len(listed) if number is None else number
    more = f" and {number - NAMED} more" if number > NAMED else ""
    return ", ".join(islice(listed, NAMED)) + more
