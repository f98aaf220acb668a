"""No other hand is in a network's ground: its VRF holds one VXLAN, one host link, and the ports of pods.

Packets are judged by the devices that a network has by its number. One beside them would speak for the
network by its group and be judged by nobody; so what is more than these is wrong, whatever it does today.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from compiler.names import NetworkNumber, ObjectName
from verifier.address_text import address_text
from verifier.fabric import Fabric, Port
from verifier.state import Address
from verifier.violation import Kind, Violation

_PORT: Final = re.compile(r"at([0-9a-f]{8})[0-9a-f]{4}")
"""A pod port's name begins with the last four octets of the hardware address at its other end."""
_IN_VRFS: Final = frozenset({"veth", "vxlan"})


def check_own_ground(fabric: Fabric) -> Iterator[Violation]:
    yield from _vrfs(fabric)
    yield from _members(fabric)
    yield from _built_on_ours(fabric)
    yield from _learned(fabric)
    set_there = {(e.link, e.address): e.mac for e in fabric.node.state.neighbours if e.lasting}
    for port in fabric.ports:
        yield from _known_behind(fabric, port, set_there)
    if fabric.node.state.complete:
        yield from _running(fabric)


def _vrfs(fabric: Fabric) -> Iterator[Violation]:
    """A number that no network has is nobody's; two VRFs of one table would be one network in two groups."""
    base = fabric.meaning.config.number_base
    for link in fabric.node.state.links.values():
        if link.kind != "vrf" or link.table is None or link.table <= base:
            continue
        number = NetworkNumber(link.table - base)
        if number not in fabric.meaning.networks:
            sentence = f"the VRF {link.name} is of number {number}, which no network has"
            yield fabric.violation(Kind.DEVICE, sentence)
        elif fabric.vrfs[number] is not link:
            sentence = f"{link.name} and {fabric.vrfs[number].name} are VRFs of one table"
            yield fabric.violation(Kind.DEVICE, sentence, number)


def _members(fabric: Fabric) -> Iterator[Violation]:
    number_of = {link.name: number for number, link in fabric.vrfs.items()}
    for link in fabric.node.state.links.values():
        number = number_of.get(link.master or "")
        if number is None:
            continue
        own = fabric.vxlans.get(number) if link.kind == "vxlan" else fabric.host_links.get(number)
        is_port = link.kind == "veth" and link.peer is None
        if link.kind not in _IN_VRFS or not (is_port or own is link):
            sentence = f"{link.name} is inside {link.master}, and is none of the network's devices"
            yield fabric.violation(Kind.DEVICE, sentence, number)


def _built_on_ours(fabric: Fabric) -> Iterator[Violation]:
    """A pod's frames could come in by such a device as anybody's."""
    links = fabric.node.state.links
    ours = _number_of_each(fabric)
    for link in links.values():
        if link.lower in ours:
            sentence = (
                f"{link.name} is built on {link.lower}: packets go by it past the network's own devices"
            )
            yield fabric.violation(Kind.DEVICE, sentence, ours[link.lower])


def _number_of_each(fabric: Fabric) -> dict[str | None, NetworkNumber]:
    found: dict[str | None, NetworkNumber] = {link.name: number for number, link in fabric.vrfs.items()}
    found |= {link.name: number for number, link in fabric.vxlans.items()}
    for number, link in fabric.host_links.items():
        found |= {link.name: number, link.peer: number} if link.peer else {link.name: number}
    return found | {port.link: port.network for port in fabric.ports}


def _learned(fabric: Fabric) -> Iterator[Violation]:
    """On host links all is set. Behind a port there is its pod alone, whatever it answers to."""
    ends = {link.name: number for number, link in fabric.host_links.items()}
    ends |= {link.peer: number for number, link in fabric.host_links.items() if link.peer}
    for entry in fabric.node.state.neighbours:
        if entry.link in ends and not entry.lasting:
            sentence = f"the neighbour {address_text(entry.address)} on {entry.link} was learned, not set"
            yield fabric.violation(Kind.DEVICE, sentence, ends[entry.link])


def _known_behind(
    fabric: Fabric, port: Port, set_there: Mapping[tuple[str, Address], str]
) -> Iterator[Violation]:
    named = _PORT.fullmatch(port.link)
    wanted = f"0a:50:{named[1][:2]}:{named[1][2:4]}:{named[1][4:6]}:{named[1][6:]}" if named else None
    for address in sorted(port.addresses):
        mac = set_there.get((port.link, address))
        if mac is None or (wanted is not None and mac != wanted):
            yield fabric.violation(
                Kind.DEVICE,
                f"{port.link} does not know {address_text(address)} by its pod's hardware address",
                port.network,
                expected=wanted or "a permanent neighbour entry",
                found=mac or "no permanent neighbour entry",
            )


def _running(fabric: Fabric) -> Iterator[Violation]:
    """A kernel has a port for each pod that runs on its node: what is sent to one without is lost."""
    seats = fabric.meaning.seats
    number_of = {network.name: number for number, network in fabric.meaning.networks.items()}
    for pod in seats.inventory.pods.values():
        seat = seats.seat_of(pod) if pod.node == fabric.name else None
        if not isinstance(seat, ObjectName):
            continue
        for address in pod.addresses:
            port = fabric.local.get((address.version, int(address)))
            if port is None and seats.owner_of(fabric.name, address) == seat:
                sentence = f"pod {pod.name} has no port here for its address {address}"
                yield fabric.violation(Kind.BLOCKED, sentence, number_of[seat])
