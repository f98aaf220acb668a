"""What a live kernel holds, as `ip -j` and `bridge -j` print it, to a State.

A node has devices, addresses and routes of its own beside Atoll's: they are kept as ordinary ones. Left out,
because it bears on no packet of a network: neighbours that nobody answered for, forwarding entries of
bridges, and routes that are dead. Rules with other selectors than a device are kept as such where they stand
behind l3mdev, which has decided by then for networks. Before it, such a rule is an error, and so is what VRFs
could hold and Atoll never puts there: routes with several next hops, for some packets alone or into tunnels,
VXLANs that learn, choose networks themselves or speak a dialect, forwarding entries into other networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from verifier.address_text import address_of, prefix_of, table_of
from verifier.ruleset import FIB_TYPES
from verifier.state import (
    MAIN_TABLE,
    ForwardingEntry,
    Link,
    LinkAddress,
    Neighbour,
    Route,
    RouteKind,
    Rule,
    State,
)
from verifier.unreadable import Unreadable


@dataclass(frozen=True, kw_only=True, slots=True)
class Dump:
    """The output of one command each."""

    links: bytes
    """`ip -j -d link`"""
    addresses: bytes
    """`ip -j address`"""
    routes4: bytes
    """`ip -j -d -4 route show table all`"""
    routes6: bytes
    rules4: bytes
    """`ip -j -4 rule`"""
    rules6: bytes
    neighbours: bytes
    """`ip -j neighbour`"""
    forwarding: bytes
    """`bridge -j fdb`"""


class _Info(msgspec.Struct):
    table: int | None = None
    id: int | None = None
    local: str | None = None
    local6: str | None = None
    port: int | None = None
    learning: bool = False
    external: bool = False
    vnifilter: bool = False
    proxy: bool = False
    rsc: bool = False
    gbp: bool = False
    gpe: bool = False
    remcsum_tx: bool = False
    remcsum_rx: bool = False
    link: str | None = None
    """VXLAN: the only device of the underlay that it uses."""


class _LinkInfo(msgspec.Struct):
    info_kind: str = ""
    info_slave_kind: str = ""
    info_data: _Info = msgspec.field(default_factory=_Info)


class _Link(msgspec.Struct):
    ifname: str = ""
    link: str | None = None
    flags: list[str] = []
    group: str = "default"
    master: str | None = None
    address: str = ""
    linkinfo: _LinkInfo = msgspec.field(default_factory=_LinkInfo)


class _AddressInfo(msgspec.Struct):
    local: str
    prefixlen: int


class _Addresses(msgspec.Struct):
    ifname: str = ""
    addr_info: list[_AddressInfo] = []


class _Via(msgspec.Struct):
    host: str


class _NextHop(msgspec.Struct):
    dev: str | None = None
    gateway: str | None = None
    via: _Via | None = None


class _Route(msgspec.Struct, rename={"source": "from"}):
    dst: str
    type: str = "unicast"
    dev: str | None = None
    gateway: str | None = None
    via: _Via | None = None
    table: str | None = None
    prefsrc: str | None = None
    metric: int = 0
    nexthops: list[_NextHop] = []
    flags: list[str] = []
    tos: str | int | None = None
    source: str | None = None
    encap: object = None


class _Neighbour(msgspec.Struct):
    dst: str
    dev: str
    lladdr: str | None = None
    state: list[str] = []


class _Forwarding(msgspec.Struct, rename={"via": "viaIf", "via_index": "viaIfIndex"}):
    ifname: str
    mac: str
    dst: str | None = None
    state: str = ""
    vni: int | None = None
    """This and what follows is printed only where it is other than the VXLAN's own (vxlan_fdb_info)."""
    port: int | None = None
    src_vni: int | None = None
    via: str | None = None
    via_index: int | None = None
    nhid: int | None = None


_LINKS: Final = msgspec.json.Decoder(list[_Link])
_ADDRESSES: Final = msgspec.json.Decoder(list[_Addresses])
_ROUTES: Final = msgspec.json.Decoder(list[_Route])
_RULES: Final = msgspec.json.Decoder(list[dict[str, Any]])
_NEIGHBOURS: Final = msgspec.json.Decoder(list[_Neighbour])
_FORWARDING: Final = msgspec.json.Decoder(list[_Forwarding])

