"""What is due to a packet by what was declared, place by place: a map of all addresses of one family.

A map is painted in layers, the later over the earlier, and then asked by sets of addresses; it answers by
claims, however many ranges one claim is spread over. At single addresses, single ports of single protocols
can be due something else: those of Services and of infrastructure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from compiler.names import NetworkNumber, NodeName, ObjectName
from verifier.intervals import Interval, Intervals, intersect, subtract, union
from verifier.ruleset import PROTOCOLS

_FEW: Final = 8
"""Claims that are sooner asked one by one than looked for."""
LAST: Final = {4: 2**32 - 1, 6: 2**128 - 1}


class Due(StrEnum):
    BLOCK = "delivered to the pod there"
    """Or refused at once, where there is none. By VXLAN where the block is another node's."""
    SERVICE = "balanced over the Service's backends"
    INFRASTRUCTURE = "let out by the host link, as infrastructure"
    EGRESS = "let out of the cluster"
    REFUSED = "refused at once"
    INSIDE_END = "refused at once, unless it belongs to a connection of the network's"
    """The networks' end of a host link, for the default network."""
    NODES_END = "refused or dropped, unless it answers the node"
    """The node's end of a network's own host link, from where its processes ask."""
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


class Tract(NamedTuple):
    """All the addresses of some set to which one claim applies."""

    addresses: Intervals
    claim: Claim


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
    ground: DueMap | None = None
    """What shows where nothing is painted."""
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
        regions = list(_regions(self.layers))
        ports: Mapping[int, Mapping[Port, Claim]] = self.points
        if self.ground is not None:
            painted = union((region.first, region.last) for region in regions)
            regions = sorted((*regions, *self.ground.besides(painted)))
            ports = {**self.ground.ports, **self.points}
        return DueMap(
            family=self.family,
            regions=regions,
            starts=[region.first for region in regions],
            areas=_areas(regions),
            ports=ports,
            ported=sorted(ports),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DueMap:
    """Regions are disjoint, in order, and cover all addresses."""

    family: int
    regions: list[Region]
    starts: list[int]
    areas: tuple[Tract, ...]
    """All of each claim."""
    ports: Mapping[int, Mapping[Port, Claim]]
    """What is due to these of an address instead."""
    ported: list[int]
    """Addresses of `ports`, in order."""

    def tracts(self, addresses: Intervals) -> Iterator[Tract]:
        """What is due to these addresses, their own ports aside: each claim once."""
        if len(addresses) == 1:
            first, last = addresses[0]
            _, end, claim = self.regions[bisect_right(self.starts, first) - 1]
            if last <= end:
                yield Tract(addresses, claim)
                return
        if len(self.areas) > len(addresses) * _FEW:
            yield from _areas(self._within(addresses))
            return
        for covered, claim in self.areas:
            common = intersect(addresses, covered)
            if common:
                yield Tract(common, claim)

    def _within(self, addresses: Intervals) -> Iterator[Region]:
        """The regions, cut to these addresses."""
        for first, last in addresses:
            position = bisect_right(self.starts, first) - 1
            while position < len(self.regions):
                low, high, claim = self.regions[position]
                if low > last:
                    break
                yield Region(max(first, low), min(last, high), claim)
                position += 1

    def ported_among(self, addresses: Intervals) -> Iterator[int]:
        for first, last in addresses:
            low = bisect_left(self.ported, first)
            yield from self.ported[low : bisect_right(self.ported, last, lo=low)]

    def besides(self, addresses: Intervals) -> Iterator[Region]:
        """The regions, cut to all other addresses."""
        for first, last, claim in self.regions:
            for low, high in subtract(((first, last),), addresses):
                yield Region(low, high, claim)

    def at(self, address: int) -> Claim:
        return self.regions[bisect_right(self.starts, address) - 1].claim

    def of(self, address: int, port: Port) -> Claim:
        special = self.ports.get(address, {})
        return special.get(port) or self.at(address)


def _areas(regions: Iterable[Region]) -> tuple[Tract, ...]:
    claims: dict[int, Claim] = {}
    found: dict[int, list[Interval]] = {}
    for first, last, claim in regions:
        claims[id(claim)] = claim
        found.setdefault(id(claim), []).append((first, last))
    return tuple(Tract(union(intervals), claims[key]) for key, intervals in found.items())


def _regions(layers: list[Layer]) -> Iterator[Region]:
    """A sweep over all beginnings and ends; the highest layer open at each counts."""
    begins = sorted(layers)
    order = sorted({layer.first for layer in layers} | {layer.last + 1 for layer in layers})
    opened: list[tuple[int, Layer]] = []
    position = 0
    for first, after in pairwise(order):
        while position < len(begins) and begins[position].first <= first:
            heappush(opened, (-begins[position].rank, begins[position]))
            position += 1
        while opened and opened[0][1].last < first:
            heappop(opened)
        if opened:
            yield Region(first, after - 1, opened[0][1].claim)
