"""Classes of packets in pieces: what is due to parts of them, and one packet of each to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from verifier.due import Claim, Due, Region
from verifier.intervals import Intervals, contains
from verifier.meaning import MOST_BACKENDS
from verifier.outcome import Flow
from verifier.packets import Tracking


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """The part of a flow that comes from some sources; `strict`: its own sender's."""

    flow: Flow
    saddr: Intervals
    strict: bool


NOTHING: Final = Claim(due=Due.UNREACHED)


def claims_of(
    region: Region, protocols: Intervals, ports: Intervals
) -> Iterator[tuple[Claim, tuple[int, int]]]:
    """What is due to the ports among these, and what to the rest, each with one protocol and port of it."""
    if not region.ports:
        yield region.claim, (protocols[0][0], ports[0][0])
        return
    special = [key for key in region.ports if contains(protocols, key[0]) and contains(ports, key[1])]
    for key in special:
        yield region.ports[key], key
    rest = _besides(frozenset(special), protocols, ports)
    if rest is not None:
        yield region.claim, rest


def _besides(
    special: frozenset[tuple[int, int]], protocols: Intervals, ports: Intervals
) -> tuple[int, int] | None:
    """TCP first: examples read best so."""
    for protocol in (6, *(number for first, last in protocols for number in range(first, last + 1))):
        if not contains(protocols, protocol):
            continue
        for first, last in ports:
            for port in range(first, min(last, first + len(special)) + 1):
                if (protocol, port) not in special:
                    return protocol, port
    return None


def targets_of(flow: Flow) -> Iterator[tuple[int, int]]:
    for first, last in flow.sent.daddr:
        for address in range(first, min(last, first + MOST_BACKENDS) + 1):
            for low, high in flow.sent.dport:
                for port in range(low, min(high, low + MOST_BACKENDS) + 1):
                    yield address, port


def lowest(tracking: int) -> Tracking:
    return next(state for state in Tracking if tracking & state)