_NOWHERE: Final = frozenset({RouteKind.UNREACHABLE, RouteKind.BLACKHOLE, RouteKind.PROHIBIT, RouteKind.THROW})
_LINK_LOCAL: Final = 0xFE80 << 112
"""Here IPv6's link-local addresses begin; multicast is behind them."""
_DIALECTS: Final = (
    "learning",
    "external",
    "vnifilter",
    "proxy",
    "rsc",
    "gbp",
    "gpe",
    "remcsum_tx",
    "remcsum_rx",
    "link",
)
"""What a VXLAN of ours has not, as `ip -d` names it."""
_LASTING: Final = frozenset({"permanent", "static"})
"""Forwarding entries that do not age (vxlan_cleanup)."""
_PLAIN_RULE: Final = frozenset({"priority", "src", "table", "l3mdev", "iif", "protocol"})
_KINDS: Final[Mapping[str, RouteKind]] = MappingProxyType(
    {str(kind): kind for kind in RouteKind}
    | {str(number): RouteKind(name) for name, number in FIB_TYPES.items() if name != "unspec"}
    | {"9": RouteKind.THROW}
)
"""By name, and by number as `ip -N` prints them (RTN_* of linux/rtnetlink.h)."""


def read_state(dump: Dump) -> State:
    """Raises Unreadable."""
    links = _links(dump)
    vrfs = {link.name for link in links.values() if link.kind == "vrf"}
    vxlans = {link.name for link in links.values() if link.kind == "vxlan" and link.master in vrfs}
    vrf_tables = {link.table for link in links.values() if link.kind == "vrf"}
    return State(
        links=links,
        routes=tuple(chain(_routes(dump.routes4, 4, vrf_tables), _routes(dump.routes6, 6, vrf_tables))),
        rules=(*_rules(dump.rules4, 4), *_rules(dump.rules6, 6)),
        neighbours=tuple(
            Neighbour(
                link=entry.dev,
                address=address_of(entry.dst),
                mac=entry.lladdr,
                lasting="PERMANENT" in entry.state,
            )
            for entry in _decoded(_NEIGHBOURS, dump.neighbours, "neighbours")
            if entry.lladdr is not None
        ),
        forwarding=tuple(_forwarding(dump.forwarding, vxlans)),
        complete=True,
    )


def _links(dump: Dump) -> dict[str, Link]:
    addresses = {
        entry.ifname: tuple(
            LinkAddress(address=address_of(info.local), length=info.prefixlen) for info in entry.addr_info
        )
        for entry in _decoded(_ADDRESSES, dump.addresses, "addresses")
    }
    return {
        found.ifname: _link(found, addresses.get(found.ifname, ()))
        for found in _decoded(_LINKS, dump.links, "links")
    }


def _link(found: _Link, addresses: tuple[LinkAddress, ...]) -> Link:
    kind, info = found.linkinfo.info_kind, found.linkinfo.info_data
    local = info.local or info.local6
    if kind == "vxlan" and found.linkinfo.info_slave_kind == "vrf":
        _plain(f"the VXLAN {found.ifname}", info, _DIALECTS)
    return Link(
        name=found.ifname,
        kind=kind,
        group=0 if found.group == "default" else _group(found),
        master=found.master,
        lower=found.link if kind != "veth" else None,
        table=info.table if kind == "vrf" else None,
        vni=info.id if kind == "vxlan" else None,
        local=address_of(local) if kind == "vxlan" and local else None,
        port=info.port if kind == "vxlan" else None,
        mac=found.address,
        peer=found.link if kind == "veth" else None,
        addresses=addresses,
        up="UP" in found.flags,
    )


def _plain(what: str, found: msgspec.Struct, strange: tuple[str, ...]) -> None:
    """Raises Unreadable where it has one of these."""
    for name in strange:
        if getattr(found, name):
            raise Unreadable(f"{what} has `{name}`, which is not understood")


