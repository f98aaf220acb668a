"""Whether allocations that were read from a file can be true at all.

They outlive every release and are copied, restored and merged by hand. Two networks with one number would
be one network on every node, so what contradicts itself is not taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from compiler.allocations import Allocations, NetworkAllocation, NodeAllocation
from compiler.ledger import span
from compiler.model import Prefix
from compiler.names import MAX_NUMBER, NodeName, ObjectName


def contradiction(allocations: Allocations) -> str | None:
    """The first reason why the allocations cannot be true; None if there is none."""
    return next(_contradictions(allocations), None)


def _contradictions(allocations: Allocations) -> Iterator[str]:
    if not 0 <= allocations.confirmed <= allocations.generation:
        yield f"confirmed is {allocations.confirmed}, and generation {allocations.generation}"
    yield from _numbers("network", allocations.networks)
    yield from _numbers("node", allocations.nodes)
    in_force = {name: entry for name, entry in allocations.networks.items() if entry.retired_in is None}
    for name, entry in in_force.items():
        yield from _overlaps(f"network {name}", entry.blocks)
    for node, blocks in _by_node(in_force).items():
        yield from _overlaps(f"node {node}", blocks)


def _numbers(
    what: str, entries: Mapping[ObjectName, NetworkAllocation] | Mapping[NodeName, NodeAllocation]
) -> Iterator[str]:
    holders: dict[int, ObjectName | NodeName] = {}
    for name, entry in entries.items():
        if not 1 <= entry.number <= MAX_NUMBER:
            yield f"the number of {what} {name} is {entry.number}, and must be 1 to {MAX_NUMBER}"
        holder = holders.setdefault(entry.number, name)
        if holder is not name:
            yield f"{what}s {holder} and {name} both have number {entry.number}"


def _by_node(networks: Mapping[ObjectName, NetworkAllocation]) -> Mapping[NodeName, list[Prefix]]:
    blocks: dict[NodeName, list[Prefix]] = {}
    for entry in networks.values():
        for prefix, node in entry.blocks.items():
            blocks.setdefault(node, []).append(prefix)
    return blocks


def _overlaps(holder: str, blocks: Iterable[Prefix]) -> Iterator[str]:
    spans = sorted(
        ((prefix.version, *span(prefix), prefix) for prefix in blocks), key=lambda s: (s[0], s[1], -s[2])
    )
    for (version, _, end, one), (next_version, start, _, other) in pairwise(spans):
        if version == next_version and start <= end:
            yield f"the blocks {one} and {other} of {holder} overlap"
