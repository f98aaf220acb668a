"""Who may send VXLAN packets to a node, and who is kept from sending them to others."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.evaluate import Kernel
from verifier.fabric import Fabric
from verifier.intervals import Intervals, intersect, point, subtract, union
from verifier.outcome import Fate, Flow
from verifier.packets import Box, Packet, Tracking, any_address
from verifier.surroundings import foreign_links
from verifier.violation import Example, Kind, Violation

UDP = 17


def check_underlay(fabric: Fabric, kernel: Kernel) -> Iterator[Violation]:
    """Packets of the overlay's port, by every device that is not ours."""
    meaning, me = fabric.meaning, fabric.meaning.nodes[fabric.name]
    if not fabric.vxlans:
        return
    family = me.underlay.version
    others = [node.underlay for name, node in meaning.nodes.items() if name != fabric.name]
    cluster = union((int(address), int(address)) for address in others)
    known = union(
        (int(a), int(a)) for a in (meaning.nodes[n].underlay for n in meaning.known_to(fabric.name))
    )
    for link in foreign_links(fabric.node):
        if any(entry.address == fabric.node.address for entry in fabric.node.state.links[link].addresses):
            flows = kernel.arrive(link, _overlay(fabric, family, point(int(me.underlay))))
            yield from _received(fabric, link, flows, cluster, known)
        flows = kernel.arrive(link, _overlay(fabric, family, known)) if known else ()
        yield from _passed_on(fabric, link, flows)


def _overlay(fabric: Fabric, family: int, daddr: Intervals) -> Box:
    return Box(
        family=family,
        saddr=any_address(family),
        daddr=daddr,
        protocol=point(UDP),
        dport=point(fabric.meaning.config.vxlan_port),
        tracking=int(Tracking.NEW),
    )


def _received(
    fabric: Fabric, link: str, flows: tuple[Flow, ...], cluster: Intervals, known: Intervals
) -> Iterator[Violation]:
    taken = union(i for f in flows if f.outcome.fate is Fate.LOCAL for i in f.packets.saddr)
    strangers, missing = subtract(taken, cluster), subtract(known, taken)
    if strangers:
        sentence = "VXLAN packets are taken from an address that is no node's: it can speak as any network"
        yield _shown(fabric, Kind.FORGED, sentence, link, _of(flows, strangers), strangers)
    if missing:
        sentence = "VXLAN packets of a node that has pods of networks here are not taken"
        yield _shown(fabric, Kind.BLOCKED, sentence, link, _of(flows, missing), missing)


def _passed_on(fabric: Fabric, link: str, flows: tuple[Flow, ...]) -> Iterator[Violation]:
    for flow in flows:
        if flow.outcome.fate is Fate.OUTSIDE:
            sentence = "VXLAN packets of others are passed on to a node, which may take them for this one's"
            yield _shown(fabric, Kind.FORGED, sentence, link, flow, flow.packets.saddr)
            return


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
