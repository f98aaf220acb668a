"""Between nodes: each next hop leads to the node that its number names, and to a VXLAN that listens there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compiler.names import NetworkNumber
from verifier.address_text import address_text
from verifier.fabric import Fabric, Receivers
from verifier.state import Neighbour
from verifier.violation import Kind, Violation


def check_overlay(fabric: Fabric, receivers: Receivers) -> Iterator[Violation]:
    """Next hops lead to the node that their number names, with the address that its VXLAN listens to."""
    meaning = fabric.meaning
    by_number = {int(node.number): node for node in meaning.nodes.values()}
    forwarding = fabric.node.state.forwarding
    towards = {(entry.link, entry.mac): entry.remote for entry in forwarding if entry.lasting}
    numbers = {link.name: number for number, link in fabric.vxlans.items()}
    for entry in fabric.node.state.neighbours:
        if entry.link not in numbers:
            continue
        number = numbers[entry.link]
        if not entry.lasting:
            yield fabric.violation(Kind.OVERLAY, f"the neighbour {_text(entry)} was learned, not set", number)
            continue
        node = by_number.get(entry.address[1] & 0xFFFF)
        if node is None or entry.address != (6, (0xFE80 << 112) | node.number):
            yield fabric.violation(Kind.OVERLAY, f"the neighbour {_text(entry)} is no node", number)
            continue
        there = (node.underlay.version, int(node.underlay))
        remote = towards.get((entry.link, entry.mac))
        if remote != there:
            yield fabric.violation(
                Kind.OVERLAY,
                f"frames for {node.name} on {entry.link} are not sent there",
                number,
                expected=str(node.underlay),
                found=address_text(remote) if remote else "no forwarding entry",
            )
        receiver = receivers.get((there, meaning.config.number_base + number))
        if receiver is not None and receiver != entry.mac:
            yield fabric.violation(
                Kind.OVERLAY,
                f"{node.name} does not take frames to {entry.mac}",
                number,
                expected=receiver,
                found=entry.mac,
            )
    yield from _forwarding(fabric, numbers)


def _forwarding(fabric: Fabric, numbers: Mapping[str, NetworkNumber]) -> Iterator[Violation]:
    """No frame of a network leaves for anyone but a node of the cluster, by an entry that is used."""
    known = {(node.underlay.version, int(node.underlay)) for node in fabric.meaning.nodes.values()}
    used = {(entry.link, entry.mac) for entry in fabric.node.state.neighbours if entry.lasting}
    for entry in fabric.node.state.forwarding:
        number = numbers.get(entry.link)
        if number is None:
            continue
        if not entry.lasting:
            sentence = f"the forwarding entry of {entry.mac} on {entry.link} was learned, not set"
            yield fabric.violation(Kind.OVERLAY, sentence, number)
            continue
        if entry.remote not in known or entry.remote == fabric.node.address:
            yield fabric.violation(
                Kind.OVERLAY,
                f"{entry.link} sends frames to {address_text(entry.remote)}, which is no other node",
                number,
            )
        elif (entry.link, entry.mac) not in used:
            yield fabric.violation(
                Kind.OVERLAY,
                f"nothing leads to {entry.mac} on {entry.link}",
                number,
            )


def _text(entry: Neighbour) -> str:
    return f"{address_text(entry.address)} on {entry.link}"
