"""Actions to rtnetlink requests. Interface indexes are looked up here; nothing is changed.

Every route and rule carries ROUTE_PROTOCOL: that mark, not its place, makes it ours.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Final

from agent.actions import Entry
from agent.attributes import attribute, mac, nested, packed, text, u8, u16, u16_of_network, u32
from agent.rtnetlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request
from compiler.device_names import ROUTE_PROTOCOL
from compiler.layout import ForwardingEntry, Link, LinkAddress, LinkKind, Neighbour, Route, Rule
from compiler.model import Address

RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_SETLINK: Final = 19
RTM_NEWADDR: Final = 20
RTM_NEWROUTE: Final = 24
RTM_NEWNEIGH: Final = 28
RTM_NEWRULE: Final = 32
RTM_NEWLINKPROP: Final = 108
RTM_DELLINKPROP: Final = 109

FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_IFF_UP: Final = 1
_IFA_F_NODAD: Final = 2
_RTNH_F_ONLINK: Final = 4
_SCOPE_LINK: Final = 253
_RTN_UNICAST: Final = 1
_RTN_UNREACHABLE: Final = 7
_TABLE_IN_ATTRIBUTE: Final = 252
_FR_ACT_TO_TBL: Final = 1
_PROTOCOL_KERNEL: Final = 2
_NUD_PERMANENT: Final = 0x80
_NTF_SELF: Final = 2
_PUT: Final = NLM_F_CREATE | NLM_F_REPLACE

# linux/if_link.h, if_addr.h, rtnetlink.h, neighbour.h, fib_rules.h, veth.h
_NLA_F_NESTED: Final = 1 << 15
_IFLA_ADDRESS: Final = attribute(1, mac)
_IFLA_IFNAME: Final = attribute(3, text)
_IFLA_MTU: Final = attribute(4, u32)
_IFLA_MASTER: Final = attribute(10, u32)
_IFLA_LINKINFO: Final = attribute(18, nested)
_IFLA_INFO_KIND: Final = attribute(1, text)
_IFLA_INFO_DATA: Final = attribute(2, nested)
_IFLA_GROUP: Final = attribute(27, u32)
_IFLA_NET_NS_FD: Final = attribute(28, u32)
_IFLA_EXT_MASK: Final = attribute(29, u32)
_IFLA_PROP_LIST: Final = attribute(52 | _NLA_F_NESTED, nested)
_IFLA_ALT_IFNAME: Final = attribute(53, text)
_IFLA_VRF_TABLE: Final = attribute(1, u32)
_IFLA_VXLAN_ID: Final = attribute(1, u32)
_IFLA_VXLAN_LOCAL: Final = {4: attribute(4, packed), 6: attribute(17, packed)}
_IFLA_VXLAN_LEARNING: Final = attribute(7, u8)
_IFLA_VXLAN_PORT: Final = attribute(15, u16_of_network)
_VETH_INFO_PEER: Final = attribute(1, nested)
_IFA_ADDRESS: Final = attribute(1, packed)
_IFA_LOCAL: Final = attribute(2, packed)
_RTA_DST: Final = attribute(1, packed)
_RTA_OIF: Final = attribute(4, u32)
_RTA_GATEWAY: Final = attribute(5, packed)
_RTA_PRIORITY: Final = attribute(6, u32)
_RTA_PREFSRC: Final = attribute(7, packed)
_RTA_TABLE: Final = attribute(15, u32)
_RTA_VIA: Final = attribute(18, nested)
_NDA_DST: Final = attribute(1, packed)
_NDA_LLADDR: Final = attribute(2, mac)
_FRA_IIFNAME: Final = attribute(3, text)
_FRA_PRIORITY: Final = attribute(6, u32)
_FRA_TABLE: Final = attribute(15, u32)
_FRA_L3MDEV: Final = attribute(19, u8)
_FRA_PROTOCOL: Final = attribute(21, u8)

_IFINFOMSG: Final = struct.Struct("=BxHiII")
"""Family, type, index, flags, which of the flags change."""
_IFADDRMSG: Final = struct.Struct("=BBBBi")
"""Family, prefix length, flags, scope, index."""
_RTMSG: Final = struct.Struct("=BBBBBBBBI")
"""Family, destination's and source's prefix length, TOS, table, protocol, scope, type, flags."""
_NDMSG: Final = struct.Struct("=BxxxiHBB")
"""Family, index, state, flags, type."""
_FIB_RULE_HDR: Final = struct.Struct("=BBBBBBBBI")
"""Family, destination's and source's prefix length, TOS, table, two reserved, action, flags."""
_SOME_LINK: Final = _IFINFOMSG.pack(0, 0, 0, 0, 0)
_RTEXT_FILTER_SKIP_STATS: Final = 1 << 3
"""Counters are most of an answer about a link."""
ALL_LINKS: Final = _SOME_LINK + _IFLA_EXT_MASK(_RTEXT_FILTER_SKIP_STATS)
ALL_ADDRESSES: Final = _IFADDRMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0)


class UnknownLink(Exception):
    """An entry's link does not exist."""


