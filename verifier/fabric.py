"""A node's devices by what they are for, held against the numbers that name them.

A packet's network is known from the group of its device, so each is checked by itself: two errors cannot make
up for one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from compiler.names import NetworkNumber, NodeName
from verifier.address_text import address_text
from verifier.intervals import Intervals, union
from verifier.meaning import Meaning
from verifier.routing import LOOPBACK
from verifier.state import Address, Link, Node
from verifier.violation import Kind, Violation

HOST_LINK_GROUPS: Final = 65536
OUTSIDE_GROUP: Final = 2 * 65536
OURS: Final = range(1, OUTSIDE_GROUP + 1)

Receivers: TypeAlias = Mapping[tuple[Address, int], str]
"""The hardware address of each VXLAN, by underlay address and VNI."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """A pod's port on the node."""

    link: str
    network: NetworkNumber
    addresses: frozenset[Address]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fabric:
    """A node's devices, by what they are for."""

    meaning: Meaning
    node: Node
    vrfs: Mapping[NetworkNumber, Link]
    vxlans: Mapping[NetworkNumber, Link]
    host_links: Mapping[NetworkNumber, Link]
    """The ends inside."""
    ports: tuple[Port, ...]
    strays: tuple[str, ...]
    """Devices in interface groups of ours that are none of these."""
    local: Mapping[Address, Port] = field(default_factory=dict)
    """The port of each pod."""
    serving: frozenset[Address] = frozenset()
    """Of the node's pods, those behind Services."""
    here: tuple[IPv4Address | IPv6Address, ...] = ()
    """The node's own addresses, outside VRFs."""
    pods: Mapping[int, Intervals] = field(default_factory=dict)
    """Addresses of `local`, by family."""
    own_addresses: Mapping[int, Intervals] = field(default_factory=dict)
    """Those of `here`, by family."""

    @property
    def name(self) -> NodeName:
        return NodeName(self.node.name)

    def violation(
        self, kind: Kind, sentence: str, *networks: NetworkNumber, expected: str = "", found: str = ""
    ) -> Violation:
        """Of what no single packet shows, with where the networks are declared."""
        return Violation(
            kind=kind,
            node=self.name,
            sentence=sentence,
            expected=expected,
            found=found,
            origins=self.meaning.origins(*networks),
        )


def fabric_of(meaning: Meaning, node: Node) -> Fabric:
    """Networks are told by the tables of VRFs: base plus number."""
    base, links = meaning.config.number_base, node.state.links
    vrfs = {
        NetworkNumber(link.table - base): link
        for link in links.values()
        if link.kind == "vrf" and link.table is not None and link.table > base
    }
    number_of = {link.name: number for number, link in vrfs.items()}
    members = [(number_of[link.master], link) for link in links.values() if link.master in number_of]
    addresses = _addresses(node)
    ports = tuple(
        Port(link=link.name, network=number, addresses=frozenset(addresses.get(link.name, ())))
        for number, link in members
        if link.kind == "veth" and link.peer is None
    )
    host_links = {number: link for number, link in members if link.kind == "veth" and link.peer}
    vxlans = {number: link for number, link in members if link.kind == "vxlan"}
    placed = {link.name for _, link in members} | number_of.keys()
    placed |= {link.peer for link in host_links.values() if link.peer}
    local = {address: port for port in ports for address in port.addresses}
    here = tuple(
        _parsed(entry.address)
        for link in links.values()
        if link.master is None and link.name != LOOPBACK
        for entry in link.addresses
    )
    return Fabric(
        meaning=meaning,
        node=node,
        vrfs=vrfs,
        vxlans=vxlans,
        host_links=host_links,
        ports=ports,
        strays=tuple(n for n, link in links.items() if n not in placed and link.group in OURS),
        local=local,
        serving=frozenset(
            (backing.address.version, int(backing.address))
            for offered in meaning.services.ports
            for backing in offered.backings
            if backing.node == node.name
        ),
        here=here,
        pods=_by_family(local),
        own_addresses=_by_family((address.version, int(address)) for address in here),
    )


def _by_family(addresses: Iterable[Address]) -> Mapping[int, Intervals]:
    listed = list(addresses)
    return {family: union((n, n) for version, n in listed if version == family) for family in (4, 6)}


def _addresses(node: Node) -> Mapping[str, set[Address]]:
    """By neighbours and by routes on links: either shows where the other has been forgotten."""
    found: dict[str, set[Address]] = {}
    for entry in node.state.neighbours:
        if entry.lasting:
            found.setdefault(entry.link, set()).add(entry.address)
    for route in node.state.routes:
        if route.link and route.via is None and route.length == {4: 32, 6: 128}[route.family]:
            found.setdefault(route.link, set()).add((route.family, route.network))
    return found


def receivers_of(meaning: Meaning, nodes: Iterable[Node]) -> Receivers:
    return {
        (node.address, link.vni): link.mac
        for node in nodes
        for link in node.state.links.values()
        if link.kind == "vxlan" and link.vni is not None
    }


