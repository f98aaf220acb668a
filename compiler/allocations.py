"""Decisions that must never change once made: node numbers, network numbers, blocks.

A compilation takes the allocations of the one before it and returns them extended. What is freed is
retired, not forgotten: it returns to its former owner at once, and to another only after
`confirmed` says that every node has applied a plan of a later generation, so that nothing could
still carry it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.model import Prefix
from compiler.names import NetworkNumber, NodeName, NodeNumber, ObjectName


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkAllocation:
    """A network's number and, for each of its blocks, the node that owns it."""

    number: NetworkNumber
    blocks: Mapping[Prefix, NodeName] = field(default_factory=dict)
    retired_blocks: Mapping[Prefix, tuple[NodeName, int]] = field(default_factory=dict)
    """Former owner and the generation in which it ended."""
    retired_in: int | None = None
    """The generation in which the network was deleted; None while it is declared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeAllocation:
    number: NodeNumber
    retired_in: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocations:
    generation: int = 0
    """Grows by one with each compilation that changes any allocation."""
    confirmed: int = 0
    """Every node has applied a plan of at least this generation: what was retired up to it is free."""
    networks: Mapping[ObjectName, NetworkAllocation] = field(default_factory=dict)
    nodes: Mapping[NodeName, NodeAllocation] = field(default_factory=dict)
