"""What must have numbers and addresses, and where."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from compiler.model import Address, ClusterConfig, VirtualNetwork
from compiler.names import NodeName, ObjectName


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
    asked: Mapping[Place, frozenset[Address]] = field(default_factory=dict)
    """Addresses that one pod each must have, whatever the others get."""
    wanted: Mapping[NodeName, Mapping[ObjectName, int]] = field(default_factory=dict)
    """How many addresses a node says that it needs, for it knows of more than its pods."""
    runs: Callable[[NodeName, Address], bool] = lambda node, address: False
    """Whether a pod of the node runs with the address."""


def by_name(place: Place) -> tuple[str, str, str]:
    return place.network.namespace, place.network.name, place.node