class Indexes(dict[str, int]):
    """Interface indexes by name, looked up when first asked for, in the calling thread's namespace.

    For links that are there: before it says that there is none, the kernel starts modprobe twice (dev_load).
    """

    def __missing__(self, name: str) -> int:
        try:
            index = socket.if_nametoindex(name)
        except OSError as error:
            raise UnknownLink(f"link {name} does not exist") from error
        self[name] = index
        return index


def our_routes(family: int) -> bytes:
    """What a dump asks for."""
    return _RTMSG.pack(family, 0, 0, 0, 0, ROUTE_PROTOCOL, 0, 0, 0)


def all_neighbours(family: int) -> bytes:
    return _NDMSG.pack(family, 0, 0, 0, 0)


def all_rules(family: int) -> bytes:
    return _FIB_RULE_HDR.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)


def create_link(link: Link) -> Request:
    """Down and without a master: sysctls come first (`agent.links`)."""
    return _creation(link, _link_info(link))


def _creation(link: Link, info: bytes) -> Request:
    body = _SOME_LINK + _IFLA_IFNAME(link.name) + _looks(link.mac, link.mtu, link.group) + info
    return Request(type=RTM_NEWLINK, flags=NLM_F_CREATE | NLM_F_EXCL, body=body)


def _looks(mac: str, mtu: int, group: int) -> bytes:
    return _IFLA_ADDRESS(mac) + _IFLA_MTU(mtu) + _IFLA_GROUP(group)


def _link_info(link: Link) -> bytes:
    match link.kind:
        case LinkKind.VRF:
            assert link.table is not None
            return _info("vrf", _IFLA_VRF_TABLE(link.table))
        case LinkKind.VXLAN:
            assert link.vni is not None
            assert link.local is not None
            assert link.port is not None
            return _info(
                "vxlan",
                _IFLA_VXLAN_ID(link.vni),
                _IFLA_VXLAN_LOCAL[link.local.version](link.local),
                _IFLA_VXLAN_PORT(link.port),
                _IFLA_VXLAN_LEARNING(0),
            )
        case LinkKind.HOST_LINK:
            assert link.peer is not None
            assert link.peer_mac is not None
            assert link.peer_group is not None
            looks = _looks(link.peer_mac, link.mtu, link.peer_group)
            return _veth(_IFLA_IFNAME(link.peer), looks)
        case LinkKind.POD_PORT:
            raise ValueError(f"pod port {link.name}: made with its pod's end, by create_port")


def _info(kind: str, *data: bytes) -> bytes:
    return _IFLA_LINKINFO([_IFLA_INFO_KIND(kind), _IFLA_INFO_DATA(data)])


def _veth(*peer: bytes) -> bytes:
    return _info("veth", _VETH_INFO_PEER([_SOME_LINK, *peer]))


def create_port(link: Link, *, interface: str, mac: str, mtu: int, netns: int) -> Request:
    """A veth pair whose peer starts its life inside the namespace behind the descriptor `netns`."""
    peer = [_IFLA_IFNAME(interface), _IFLA_ADDRESS(mac), _IFLA_MTU(mtu), _IFLA_NET_NS_FD(netns)]
    return _creation(link, _veth(*peer))


def set_link(
    index: int,
    *,
    group: int | None = None,
    mac: str | None = None,
    mtu: int | None = None,
    master: int | None = None,
) -> Request:
    """Bring a link up, with what is given changed on the way."""
    changes = [
        *(() if group is None else (_IFLA_GROUP(group),)),
        *(() if mac is None else (_IFLA_ADDRESS(mac),)),
        *(() if mtu is None else (_IFLA_MTU(mtu),)),
        *(() if master is None else (_IFLA_MASTER(master),)),
    ]
    body = _IFINFOMSG.pack(0, 0, index, _IFF_UP, _IFF_UP) + b"".join(changes)
    return Request(type=RTM_SETLINK, flags=0, body=body)


def alternative_name(index: int, name: str, *, add: bool) -> Request:
    body = _IFINFOMSG.pack(0, 0, index, 0, 0) + _IFLA_PROP_LIST([_IFLA_ALT_IFNAME(name)])
    flags = NLM_F_CREATE | NLM_F_EXCL if add else 0
    return Request(type=RTM_NEWLINKPROP if add else RTM_DELLINKPROP, flags=flags, body=body)


def remove_link(name: str) -> Request:
    """By name: it may be gone, and who looks for it pays for that (`Indexes`)."""
    return Request(type=RTM_DELLINK, flags=0, body=_SOME_LINK + _IFLA_IFNAME(name))


