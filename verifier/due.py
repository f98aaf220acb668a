"""What is due to a packet by what was declared, place by place: a map of all addresses of one family.

A map is painted in layers, the later over the earlier, and then asked by ranges. Within a range, single
ports of single protocols can be due something else: those of Services and of infrastructure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from compiler.names import NetworkNumber, NodeName, ObjectName
from verifier.ruleset import PROTOCOLS

LAST: Final = {4: 2**32 - 1, 6: 2**128 - 1}


class Due(StrEnum):
    BLOCK = "delivered to the pod there"
    """Or refused at once, where there is none. By VXLAN where the block is another node's."""
    SERVICE = "balanced over the Service's backends"
    INFRASTRUCTURE = "let out by the host link, as infrastructure"
    EGRESS = "let out of the cluster"
    REFUSED = "refused at once"
    UNREACHED = "refused or dropped"
    UNTOUCHED = "left to the default network and the node as it is"
    UNSENT = "nothing: no such packets come here"
    CONTESTED = "unsaid: two have this address"


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """`network` and `node` of BLOCK; `service` and `backends` of SERVICE, the latter address and port."""

    due: Due
    network: NetworkNumber | None = None
    node: NodeName | None = None
    service: ObjectName | None = None
    backends: frozenset[tuple[int, int]] = frozenset()


Port: TypeAlias = tuple[int, int]
"""Number of a protocol, and port."""


class Region(NamedTuple):
    first: int
    last: int
    claim: Claim
    ports: Mapping[Port, Claim]
    """What is due to these instead."""


class Layer(NamedTuple):
    first: int
    last: int
    rank: int
    """The highest counts."""
    claim: Claim


@dataclass(slots=True)
class Painting:
    """A map in the making, of one family."""

    family: int
    layers: list[Layer] = field(default_factory=list)
    points: dict[int, dict[Port, Claim]] = field(default_factory=dict)

    def everything(self, claim: Claim) -> None:
        self.layers.append(Layer(0, LAST[self.family], len(self.layers), claim))

    def ranges(self, prefixes: Iterable[IPv4Network | IPv6Network], claim: Claim) -> None:
        for prefix in prefixes:
            if prefix.version == self.family:
                first = int(prefix.network_address)
                self.layers.append(Layer(first, first + prefix.num_addresses - 1, len(self.layers), claim))

    def address(self, address: IPv4Address | IPv6Address, claim: Claim) -> None:
        if address.version == self.family:
            self.layers.append(Layer(int(address), int(address), len(self.layers), claim))

    def port(self, address: IPv4Address | IPv6Address, protocol: str, port: int, claim: Claim) -> None:
        """What was said before of the same port there is overruled."""
        if address.version == self.family:
            ports = self.points.setdefault(int(address), {})
            ports[PROTOCOLS[protocol.lower()], port] = claim

    def finished(self) -> DueMap:
        regions = list(_regions(self.layers, self.points))
        return DueMap(family=self.family, regions=regions, starts=[region.first for region in regions])


@dataclass(frozen=True, kw_only=True, slots=True)
class DueMap:
    """Regions are disjoint, in order, and cover all addresses."""

    family: int
    regions: list[Region]
    starts: list[int]

    def within(self, first: int, last: int) -> Iterator[Region]:
        """Cut to the range."""
        position = bisect_right(self.starts, first) - 1
        while position < len(self.regions) and self.regions[position].first <= last:
            region = self.regions[position]
            yield region._replace(first=max(first, region.first), last=min(last, region.last))
            position += 1

    def at(self, address: int) -> Region:
        return self.regions[bisect_right(self.starts, address) - 1]

    def of(self, address: int, port: Port) -> Claim:
        region = self.at(address)
        return region.ports.get(port, region.claim)


def _regions(layers: list[Layer], points: Mapping[int, Mapping[Port, Claim]]) -> Iterator[Region]:
    """A sweep over all beginnings and ends; the highest layer open at each counts."""
    begins = sorted(layers)
    cuts = {layer.first for layer in layers} | {layer.last + 1 for layer in layers}
    cuts |= points.keys() | {point + 1 for point in points}
    order = sorted(cuts)
    opened: list[tuple[int, Layer]] = []
    position = 0
    for first, after in pairwise(order):
        while position < len(begins) and begins[position].first <= first:
            heappush(opened, (-begins[position].rank, begins[position]))
            position += 1
        while opened[0][1].last < first:
            heappop(opened)
        yield Region(first, after - 1, opened[0][1].claim, points.get(first, {}))
