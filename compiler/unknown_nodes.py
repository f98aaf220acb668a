"""Pods bound to nodes that the inventory does not hold, told once for all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from heapq import nsmallest

from compiler.catalogue import found
from compiler.names import NodeName, ObjectName
from compiler.placement import Seat
from compiler.problem import Problem

NAMED = 3
"""So many nodes, and so many pods of each, a message names."""


def unknown_nodes(
    seats: Mapping[NodeName, Mapping[ObjectName, Seat]], nodes: Collection[NodeName]
) -> tuple[Problem, ...]:
    """At most one problem; a cluster that lost its nodes has thousands of pods on them."""
    unknown = sorted(node for node in seats if node not in nodes)
    if not unknown:
        return ()
    pods = sum(len(seats[node]) for node in unknown)
    several = f"{len(unknown)} nodes" if len(unknown) > 1 else "a node"
    rest = f"; and {len(unknown) - NAMED} nodes more" if len(unknown) > NAMED else ""
    told = "; ".join(f"{node} has {_some(seats[node])}" for node in unknown[:NAMED])
    bound = "pod is" if pods == 1 else "pods are"
    return (
        found(
            "ATL757",
            origin=None,
            subject=f"Node {unknown[0]}" if len(unknown) == 1 else "Nodes",
            reason=f"{pods} {bound} bound to {several} that the inventory does not hold: {told}{rest}",
        ),
    )


def _some(pods: Collection[ObjectName]) -> str:
    named = ", ".join(str(name) for name in nsmallest(NAMED, pods))
    return named if len(pods) <= NAMED else f"{named} and {len(pods) - NAMED} more"
