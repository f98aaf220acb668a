"""What is around Atoll on a node: real in a dump, assumed where only our part is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compiler.names import NodeName
from verifier.default_network import with_default_network
from verifier.fabric import OURS
from verifier.meaning import Meaning
from verifier.routing import LOOPBACK
from verifier.state import Link, Node


def surrounded(meaning: Meaning, node: Node) -> Node:
    """The node itself where it has a device that is not ours."""
    if any(True for _ in foreign_links(node)):
        return node
    addresses = meaning.nodes[NodeName(node.name)].addresses
    own = [(address.version, int(address)) for address in addresses]
    return replace(node, state=with_default_network(node.state, own))


def foreign_links(node: Node) -> Iterator[str]:
    """One of each sort of device that is not ours: rules see no difference between others of a sort."""
    seen = set()
    asked = {rule.input_link for rule in node.state.rules}
    for link in node.state.links.values():
        by_name = link.name if link.name in asked else ""
        sort = (link.group, link.kind, link.master, bool(link.addresses), by_name)
        if is_foreign(link) and sort not in seen:
            seen.add(sort)
            yield link.name


def is_foreign(link: Link) -> bool:
    return link.group not in OURS and link.name != LOOPBACK and link.kind != "vrf"