def check_devices(fabric: Fabric) -> Iterator[Violation]:
    yield from _devices(fabric)
    yield from _ports(fabric)
    yield from _host_link_neighbours(fabric)


def _devices(fabric: Fabric) -> Iterator[Violation]:
    """Every network that the node has to do with has its devices, in the groups that its number says."""
    meaning, name = fabric.meaning, fabric.name
    visible, present = meaning.visible(name), meaning.nodes[name].present
    for number in sorted(visible.union(fabric.vrfs.keys() & meaning.networks.keys())):
        found = (
            ("VRF", fabric.vrfs.get(number), number, visible),
            ("VXLAN", fabric.vxlans.get(number), number, visible),
            ("host link", fabric.host_links.get(number), HOST_LINK_GROUPS + number, present),
        )
        for what, link, group, wanted in found:
            network = meaning.networks[number].name
            if link is None and number not in wanted:
                continue
            if link is None:
                yield fabric.violation(Kind.DEVICE, f"network {network} has no {what} here", number)
            else:
                yield from _grouped(
                    fabric, f"the {what} {link.name} of network {network}", link, group, number
                )
    for number, link in sorted(fabric.vxlans.items()):
        yield from _vxlan(fabric, number, link)
    for number, link in sorted(fabric.host_links.items()):
        outside = fabric.node.state.links.get(link.peer or "")
        if outside is not None:
            yield from _grouped(fabric, f"the host link's end {outside.name}", outside, OUTSIDE_GROUP, number)
            if outside.master is not None:
                yield fabric.violation(Kind.DEVICE, f"{outside.name} is inside {outside.master}", number)
    for stray in fabric.strays:
        yield fabric.violation(Kind.DEVICE, f"{stray} is in an interface group of networks, and of none")


def _grouped(fabric: Fabric, what: str, link: Link, group: int, number: NetworkNumber) -> Iterator[Violation]:
    if link.group != group:
        yield fabric.violation(
            Kind.DEVICE,
            f"{what} is in another interface group, so rules take it for another's",
            number,
            expected=f"group {group}",
            found=f"group {link.group}",
        )
    if not link.up:
        yield fabric.violation(Kind.DEVICE, f"{what} is down", number)


def _vxlan(fabric: Fabric, number: NetworkNumber, link: Link) -> Iterator[Violation]:
    config = fabric.meaning.config
    underlay = fabric.meaning.nodes[fabric.name].underlay
    facts = (
        ("network identifier", config.number_base + number, link.vni),
        ("UDP port", config.vxlan_port, link.port),
        ("own address", (underlay.version, int(underlay)), link.local),
    )
    for what, expected, found in facts:
        if expected != found:
            yield fabric.violation(
                Kind.DEVICE,
                f"the VXLAN {link.name} has another {what}",
                number,
                expected=str(expected),
                found=str(found),
            )


def _ports(fabric: Fabric) -> Iterator[Violation]:
    """A port is in its network's group, and its addresses are of its network's blocks of this node."""
    owner_of = fabric.meaning.seats.owner_of
    taken: dict[Address, str] = {}
    for port in fabric.ports:
        link = fabric.node.state.links[port.link]
        yield from _grouped(fabric, f"the pod port {port.link}", link, port.network, port.network)
        for family, value in sorted(port.addresses):
            owner = owner_of(fabric.name, _parsed((family, value)))
            known = fabric.meaning.networks.get(port.network)
            if owner is None or known is None or owner != known.name:
                whose = f"network {owner}'s" if owner else "no network's"
                yield fabric.violation(
                    Kind.DEVICE,
                    f"{port.link} has the address {address_text((family, value))}, {whose} on this node",
                    port.network,
                )
            other = taken.setdefault((family, value), port.link)
            if other != port.link:
                yield fabric.violation(
                    Kind.DEVICE,
                    f"{address_text((family, value))} is at two ports, {other} and {port.link}",
                    port.network,
                )


def _host_link_neighbours(fabric: Fabric) -> Iterator[Violation]:
    """Each end knows the other's hardware address: nobody is asked, so nobody can answer falsely."""
    links = fabric.node.state.links
    neighbours = fabric.node.state.neighbours
    found = {(entry.link, entry.address, entry.mac) for entry in neighbours if entry.lasting}
    for number, inside in sorted(fabric.host_links.items()):
        outside = links.get(inside.peer or "")
        if outside is None:
            continue
        for one, other in ((inside, outside), (outside, inside)):
            wanted = {(one.name, a.address, other.mac) for a in other.addresses}
            for link, address, mac in sorted(wanted - found):
                yield fabric.violation(
                    Kind.DEVICE,
                    f"{link} does not know {address_text(address)} as {mac}",
                    number,
                )


def _parsed(address: Address) -> IPv4Address | IPv6Address:
    family, value = address
    return IPv4Address(value) if family == 4 else IPv6Address(value)
