"""Every place where packets come in to a node, and whose they may say they are there.

A journey is judged in pieces that fit together: what leaves by a VXLAN or a host link is held against what
is due to it, and whatever may arrive by one is taken as sent, at every node. So no journey needs to be
followed to its end, and each node is judged alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from compiler.names import NetworkNumber
from verifier.due import Due, DueMap
from verifier.fabric import Fabric, Port
from verifier.intervals import EMPTY, Intervals, point, subtract, union
from verifier.meaning import Meaning
from verifier.packets import any_address
from verifier.rights import Rights


class Sender(StrEnum):
    POD = "a pod"
    OVERLAY = "another node"
    HOST_LINK = "the node, by a host link"
    LEAVING = "a network, by its host link"
    FOREIGN = "the default network"
    PROCESS = "a process of the node"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    sender: Sender
    link: str
    """"" for the node's own."""
    who: str
    """For people."""
    network: NetworkNumber | None
    own: Intervals
    """Sources whose packets must fare exactly as declared."""
    tolerated: Intervals
    """Sources that may be let in, and then may do no more than declared; all others must go nowhere."""
    due: DueMap

    @property
    def asked(self) -> Intervals:
        """The destinations of such packets as really come."""
        wanted = [(first, last) for first, last, claim in self.due.regions if claim.due is not Due.UNSENT]
        return union(wanted + [(address, address) for address in self.due.ported])


def entries_of(fabric: Fabric, rights: Rights, family: int) -> Iterator[Entry]:
    for port in fabric.ports:
        if port.network in fabric.meaning.networks:
            yield _pod(fabric, rights, family, port)
    for number in sorted(fabric.vxlans):
        if number in fabric.meaning.networks:
            yield _overlay(fabric, rights, family, number)
    for number in sorted(fabric.host_links):
        if number in fabric.meaning.networks:
            yield from _host_link(fabric, rights, family, number)
    everyone = any_address(family)
    yield Entry(
        sender=Sender.PROCESS,
        link="",
        who="a process of the node",
        network=None,
        own=everyone,
        tolerated=EMPTY,
        due=rights.of_process(fabric.name, family, fabric.here),
    )


def _pod(fabric: Fabric, rights: Rights, family: int, port: Port) -> Entry:
    own = union((value, value) for version, value in port.addresses if version == family)
    return Entry(
        sender=Sender.POD,
        link=port.link,
        who=f"a pod of {fabric.meaning.networks[port.network].name}",
        network=port.network,
        own=own,
        tolerated=EMPTY,
        due=rights.of_network(port.network, fabric.name, family),
    )


def _overlay(fabric: Fabric, rights: Rights, family: int, number: NetworkNumber) -> Entry:
    """Peers' blocks lead back the same way, but their packets come by VXLANs of their own."""
    meaning, name = fabric.meaning, fabric.name
    network = meaning.networks[number]
    claimed = union((int(p.address),) * 2 for p in network.infrastructure if p.address.version == family)
    blocks = _remote_blocks(meaning, fabric, (number,), family) if number in meaning.visible(name) else EMPTY
    return Entry(
        sender=Sender.OVERLAY,
        link=fabric.vxlans[number].name,
        who=f"a pod of {network.name} on another node",
        network=number,
        own=subtract(blocks, claimed),  # what two have is contested
        tolerated=_remote_blocks(meaning, fabric, network.reach, family),
        due=rights.of_network(number, name, family),
    )


def _remote_blocks(
    meaning: Meaning, fabric: Fabric, networks: Iterable[NetworkNumber], family: int
) -> Intervals:
    return union(
        (int(prefix.network_address), int(prefix.broadcast_address))
        for number in networks
        for node, prefixes in meaning.networks[number].blocks.items()
        if node != fabric.name and node in meaning.nodes
        for prefix in prefixes
        if prefix.version == family
    )


def host_link_address(meaning: Meaning, family: int, number: NetworkNumber) -> int:
    """The end inside the VRF: the source of all that the network sends out by its host link."""
    return int(meaning.host_links(family).network_address) + 2 * number + 1


def _host_link(fabric: Fabric, rights: Rights, family: int, number: NetworkNumber) -> Iterator[Entry]:
    network, link = fabric.meaning.networks[number], fabric.host_links[number]
    if family not in network.versions:
        return
    inside = host_link_address(fabric.meaning, family, number)
    yield Entry(
        sender=Sender.HOST_LINK,
        link=link.name,
        who=f"a process of the node, by the host link of {network.name}",
        network=number,
        own=point(inside - 1),
        tolerated=any_address(family),
        due=rights.of_network(number, fabric.name, family),
    )
    if link.peer:
        yield Entry(
            sender=Sender.LEAVING,
            link=link.peer,
            who=f"a pod of {network.name}, by its host link",
            network=number,
            own=point(inside),
            tolerated=EMPTY,
            due=rights.of_host_link(number, family, fabric.here),
        )


def foreign_entry(fabric: Fabric, rights: Rights, family: int, link: str) -> Entry:
    return Entry(
        sender=Sender.FOREIGN,
        link=link,
        who="somebody in the default network",
        network=None,
        own=any_address(family),
        tolerated=EMPTY,
        due=rights.of_outsider(fabric.name, family, fabric.here),
    )
