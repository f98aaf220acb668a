"""A layout as text: commands of ip(8) and bridge(8) in an order that works, one object a line.

For eyes first; but the lines are true commands, so that `sh -e layout.txt` in an empty namespace
builds what the agent builds by netlink (tests/kernel does so).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from compiler.address_text import address_text, prefix_text
from compiler.device_names import ROUTE_PROTOCOL
from compiler.layout import (
    ForwardingEntry,
    Layout,
    LinkAddress,
    LinkKind,
    Neighbour,
    Route,
    Rule,
)
from compiler.model import Address, Prefix

_KIND_ORDER: Final = (LinkKind.VRF, LinkKind.VXLAN, LinkKind.HOST_LINK, LinkKind.POD_PORT)


def layout_text(layout: Layout) -> str:
    """The same bytes for the same layout; sections in the order in which a kernel accepts them."""
    lines: list[str] = []
    for title, section in (
        ("links", _link_lines(layout)),
        ("addresses", map(_address_line, sorted(layout.addresses, key=_address_key))),
        ("neighbours", map(_neighbour_line, sorted(layout.neighbours, key=_neighbour_key))),
        ("forwarding", map(_forwarding_line, sorted(layout.forwarding, key=_forwarding_key))),
        ("routes", map(_route_line, sorted(layout.routes, key=_route_key))),
        ("rules", _rule_lines(layout.rules)),
    ):
        lines += _titled(title, section)
    return "".join(f"{line}\n" for line in lines)


def _titled(title: str, section: Iterable[str]) -> list[str]:
    lines = list(section)
    return [f"# {title}", *lines] if lines else []


def _link_lines(layout: Layout) -> Iterator[str]:
    for link in sorted(layout.links, key=lambda link: (_KIND_ORDER.index(link.kind), _natural(link.name))):
        match link.kind:
            case LinkKind.VRF:
                yield f"ip link add {link.name} type vrf table {link.table}"
                if link.alt_name:
                    yield f"ip link property add dev {link.name} altname {link.alt_name}"
            case LinkKind.VXLAN:
                yield (
                    f"ip link add {link.name} type vxlan id {link.vni} local {link.local}"
                    f" dstport {link.port} nolearning"
                )
            case LinkKind.HOST_LINK:
                yield f"ip link add {link.name} type veth peer name {link.peer}"
                yield f"ip link set {link.peer} addrgenmode none"
                yield (
                    f"ip link set {link.peer} group {link.peer_group} address {link.peer_mac}"
                    f" mtu {link.mtu} up"
                )
            case LinkKind.POD_PORT:
                yield f"# {link.name} is made by the agent: its other end is inside the pod"
        master = f" master {link.master}" if link.master else ""
        yield f"ip link set {link.name} addrgenmode none"
        yield f"ip link set {link.name} group {link.group} address {link.mac} mtu {link.mtu}{master} up"


def _address_line(entry: LinkAddress) -> str:
    nodad = " nodad" if entry.address.version == 6 else ""
    return f"ip address add {address_text(entry.address)}/{entry.prefix_length} dev {entry.link}{nodad}"


def _neighbour_line(entry: Neighbour) -> str:
    return f"ip neighbour add {address_text(entry.address)} lladdr {entry.mac} dev {entry.link} nud permanent"


def _forwarding_line(entry: ForwardingEntry) -> str:
    return f"bridge fdb add {entry.mac} dev {entry.link} dst {address_text(entry.remote)} self permanent"


def _route_line(route: Route) -> str:
    kind = "" if route.link else "unreachable "
    via = ""
    if route.via is not None:
        other_family = route.via.version != route.prefix.version
        via = f" via {'inet6 ' if other_family else ''}{address_text(route.via)}"
    device = f" dev {route.link}" if route.link else ""
    onlink = " onlink" if route.via is not None else ""
    metric = f" metric {route.metric}" if route.metric else ""
    source = f" src {address_text(route.source)}" if route.source else ""
    return (
        f"ip -{route.prefix.version} route add {kind}{prefix_text(route.prefix)}{via}{device}"
        f" table {route.table} proto {ROUTE_PROTOCOL}{metric}{source}{onlink}"
    )


def _rule_lines(rules: frozenset[Rule]) -> Iterator[str]:
    for rule in sorted(rules, key=lambda rule: (rule.family, rule.priority)):
        lookup = "l3mdev" if rule.table is None else f"lookup {rule.table}"
        origin = f" iif {rule.input_link}" if rule.input_link else ""
        yield f"ip -{rule.family} rule add pref {rule.priority}{origin} {lookup} protocol {ROUTE_PROTOCOL}"
    for family in sorted({rule.family for rule in rules}):
        yield f"ip -{family} rule del pref 0"


def _natural(name: str) -> tuple[str, int, str]:
    """vn2 before vn10."""
    digits = name[2:]
    return (name[:2], int(digits), "") if digits.isdecimal() else (name[:2], 0, digits)


def _address_order(address: Address) -> tuple[int, int]:
    return (address.version, int(address))


def _prefix_order(prefix: Prefix) -> tuple[int, int, int]:
    return (prefix.version, int(prefix.network_address), prefix.prefixlen)


def _address_key(entry: LinkAddress) -> tuple[object, ...]:
    return (_natural(entry.link), _address_order(entry.address))


def _neighbour_key(entry: Neighbour) -> tuple[object, ...]:
    return (_natural(entry.link), _address_order(entry.address))


def _forwarding_key(entry: ForwardingEntry) -> tuple[object, ...]:
    return (_natural(entry.link), entry.mac)


def _route_key(route: Route) -> tuple[object, ...]:
    return (route.table, _prefix_order(route.prefix), route.metric)
