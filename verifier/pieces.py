"""Classes of packets in pieces: what is due to parts of them, and one packet of each to show."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final, NamedTuple

from verifier.due import Claim, Due, DueMap, Port
from verifier.intervals import Interval, Intervals, contains, point, subtract, union
from verifier.meaning import MOST_BACKENDS
from verifier.outcome import Flow
from verifier.packets import Box, Tracking


class Part(NamedTuple):
    """Packets to which the same is due."""

    addresses: Intervals
    """Destinations."""
    claim: Claim
    port: Port | None
    """None: all but the ports that have a claim of their own."""
    ground: Claim
    """What is due to the addresses but for their ports."""


class Piece(NamedTuple):
    """The part of a flow that comes from some sources; `strict`: its own sender's."""

    flow: Flow
    saddr: Intervals
    part: Part
    strict: bool


NOTHING: Final = Claim(due=Due.UNREACHED)


def parts_of(due: DueMap, packets: Box) -> Iterator[Part]:
    """The packets by what is due to them."""
    rest = packets.daddr
    count = _size(packets.protocol) * _size(packets.dport)
    used_up: list[Interval] = []
    for address in due.ported_among(rest):
        ground, found = due.at(address), 0
        for port, claim in due.ports[address].items():
            if contains(packets.protocol, port[0]) and contains(packets.dport, port[1]):
                found += 1
                yield Part(point(address), claim, port, ground)
        if found == count:
            used_up.append((address, address))
    if used_up:
        rest = subtract(rest, union(used_up))
    for addresses, claim in due.tracts(rest):
        yield Part(addresses, claim, None, claim)


def _size(numbers: Intervals) -> int:
    return sum(last - first + 1 for first, last in numbers)


def port_besides(special: Container[Port], protocols: Intervals, ports: Intervals) -> Port:
    """One to show that has no claim of its own. TCP first: examples read best so."""
    for protocol in (6, *(number for first, last in protocols for number in range(first, last + 1))):
        if contains(protocols, protocol):
            for number in (number for first, last in ports for number in range(first, last + 1)):
                if (protocol, number) not in special:
                    return protocol, number
    return protocols[0][0], ports[0][0]


def targets_of(flow: Flow) -> Iterator[tuple[int, int]]:
    for first, last in flow.sent.daddr:
        for address in range(first, min(last, first + MOST_BACKENDS) + 1):
            for low, high in flow.sent.dport:
                for port in range(low, min(high, low + MOST_BACKENDS) + 1):
                    yield address, port


def lowest(tracking: int) -> Tracking:
    return next(state for state in Tracking if tracking & state)
