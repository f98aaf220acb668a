"""Who may send VXLAN packets to a node, and who is kept from sending them to others."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from compiler.names import NodeName
from verifier.evaluate import Kernel
from verifier.fabric import Fabric
from verifier.intervals import Intervals, intersect, intersects, point, prefix_interval, subtract, union
from verifier.outcome import Fate, Flow
from verifier.packets import Box, Packet, Tracking, any_address
from verifier.rights import NOBODYS
from verifier.state import TO_THE_NODE
from verifier.surroundings import foreign_links, is_foreign
from verifier.violation import Example, Kind, Violation

UDP: Final = 17


def check_underlay(fabric: Fabric, kernel: Kernel) -> Iterator[Violation]:
    """Packets of the overlay's port, by every device that is not ours."""
    takers = fabric.meaning.takers_of(fabric.name)
    if not fabric.vxlans and not takers:
        return
    of_each_sort = tuple(foreign_links(fabric.node))
    for family in (4, 6):
        for link in dict.fromkeys((*of_each_sort, *_leading_to_nodes(fabric, kernel, family))):
            yield from _of_link(fabric, kernel, link, _underlays(fabric, takers, family), family)


def _leading_to_nodes(fabric: Fabric, kernel: Kernel, family: int) -> Iterator[str]:
    """A node may have several devices of a sort, and the overlay comes by those that lead to its nodes."""
    nodes = _underlays(fabric, fabric.meaning.nodes.keys() - {fabric.name}, family)
    for link in fabric.node.state.links.values():
        if is_foreign(link) and intersects(kernel.routing.leads_back(family, link.name), nodes):
            yield link.name


def _of_link(
    fabric: Fabric, kernel: Kernel, link: str, takers: Intervals, family: int
) -> Iterator[Violation]:
    """`takers`: addresses of the nodes that take what comes from this one."""
    meaning = fabric.meaning
    cluster = _underlays(fabric, meaning.nodes.keys() - {fabric.name}, family)
    known = _underlays(fabric, meaning.known_to(fabric.name), family)
    leading_back = kernel.routing.leads_back(family, link)
    here = fabric.own_addresses[family]
    if here and fabric.vxlans:
        flows = kernel.arrive(link, _overlay(fabric, family, here))
        taken = union(i for f in flows if f.outcome.fate is Fate.LOCAL for i in f.packets.saddr)
        strangers = subtract(taken, intersect(cluster, leading_back))
        missing = subtract(intersect(known, leading_back), taken)
        if strangers:
            sentence = "VXLAN packets are taken from who is no node there: he can speak as any network"
            yield _shown(fabric, Kind.FORGED, sentence, link, _of(flows, strangers), strangers)
        if missing:
            sentence = "VXLAN packets of a node that has pods of networks here are not taken"
            yield _shown(fabric, Kind.BLOCKED, sentence, link, _of(flows, missing), missing)
    yield from _spared(fabric, kernel, link, family, leading_back)
    guarded = union((*known, *takers))
    for flow in kernel.arrive(link, _overlay(fabric, family, guarded)) if guarded else ():
        if flow.outcome.fate is Fate.OUTSIDE:
            sentence = "VXLAN packets of others are passed on to a node, which may take them for this one's"
            yield _shown(fabric, Kind.FORGED, sentence, link, flow, flow.packets.saddr)
            return


def _spared(
    fabric: Fabric, kernel: Kernel, link: str, family: int, sources: Intervals
) -> Iterator[Violation]:
    """The default network may use the same port for something else."""
    others = subtract(any_address(family), _underlays(fabric, fabric.meaning.nodes.keys(), family))
    nobodys = union(
        (int(prefix.network_address), int(prefix.broadcast_address))
        for prefix in NOBODYS
        if prefix.version == family
    )
    others = subtract(subtract(others, _taken(fabric, family)), nobodys)
    box = replace(_overlay(fabric, family, others), saddr=sources)
    for flow in kernel.arrive(link, box) if sources else ():
        if flow.outcome.fate is Fate.DROPPED and not flow.outcome.reason.startswith("kernel:"):
            sentence = "packets of the default network to the overlay's port are dropped, to whomever they go"
            yield _shown(fabric, Kind.TOUCHED, sentence, link, flow, flow.packets.saddr)
            return


def _taken(fabric: Fabric, family: int) -> Intervals:
    """Where the node is whom they go to: its addresses, and those of broadcasts in its tables."""
    routes = (route for route in fabric.node.state.routes if route.family == family)
    ends = (
        prefix_interval(family, route.network, route.length) for route in routes if route.kind in TO_THE_NODE
    )
    return union((*fabric.own_addresses[family], *ends))


def _underlays(fabric: Fabric, nodes: Collection[NodeName], family: int) -> Intervals:
    found = (node.underlay for name, node in fabric.meaning.nodes.items() if name in nodes)
    return union((int(address), int(address)) for address in found if address.version == family)


def _overlay(fabric: Fabric, family: int, daddr: Intervals) -> Box:
    return Box(
        family=family,
        saddr=any_address(family),
        daddr=daddr,
        protocol=point(UDP),
        dport=point(fabric.meaning.config.vxlan_port),
        tracking=int(Tracking.NEW),
    )


def is_of_overlay(fabric: Fabric, packets: Box) -> bool:
    ports = (packets.protocol, packets.dport)
    return ports == (point(UDP), point(fabric.meaning.config.vxlan_port))


def _of(flows: tuple[Flow, ...], sources: Intervals) -> Flow:
    return next(flow for flow in flows if intersect(flow.packets.saddr, sources))


def _shown(fabric: Fabric, kind: Kind, sentence: str, link: str, flow: Flow, sources: Intervals) -> Violation:
    packet = Packet(
        family=flow.packets.family,
        saddr=intersect(flow.packets.saddr, sources)[0][0],
        daddr=flow.packets.daddr[0][0],
        protocol=UDP,
        dport=fabric.meaning.config.vxlan_port,
    )
    return Violation(
        kind=kind,
        node=fabric.name,
        sentence=sentence,
        found=f"{flow.outcome.fate} {flow.outcome.reason}".rstrip(),
        example=Example(link=link, sender="somebody on the underlay", packet=packet),
    )
