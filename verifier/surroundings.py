"""What is around Atoll on a node: real in a dump, and where only our part is known, the least there must be.

A layout text holds none of the node's own devices. Two stand in for them: one with the node's addresses,
by which everything is reached that is not ours, and one of a pod of the default network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from compiler.names import NodeName
from verifier.fabric import OURS
from verifier.meaning import Meaning
from verifier.state import MAIN_TABLE, Link, LinkAddress, Node, Route

OUTSIDE: Final = "outside"
DEFAULT_POD: Final = "default-pod"
_LOOPBACK: Final = "lo"


def surrounded(meaning: Meaning, node: Node) -> Node:
    """The node itself where it has a device that is not ours."""
    if any(True for _ in foreign_links(node)):
        return node
    outside = Link(
        name=OUTSIDE,
        kind="",
        addresses=tuple(
            LinkAddress(address=(address.version, int(address)), length=address.max_prefixlen)
            for address in meaning.nodes[NodeName(node.name)].addresses
        ),
    )
    routes = tuple(
        Route(family=family, table=MAIN_TABLE, network=0, length=0, link=OUTSIDE) for family in (4, 6)
    )
    state = node.state
    links = {**state.links, OUTSIDE: outside, DEFAULT_POD: Link(name=DEFAULT_POD, kind="veth")}
    return replace(node, state=replace(state, links=links, routes=(*state.routes, *routes)))


def foreign_links(node: Node) -> Iterator[str]:
    """One of each sort of device that is not ours: rules see no difference between others of a sort."""
    seen = set()
    for link in node.state.links.values():
        sort = (link.group, link.kind, link.master, bool(link.addresses))
        if link.group not in OURS and link.name != _LOOPBACK and link.kind != "vrf" and sort not in seen:
            seen.add(sort)
            yield link.name
