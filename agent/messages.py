"""Actions to rtnetlink requests. Interface indexes are looked up here; nothing is sent.

Every route and rule carries ROUTE_PROTOCOL: that mark, not its place, makes it ours.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from agent.actions import Entry
from agent.rtnetlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request, Rtnetlink
from compiler.device_names import ROUTE_PROTOCOL
from compiler.layout import ForwardingEntry, Link, LinkAddress, LinkKind, Neighbour, Route, Rule
from compiler.model import Address

RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_SETLINK: Final = 19
RTM_NEWADDR: Final = 20
RTM_NEWROUTE: Final = 24
RTM_NEWNEIGH: Final = 28
RTM_NEWRULE: Final = 32
RTM_NEWLINKPROP: Final = 108
RTM_DELLINKPROP: Final = 109

FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
INDEX: Final = struct.Struct("=16x4xi")
"""Where messages about links, addresses and neighbours have an interface's index, behind their header."""
SKIP_STATISTICS: Final = 1 << 3
"""Of IFLA_EXT_MASK: counters are most of an answer about a link."""
_NLMSG_HEADER: Final = 16
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

Attributes = list[tuple[str, Any]]
"""What pyroute2 takes: attribute names and values, nested ones as {"attrs": [...]}."""


class UnknownLink(Exception):
    """An entry's link does not exist."""


class Indexes(dict[str, int]):
    """Interface indexes by name, looked up when first asked for, in a socket's namespace.

    Not by if_nametoindex(3): for a name that no device has, the kernel starts modprobe twice before it says
    so (dev_load), and every new pod's port is such a name.
    """

    def __init__(self, netlink: Rtnetlink) -> None:
        super().__init__()
        self._netlink = netlink

    def __missing__(self, name: str) -> int:
        attributes: Attributes = [("IFLA_IFNAME", name), ("IFLA_EXT_MASK", SKIP_STATISTICS)]
        message = self._netlink.get(RTM_GETLINK, encode(ifinfmsg(), {}, attributes))
        if message is None:
            raise UnknownLink(f"link {name} does not exist")
        index: int = INDEX.unpack_from(message)[0]
        self[name] = index
        return index


def encode(message: nlmsg, fields: Mapping[str, object], attributes: Attributes) -> bytes:
    """The body of a message, its netlink header cut off."""
    for key, value in fields.items():
        message[key] = value
    message["attrs"] = attributes
    message.encode()
    return bytes(message.data)[_NLMSG_HEADER:]


def create_link(link: Link) -> Request:
    """Down and without a master: sysctls come first (`agent.links`)."""
    attributes: Attributes = [
        ("IFLA_IFNAME", link.name),
        ("IFLA_ADDRESS", link.mac),
        ("IFLA_MTU", link.mtu),
        ("IFLA_GROUP", link.group),
        ("IFLA_LINKINFO", {"attrs": _link_info(link)}),
    ]
    return Request(type=RTM_NEWLINK, flags=NLM_F_CREATE | NLM_F_EXCL, body=encode(ifinfmsg(), {}, attributes))


def _link_info(link: Link) -> Attributes:
    match link.kind:
        case LinkKind.VRF:
            return _info("vrf", [("IFLA_VRF_TABLE", link.table)])
        case LinkKind.VXLAN:
            assert link.local is not None
            local = "IFLA_VXLAN_LOCAL" if link.local.version == 4 else "IFLA_VXLAN_LOCAL6"
            return _info(
                "vxlan",
                [
                    ("IFLA_VXLAN_ID", link.vni),
                    (local, str(link.local)),
                    ("IFLA_VXLAN_PORT", link.port),
                    ("IFLA_VXLAN_LEARNING", 0),
                ],
            )
        case LinkKind.HOST_LINK:
            return _info("veth", [("VETH_INFO_PEER", {"attrs": _peer_attributes(link)})])
        case LinkKind.POD_PORT:
            raise ValueError(f"pod port {link.name}: made with its pod's end, by create_port")


def _info(kind: str, data: Attributes) -> Attributes:
    return [("IFLA_INFO_KIND", kind), ("IFLA_INFO_DATA", {"attrs": data})]


def _peer_attributes(link: Link) -> Attributes:
    return [
        ("IFLA_IFNAME", link.peer),
        ("IFLA_ADDRESS", link.peer_mac),
        ("IFLA_MTU", link.mtu),
        ("IFLA_GROUP", link.peer_group),
    ]


def create_port(link: Link, *, interface: str, mac: str, mtu: int, netns: int) -> Request:
    """A veth pair whose peer starts its life inside the namespace behind the descriptor `netns`."""
    peer: Attributes = [
        ("IFLA_IFNAME", interface),
        ("IFLA_ADDRESS", mac),
        ("IFLA_MTU", mtu),
        ("IFLA_NET_NS_FD", netns),
    ]
    attributes: Attributes = [
        ("IFLA_IFNAME", link.name),
        ("IFLA_ADDRESS", link.mac),
        ("IFLA_MTU", link.mtu),
        ("IFLA_GROUP", link.group),
        ("IFLA_LINKINFO", {"attrs": _info("veth", [("VETH_INFO_PEER", {"attrs": peer})])}),
    ]
    return Request(type=RTM_NEWLINK, flags=NLM_F_CREATE | NLM_F_EXCL, body=encode(ifinfmsg(), {}, attributes))


