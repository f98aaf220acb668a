"""How a node's kernel finds a way: rules by preference, tables by longest prefix, then the next hop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from verifier.fault import Contradiction
from verifier.intervals import (
    Interval,
    Intervals,
    contains,
    intersect,
    only,
    subtract,
    union,
)
from verifier.packets import any_address
from verifier.route_table import Table, table_of
from verifier.ruleset import FIB_TYPES
from verifier.state import LOCAL_TABLE, MAIN_TABLE, Address, Link, LinkAddress, Route, RouteKind, Rule, State

LOOPBACK: Final = "lo"
"""What `iif` rules call packets that the node itself makes."""
_CONNECTED_METRIC: Final = {4: 0, 6: 256}


@dataclass(frozen=True, slots=True)
class Way:
    """Where a routing decision sends some destinations; `link` None: nowhere (`kind` says why)."""

    destinations: Intervals
    kind: RouteKind
    link: str | None
    table: int


@dataclass(frozen=True, slots=True)
class Hop:
    """Over a VXLAN device: the frame's address and the node that it goes to; None: lost, `why`."""

    mac: str = ""
    remote: Address | None = None
    why: str = ""


class Routing:
    """A node's routing, indexed."""

    def __init__(self, state: State) -> None:
        self.links: Mapping[str, Link] = state.links
        self._rules = {
            family: sorted((r for r in state.rules if r.family == family), key=lambda r: r.priority)
            for family in (4, 6)
        }
        self._routes: dict[tuple[int, int], list[Route]] = {}
        for route in (*state.routes, *(() if state.complete else implied_routes(state))):
            if route.link is not None and route.link not in state.links:
                raise Contradiction(f"{route} leads over a device that does not exist: {route.link}")
            self._routes.setdefault((route.family, route.table), []).append(route)
        self._tables: dict[tuple[int, int], Table] = {}
        self._neighbours: dict[str, dict[Address, str]] = {}
        for entry in (known for known in state.neighbours if known.lasting):
            self._neighbours.setdefault(entry.link, {})[entry.address] = entry.mac
        self._forwarding = {(f.link, f.mac): f.remote for f in state.forwarding if f.lasting}
        self._back: dict[tuple[int, str], dict[str, Intervals]] = {}
        self._types: dict[int, dict[RouteKind, Intervals]] = {}
        self._hops: dict[tuple[int, int, str], list[tuple[Intervals, Hop]]] = {}
        self._sent: dict[tuple[int, int, str], Intervals] = {}
        self._among: dict[tuple[int, Intervals], Intervals] = {}

    def table(self, family: int, number: int) -> Table:
        key = (family, number)
        if key not in self._tables:
            self._tables[key] = table_of(self._routes.get(key, ()))
        return self._tables[key]

    def vrf_of(self, link: str) -> Link | None:
        """The VRF that a device is in or is."""
        device = self.links[link]
        if device.kind == "vrf":
            return device
        master = self.links.get(device.master) if device.master else None
        return master if master is not None and master.kind == "vrf" else None

    def tables_for(self, family: int, vrf: Link | None, input_link: str) -> Iterator[int]:
        """The tables that are asked for a packet, in order."""
        for rule in self._rules[family]:
            number = self._selected(rule, vrf, input_link)
            if number is not None:
                yield number

    @staticmethod
    def _selected(rule: Rule, vrf: Link | None, input_link: str) -> int | None:
        if rule.chooses or (rule.input_link is not None and rule.input_link != input_link):
            return None
        if rule.table is not None:
            return rule.table
        return vrf.table if vrf else None

    def asks_for(self, link: str) -> bool:
        """Whether a rule is about packets that come by this device."""
        return any(rule.input_link == link for rules in self._rules.values() for rule in rules)

    def decide(self, family: int, destinations: Intervals, vrf: Link | None, input_link: str) -> list[Way]:
        """Where packets go; `input_link` is LOOPBACK for the node's own."""
        ways: list[Way] = []
        left = destinations
        for number in self.tables_for(family, vrf, input_link):
            if not left:
                break
            table = self.table(family, number)
            found: list[Interval] = []
            for common, kind, link in table.divide(left):
                if kind is RouteKind.THROW:
                    continue
                ways.append(Way(common, kind, link, number))
                found += common
            if found:
                left = () if table.covers else subtract(left, union(found))
        if left:
            ways.append(Way(left, RouteKind.UNREACHABLE, None, 0))
        return ways

    def leads_back(self, family: int, link: str) -> Intervals:
        """The sources that `fib saddr . iif oif` finds on this device: unicast, by it or its slaves."""
        vrf = self.vrf_of(link)
        key = (family, vrf.name if vrf else "")
        if key not in self._back:
            self._back[key] = self._devices(family, vrf)
        return self._back[key].get(link, ())

    def _devices(self, family: int, vrf: Link | None) -> dict[str, Intervals]:
        """Where a VRF's tables, or the node's, lead by unicast routes: for each device and its master."""
        found: dict[str, list[Interval]] = {}
        for way in self.decide(family, any_address(family), vrf, LOOPBACK):
            if way.kind is RouteKind.UNICAST and way.link is not None:
                master = self.links[way.link].master
                for name in (way.link, master) if master else (way.link,):
                    found.setdefault(name, []).extend(way.destinations)
        return {name: union(intervals) for name, intervals in found.items()}

    def types(self, family: int) -> dict[RouteKind, Intervals]:
        """`fib daddr type`: IPv4 asks the local table itself, IPv6 the rules (nft_fib_ipv[46].c)."""
        if family not in self._types:
            self._types[family] = self._typed(family)
        return self._types[family]

    def types_among(self, family: int, wanted: Intervals) -> Intervals:
        """The addresses of these types (FIB_TYPES)."""
        key = (family, wanted)
        if key not in self._among:
            self._among[key] = self._of_types(family, wanted)
        return self._among[key]

    def _of_types(self, family: int, wanted: Intervals) -> Intervals:
        """In IPv4 what no local route knows is unicast."""
        typed = {
            FIB_TYPES[kind.value]: covered
            for kind, covered in self.types(family).items()
            if kind.value in FIB_TYPES
        }
        among = union(i for number, covered in typed.items() if contains(wanted, number) for i in covered)
        unicast = FIB_TYPES[RouteKind.UNICAST]
        if family == 4 and contains(wanted, unicast):
            others = union(i for number, covered in typed.items() if number != unicast for i in covered)
            among = union((*among, *subtract(any_address(4), others)))
        return among

    def _typed(self, family: int) -> dict[RouteKind, Intervals]:
        found: dict[RouteKind, list[Interval]] = {}
        if family == 4:
            for (kind, _), covered in self.table(4, LOCAL_TABLE).targets.items():
                found.setdefault(kind, []).extend(covered)
        else:
            for way in self.decide(6, any_address(6), None, LOOPBACK):
                found.setdefault(way.kind, []).extend(way.destinations)
        return {kind: union(intervals) for kind, intervals in found.items()}

    def hops(
        self, family: int, table: int, link: str, destinations: Intervals
    ) -> list[tuple[Intervals, Hop]]:
        """The destinations by what a VXLAN device does with them."""
        if only(destinations) is not None:
            route = self.table(family, table).find(destinations[0][0])
            if route is not None and route.via is not None:
                return [(destinations, self._hop(link, route.via))]
        found = [
            (intersect(destinations, covered), hop) for covered, hop in self._hops_of(family, table, link)
        ]
        return [(common, hop) for common, hop in found if common]

    def sent_on(self, family: int, table: int, link: str) -> Intervals:
        """The destinations that a VXLAN device sends to some node."""
        key = (family, table, link)
        if key not in self._sent:
            known = self._hops_of(family, table, link)
            self._sent[key] = union(i for covered, hop in known if hop.remote is not None for i in covered)
        return self._sent[key]

    def _hops_of(self, family: int, table: int, link: str) -> list[tuple[Intervals, Hop]]:
        key = (family, table, link)
        if key not in self._hops:
            self._hops[key] = self._all_hops(family, table, link)
        return self._hops[key]

    def _all_hops(self, family: int, table: int, link: str) -> list[tuple[Intervals, Hop]]:
        joined: dict[Hop, list[Interval]] = {}
        for interval, route in self.table(family, table).pieces:
            if route.link != link:
                continue
            if route.via is not None:
                joined.setdefault(self._hop(link, route.via), []).append(interval)
                continue
            for part, hop in self._on_link(family, link, interval):
                joined.setdefault(hop, []).append(part)
        return [(union(intervals), hop) for hop, intervals in joined.items()]

    def _on_link(self, family: int, link: str, interval: Interval) -> Iterator[tuple[Interval, Hop]]:
        """Without a next hop each destination is its own neighbour."""
        for part, mac in self._known_on(family, link, interval):
            lost = f"no neighbour entry on {link}, and nobody answers there"
            yield part, self._hop(link, (family, part[0])) if mac else Hop(why=lost)

    def _known_on(self, family: int, link: str, interval: Interval) -> Iterator[tuple[Interval, str]]:
        """Addresses on a link with their hardware addresses; "": those without an entry."""
        known = {
            (number, number): mac
            for (version, number), mac in self._neighbours.get(link, {}).items()
            if version == family and interval[0] <= number <= interval[1]
        }
        yield from known.items()
        for part in subtract((interval,), union(known)):
            yield part, ""

    def _hop(self, link: str, via: Address) -> Hop:
        mac = self._neighbours.get(link, {}).get(via)
        if mac is None:
            return Hop(why=f"no neighbour entry for the next hop on {link}")
        remote = self._forwarding.get((link, mac)) or self._forwarding.get((link, "00:00:00:00:00:00"))
        if remote is None:
            return Hop(mac=mac, why=f"no forwarding entry for {mac} on {link}")
        return Hop(mac=mac, remote=remote)

    def neighbours_of(
        self, family: int, table: int, link: str, destinations: Intervals
    ) -> list[tuple[Intervals, str]]:
        """The destinations by the hardware address that their frames bear; "": nobody set one."""
        found: dict[str, list[Interval]] = {}
        for part, route in self.table(family, table).routes(destinations):
            if route.link != link:
                continue
            if route.via is not None:
                mac = self._neighbours.get(link, {}).get(route.via, "")
                found.setdefault(mac, []).extend(part)
                continue
            for own, mac in self._known_on(family, link, part[0]):
                found.setdefault(mac, []).append(own)
        return [(union(intervals), mac) for mac, intervals in found.items()]


def implied_routes(state: State) -> Iterator[Route]:
    """The routes that a kernel adds by itself for the addresses of links."""
    for link in state.links.values():
        master = state.links.get(link.master) if link.master else link
        vrf = master.table if master is not None and master.kind == "vrf" else None
        for entry in link.addresses:
            yield from _of_address(link, entry, vrf)


def _of_address(link: Link, entry: LinkAddress, vrf: int | None) -> Iterator[Route]:
    """In a VRF, and of the VRF's device, its table holds both (l3mdev_fib_table); on the loopback device the
    whole prefix is the node's own."""
    family, number = entry.address
    bits = 32 if family == 4 else 128
    first = number & ~((1 << (bits - entry.length)) - 1)
    whole = link.name == LOOPBACK
    yield Route(
        family=family,
        table=vrf or LOCAL_TABLE,
        network=first if whole else number,
        length=entry.length if whole else bits,
        link=link.name,
        kind=RouteKind.LOCAL,
    )
    if entry.length < bits and not whole:
        yield Route(
            family=family,
            table=vrf or MAIN_TABLE,
            network=first,
            length=entry.length,
            link=link.name,
            metric=_CONNECTED_METRIC[family],
        )
