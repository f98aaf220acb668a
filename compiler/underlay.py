"""Over which address each node is reached by the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.catalogue import found
from compiler.inventory import Node
from compiler.model import Address
from compiler.names import NodeName
from compiler.problem import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Underlay:
    addresses: Mapping[NodeName, Address] = field(default_factory=dict)
    """Nodes without an entry take no part."""
    problems: tuple[Problem, ...] = ()


def underlay_of(nodes: Mapping[NodeName, Node]) -> Underlay:
    """One family for all: IPv4 where every node has it, else IPv6 where every node has that, else IPv4.

    A node that reports no address at all has no say: it is only just joining.
    """
    reporting = [node for node in nodes.values() if node.addresses]
    version = 4
    if not all(_first(node, 4) for node in reporting) and all(_first(node, 6) for node in reporting):
        version = 6
    addresses, problems = {}, []
    for name in sorted(nodes):
        address = _first(nodes[name], version)
        if address is not None:
            addresses[name] = address
        else:
            problems.append(_without(name, version))
    return Underlay(addresses=addresses, problems=tuple(problems))


def _first(node: Node, version: int) -> Address | None:
    return next((address for address in node.addresses if address.version == version), None)


def _without(node: NodeName, version: int) -> Problem:
    return found(
        "ATL755",
        origin=None,
        subject=f"Node {node}",
        reason=f"its status has no IPv{version} address, by which the nodes of this cluster reach each other",
    )