def _forwarding(text: bytes, vxlans: set[str]) -> Iterator[ForwardingEntry]:
    for entry in _decoded(_FORWARDING, text, "forwarding entries"):
        if entry.ifname in vxlans:
            strange = ("vni", "port", "src_vni", "via", "via_index", "nhid")
            _plain(f"the forwarding entry of {entry.mac} on {entry.ifname}", entry, strange)
        if entry.dst is not None:
            lasting = entry.state in _LASTING
            remote = address_of(entry.dst)
            yield ForwardingEntry(link=entry.ifname, mac=entry.mac, remote=remote, lasting=lasting)


def _group(found: _Link) -> int:
    if not found.group.isdecimal():
        raise Unreadable(f"the interface group of {found.ifname} has a name, {found.group}: use `ip -N`")
    return int(found.group)


def _routes(text: bytes, family: int, vrf_tables: set[int | None]) -> Iterator[Route]:
    """In the kernel's order. Of a node's own with one prefix and metric, the first is in force.

    Not so for what lies on every device, IPv6's link-local and multicast prefixes.
    """
    taken: set[tuple[int, int, int, int]] = set()
    for route in _all_routes(text, family, vrf_tables):
        place = (route.table, route.network, route.length, route.metric)
        everywhere = family == 6 and route.network >= _LINK_LOCAL
        if route.table in vrf_tables or everywhere or place not in taken:
            yield route
        taken.add(place)


def _all_routes(text: bytes, family: int, vrf_tables: set[int | None]) -> Iterator[Route]:
    for found in _decoded(_ROUTES, text, f"routes of IPv{family}"):
        table = table_of(found.table) if found.table is not None else MAIN_TABLE
        if "dead" in found.flags:
            continue
        if table in vrf_tables:
            _plain(f"the route of a VRF to {found.dst} in table {table}", found, ("tos", "source", "encap"))
        hop: _Route | _NextHop = found
        if found.nexthops:
            if table in vrf_tables:
                raise Unreadable(f"the route of a VRF to {found.dst} in table {table} has several next hops")
            hop = found.nexthops[0]
        kind = _KINDS.get(found.type)
        if kind is None:
            raise Unreadable(f"the route to {found.dst} in table {table} is of the unknown type {found.type}")
        via = hop.gateway or (hop.via.host if hop.via else None)
        _, network, length = prefix_of(found.dst) if found.dst != "default" else (family, 0, 0)
        yield Route(
            family=family,
            table=table,
            network=network,
            length=length,
            link=None if kind in _NOWHERE else hop.dev,
            via=address_of(via) if via else None,
            source=address_of(found.prefsrc) if found.prefsrc else None,
            metric=found.metric,
            kind=kind,
        )


def _rules(text: bytes, family: int) -> Iterator[Rule]:
    """In the kernel's order, which the dump has."""
    decided = False
    for found in _decoded(_RULES, text, f"routing rules of IPv{family}"):
        others = sorted(found.keys() - _PLAIN_RULE)
        if others or found.get("src") != "all":
            selectors = ", ".join(others) or "src"
            if not decided:
                raise Unreadable(
                    f"the routing rule {found.get('priority')} of IPv{family} comes before l3mdev"
                    f" and chooses by {selectors}, which is not understood"
                )
            yield Rule(family=family, priority=int(found["priority"]), table=None, chooses=selectors)
            continue
        by_vrf = "l3mdev" in found
        decided = decided or (by_vrf and "iif" not in found)
        yield Rule(
            family=family,
            priority=int(found["priority"]),
            table=None if by_vrf else table_of(str(found.get("table"))),
            input_link=found.get("iif"),
        )


T = TypeVar("T")


def _decoded(decoder: msgspec.json.Decoder[list[T]], text: bytes, what: str) -> list[T]:
    """Nothing at all is nothing: `ip -j` prints that where there is none."""
    if not text.strip():
        return []
    try:
        return decoder.decode(text)
    except msgspec.DecodeError as error:
        raise Unreadable(f"the {what} are not what `ip -j` prints: {error}") from None