def set_link(
    index: int,
    *,
    group: int | None = None,
    mac: str | None = None,
    mtu: int | None = None,
    master: int | None = None,
) -> Request:
    """Bring a link up, with what is given changed on the way."""
    attributes: Attributes = []
    for name, value in (
        ("IFLA_GROUP", group),
        ("IFLA_ADDRESS", mac),
        ("IFLA_MTU", mtu),
        ("IFLA_MASTER", master),
    ):
        if value is not None:
            attributes.append((name, value))
    fields = {"index": index, "flags": _IFF_UP, "change": _IFF_UP}
    return Request(type=RTM_SETLINK, flags=0, body=encode(ifinfmsg(), fields, attributes))


def alternative_name(index: int, name: str, *, add: bool) -> Request:
    properties = {"attrs": [("IFLA_ALT_IFNAME", name)]}
    body = encode(ifinfmsg(), {"index": index}, [("IFLA_PROP_LIST", properties)])
    flags = NLM_F_CREATE | NLM_F_EXCL if add else 0
    return Request(type=RTM_NEWLINKPROP if add else RTM_DELLINKPROP, flags=flags, body=body)


def remove_link(name: str) -> Request:
    return Request(type=RTM_DELLINK, flags=0, body=encode(ifinfmsg(), {}, [("IFLA_IFNAME", name)]))


def remove_group(group: int) -> Request:
    return Request(type=RTM_DELLINK, flags=0, body=encode(ifinfmsg(), {}, [("IFLA_GROUP", group)]))


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
    fields = {
        "family": FAMILIES[entry.address.version],
        "prefixlen": entry.prefix_length,
        "index": indexes[entry.link],
        "flags": _IFA_F_NODAD if entry.address.version == 6 else 0,
    }
    text = str(entry.address)
    return encode(ifaddrmsg(), fields, [("IFA_LOCAL", text), ("IFA_ADDRESS", text)])


def route_body(route: Route, indexes: Mapping[str, int]) -> bytes:
    on_link = route.link is not None and route.via is None and route.prefix.version == 4
    fields = {
        "family": FAMILIES[route.prefix.version],
        "dst_len": route.prefix.prefixlen,
        "table": _TABLE_IN_ATTRIBUTE,
        "proto": ROUTE_PROTOCOL,
        "scope": _SCOPE_LINK if on_link else 0,
        "type": _RTN_UNREACHABLE if route.link is None else _RTN_UNICAST,
        "flags": _RTNH_F_ONLINK if route.via is not None else 0,
    }
    attributes: Attributes = [("RTA_TABLE", route.table)]
    if route.prefix.prefixlen:
        attributes.append(("RTA_DST", str(route.prefix.network_address)))
    if route.link is not None:
        attributes.append(("RTA_OIF", indexes[route.link]))
    if route.via is not None:
        attributes.append(_gateway(route.via, route.prefix.version))
    if route.source is not None:
        attributes.append(("RTA_PREFSRC", str(route.source)))
    if route.metric:
        attributes.append(("RTA_PRIORITY", route.metric))
    return encode(rtmsg(), fields, attributes)


def _gateway(via: Address, version: int) -> tuple[str, Any]:
    if via.version == version:
        return ("RTA_GATEWAY", str(via))
    return ("RTA_VIA", {"family": FAMILIES[via.version], "addr": str(via)})


def _neighbour(entry: Neighbour, indexes: Mapping[str, int]) -> bytes:
    fields = {
        "family": FAMILIES[entry.address.version],
        "ifindex": indexes[entry.link],
        "state": _NUD_PERMANENT,
    }
    return encode(ndmsg(), fields, [("NDA_DST", str(entry.address)), ("NDA_LLADDR", entry.mac)])


def _forwarding(entry: ForwardingEntry, indexes: Mapping[str, int]) -> bytes:
    fields = {
        "family": socket.AF_BRIDGE,
        "ifindex": indexes[entry.link],
        "state": _NUD_PERMANENT,
        "flags": _NTF_SELF,
    }
    return encode(ndmsg(), fields, [("NDA_LLADDR", entry.mac), ("NDA_DST", str(entry.remote))])


def _rule(rule: Rule, protocol: int | None) -> bytes:
    attributes: Attributes = [("FRA_PRIORITY", rule.priority)]
    if protocol is not None:
        attributes.append(("FRA_PROTOCOL", protocol))
    if rule.table is None:
        attributes.append(("FRA_L3MDEV", 1))
    else:
        attributes.append(("FRA_TABLE", rule.table))
    if rule.input_link is not None:
        attributes.append(("FRA_IIFNAME", rule.input_link))
    fields = {"family": FAMILIES[rule.family], "action": _FR_ACT_TO_TBL}
    return encode(fibmsg(), fields, attributes)