def remove_group(group: int) -> Request:
    return Request(type=RTM_DELLINK, flags=0, body=_SOME_LINK + _IFLA_GROUP(group))


def put(entry: Entry, indexes: Mapping[str, int]) -> Request:
    """Add or replace. A rule is only added: rules have no key to replace by."""
    match entry:
        case LinkAddress():
            return Request(type=RTM_NEWADDR, flags=_PUT, body=_address(entry, indexes))
        case Route():
            return Request(type=RTM_NEWROUTE, flags=_PUT, body=route_body(entry, indexes))
        case Neighbour():
            return Request(type=RTM_NEWNEIGH, flags=_PUT, body=_neighbour(entry, indexes))
        case ForwardingEntry():
            return Request(type=RTM_NEWNEIGH, flags=_PUT, body=_forwarding(entry, indexes))
        case Rule():
            # The kernel's own rule, restored, must look as the kernel made it.
            protocol = _PROTOCOL_KERNEL if entry.priority == 0 else ROUTE_PROTOCOL
            return Request(type=RTM_NEWRULE, flags=NLM_F_CREATE | NLM_F_EXCL, body=_rule(entry, protocol))


def remove(entry: Entry, indexes: Mapping[str, int]) -> Request:
    """Each deletion is the message type after its addition (linux/rtnetlink.h)."""
    if isinstance(entry, Rule):
        # The rule that the kernel began with may meanwhile be another hand's copy of it.
        protocol = None if entry.priority == 0 else ROUTE_PROTOCOL
        return Request(type=RTM_NEWRULE + 1, flags=0, body=_rule(entry, protocol))
    request = put(entry, indexes)
    return Request(type=request.type + 1, flags=0, body=request.body)


def _address(entry: LinkAddress, indexes: Mapping[str, int]) -> bytes:
    family = FAMILIES[entry.address.version]
    flags = _IFA_F_NODAD if entry.address.version == 6 else 0
    header = _IFADDRMSG.pack(family, entry.prefix_length, flags, 0, indexes[entry.link])
    return header + _IFA_LOCAL(entry.address) + _IFA_ADDRESS(entry.address)


def route_body(route: Route, indexes: Mapping[str, int]) -> bytes:
    on_link = route.link is not None and route.via is None and route.prefix.version == 4
    header = _RTMSG.pack(
        FAMILIES[route.prefix.version],
        route.prefix.prefixlen,
        0,
        0,
        _TABLE_IN_ATTRIBUTE,
        ROUTE_PROTOCOL,
        _SCOPE_LINK if on_link else 0,
        _RTN_UNREACHABLE if route.link is None else _RTN_UNICAST,
        _RTNH_F_ONLINK if route.via is not None else 0,
    )
    attributes = [header, _RTA_TABLE(route.table)]
    if route.prefix.prefixlen:
        attributes.append(_RTA_DST(route.prefix.network_address))
    if route.link is not None:
        attributes.append(_RTA_OIF(indexes[route.link]))
    if route.via is not None:
        attributes.append(_gateway(route.via, route.prefix.version))
    if route.source is not None:
        attributes.append(_RTA_PREFSRC(route.source))
    if route.metric:
        attributes.append(_RTA_PRIORITY(route.metric))
    return b"".join(attributes)


def _gateway(via: Address, version: int) -> bytes:
    if via.version == version:
        return _RTA_GATEWAY(via)
    return _RTA_VIA([u16(FAMILIES[via.version]), via.packed])  # struct rtvia


def _neighbour(entry: Neighbour, indexes: Mapping[str, int]) -> bytes:
    header = _NDMSG.pack(FAMILIES[entry.address.version], indexes[entry.link], _NUD_PERMANENT, 0, 0)
    return header + _NDA_DST(entry.address) + _NDA_LLADDR(entry.mac)


def _forwarding(entry: ForwardingEntry, indexes: Mapping[str, int]) -> bytes:
    header = _NDMSG.pack(socket.AF_BRIDGE, indexes[entry.link], _NUD_PERMANENT, _NTF_SELF, 0)
    return header + _NDA_LLADDR(entry.mac) + _NDA_DST(entry.remote)


def _rule(rule: Rule, protocol: int | None) -> bytes:
    header = _FIB_RULE_HDR.pack(FAMILIES[rule.family], 0, 0, 0, 0, 0, 0, _FR_ACT_TO_TBL, 0)
    attributes = [header, _FRA_PRIORITY(rule.priority)]
    if protocol is not None:
        attributes.append(_FRA_PROTOCOL(protocol))
    attributes.append(_FRA_L3MDEV(1) if rule.table is None else _FRA_TABLE(rule.table))
    if rule.input_link is not None:
        attributes.append(_FRA_IIFNAME(rule.input_link))
    return b"".join(attributes)
