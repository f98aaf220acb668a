"""rtnetlink dumps to an Observation: only what is ours, as the values that `compiler.layering` uses.

A link is ours when its name and kind are those of `compiler.device_names` and its group or its
hardware address says so too; a route or rule, when it carries ROUTE_PROTOCOL; a neighbour, address
or forwarding entry, when it is on a link of ours. Everything else is never even decoded.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from agent import messages
from agent.kernel import Observation
from agent.messages import FAMILIES
from agent.rtnetlink import Rtnetlink
from compiler import device_names as names
from compiler.layering import LOCAL_TABLE
from compiler.layout import ForwardingEntry, Layout, Link, LinkAddress, LinkKind, Neighbour, Route, Rule
from compiler.names import MAX_NUMBER, NetworkNumber

RTM_GETLINK: Final = 18
_RTM_GETADDR: Final = 22
_RTM_GETROUTE: Final = 26
_RTM_GETNEIGH: Final = 30
_RTM_GETRULE: Final = 34
_IFF_UP: Final = 1
_NUD_PERMANENT: Final = 0x80
_RTN_UNREACHABLE: Final = 7
_IPV6_DEFAULT_METRIC: Final = 1024
"""What the kernel makes of metric 0 in IPv6 (IP6_RT_PRIO_USER)."""
_IFA_F_PERMANENT: Final = 0x80
_SCOPE_UNIVERSE: Final = 0
_INDEX: Final = struct.Struct("=16x4xi")
_NAME: Final = re.compile(r"(vn|vx|ah|hh)([1-9][0-9]{0,4})|at[0-9a-f]{12}")
_KINDS: Final = {"vn": "vrf", "vx": "vxlan", "ah": "veth", "hh": "veth", "at": "veth"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A network device of the namespace, ours or not."""

    index: int
    name: str
    kind: str
    group: int
    mac: str
    mtu: int
    up: bool
    master: int | None
    other_end: int | None
    """Index of a veth's peer; None when that is in another namespace."""
    alt_names: tuple[str, ...]
    info: Mapping[str, Any]
    """The kind's own attributes, as pyroute2 gives them."""


def observe(netlink: Rtnetlink) -> Observation:
    devices = {device.index: device for device in read_devices(netlink)}
    ours = {device.index: device.name for device in devices.values() if is_ours(device)}
    layout = Layout(
        links=frozenset(_links(devices, ours)),
        addresses=frozenset(read_addresses(netlink, ours)),
        routes=frozenset(read_routes(netlink, {index: d.name for index, d in devices.items()})),
        neighbours=frozenset(read_neighbours(netlink, ours)),
        forwarding=frozenset(_forwarding(netlink, ours)),
        rules=frozenset(_rules(netlink)),
    )
    return Observation(
        layout=layout,
        down=frozenset(devices[index].name for index in ours if not devices[index].up),
        foreign_groups=frozenset(
            device.group
            for device in devices.values()
            if device.index not in ours and 0 < device.group <= names.OUTSIDE_GROUP
        ),
    )


def is_ours(device: Device) -> bool:
    matched = _NAME.fullmatch(device.name)
    prefix = device.name[:2]
    if matched is None or device.kind != _KINDS[prefix]:
        return False
    if prefix == "at":
        return device.mac == names.PORT_MAC or 0 < device.group <= names.LAST_GROUP
    number = NetworkNumber(int(matched[2]))
    return number <= MAX_NUMBER and (
        device.group == _group(prefix, number) or device.mac.startswith(_mac_prefix(prefix, number))
    )


def _group(prefix: str, number: NetworkNumber) -> int:
    match prefix:
        case "ah":
            return names.HOST_LINK_GROUP + number
        case "hh":
            return names.OUTSIDE_GROUP
        case _:
            return number


def _mac_prefix(prefix: str, number: NetworkNumber) -> str:
    """The hardware address, or, where it depends on the node, its part that does not."""
    match prefix:
        case "vn":
            return names.PORT_MAC
        case "ah":
            return names.host_link_mac(number)
        case "hh":
            return names.outside_mac(number)
        case _:
            return "0a:41:"


def read_devices(netlink: Rtnetlink) -> Iterator[Device]:
    for data in netlink.dump(RTM_GETLINK, messages.ALL_LINKS):
        message = ifinfmsg(data)
        message.decode()
        information = message.get_attr("IFLA_LINKINFO")
        other_namespace = message.get_attr("IFLA_LINK_NETNSID") is not None
        properties = message.get_attr("IFLA_PROP_LIST")
        details = information.get_attr("IFLA_INFO_DATA") if information else None
        yield Device(
            index=message["index"],
            name=message.get_attr("IFLA_IFNAME"),
            kind=(information.get_attr("IFLA_INFO_KIND") or "") if information else "",
            group=message.get_attr("IFLA_GROUP") or 0,
            mac=message.get_attr("IFLA_ADDRESS") or "",
            mtu=message.get_attr("IFLA_MTU") or 0,
            up=bool(message["flags"] & _IFF_UP),
            master=message.get_attr("IFLA_MASTER"),
            other_end=None if other_namespace else message.get_attr("IFLA_LINK"),
            alt_names=tuple(properties.get_attrs("IFLA_ALT_IFNAME")) if properties else (),
            info=dict(details["attrs"]) if details else {},
        )


def _links(devices: Mapping[int, Device], ours: Mapping[int, str]) -> Iterator[Link]:
    for index in ours:
        device = devices[index]
        above = devices.get(device.master or 0)
        master = above.name if above else None
        peer = devices.get(device.other_end or 0)
        match device.name[:2]:
            case "vn":
                alt_name = device.alt_names[0] if device.alt_names else None
                table = device.info.get("IFLA_VRF_TABLE")
                yield _link(device, LinkKind.VRF, master, alt_name=alt_name, table=table)
            case "vx":
                yield _vxlan(device, master)
            case "ah":
                yield _host_link(device, master, peer if peer and peer.index in ours else None)
            case "at":
                yield _link(device, LinkKind.POD_PORT, master)


def _link(device: Device, kind: LinkKind, master: str | None, **more: Any) -> Link:
    return Link(
        name=device.name,
        kind=kind,
        group=device.group,
        mac=device.mac,
        mtu=device.mtu,
        master=master,
        **more,
    )


def _vxlan(device: Device, master: str | None) -> Link:
    local = device.info.get("IFLA_VXLAN_LOCAL") or device.info.get("IFLA_VXLAN_LOCAL6")
    return _link(
        device,
        LinkKind.VXLAN,
        master,
        vni=device.info.get("IFLA_VXLAN_ID"),
        local=ip_address(local) if local else None,
        port=device.info.get("IFLA_VXLAN_PORT"),
    )


def _host_link(device: Device, master: str | None, peer: Device | None) -> Link:
    return _link(
        device,
        LinkKind.HOST_LINK,
        master,
        peer=peer.name if peer else None,
        peer_mac=peer.mac if peer else None,
        peer_group=peer.group if peer else None,
    )


def read_addresses(netlink: Rtnetlink, ours: Mapping[int, str]) -> Iterator[LinkAddress]:
    for data in netlink.dump(_RTM_GETADDR, messages.ALL_ADDRESSES):
        if _INDEX.unpack_from(data)[0] not in ours:
            continue
        message = ifaddrmsg(data)
        message.decode()
        if message["scope"] == _SCOPE_UNIVERSE:  # link-local ones are the kernel's
            yield LinkAddress(
                link=ours[message["index"]],
                address=ip_address(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")),
                prefix_length=message["prefixlen"],
            )


def read_routes(netlink: Rtnetlink, links: Mapping[int, str]) -> Iterator[Route]:
    for version, family in FAMILIES.items():
        for data in netlink.dump(_RTM_GETROUTE, messages.our_routes(family)):
            message = rtmsg(data)
            message.decode()
            if message["proto"] == names.ROUTE_PROTOCOL:  # a kernel may ignore the filter
                yield _route(message, version, links)


def _route(message: Any, version: int, links: Mapping[int, str]) -> Route:
    unreachable = message["type"] == _RTN_UNREACHABLE
    everything = "0.0.0.0" if version == 4 else "::"
    other_family = message.get_attr("RTA_VIA")
    via = other_family["addr"] if other_family else message.get_attr("RTA_GATEWAY")
    source = message.get_attr("RTA_PREFSRC")
    metric = message.get_attr("RTA_PRIORITY") or 0
    return Route(
        table=message.get_attr("RTA_TABLE"),
        prefix=ip_network(f"{message.get_attr('RTA_DST') or everything}/{message['dst_len']}"),
        link=None if unreachable else links.get(message.get_attr("RTA_OIF"), "?"),
        via=ip_address(via) if via else None,
        source=ip_address(source) if source else None,
        metric=0 if version == 6 and metric == _IPV6_DEFAULT_METRIC else metric,
    )


def read_neighbours(netlink: Rtnetlink, ours: Mapping[int, str]) -> Iterator[Neighbour]:
    for family in FAMILIES.values():
        for message in _permanent(netlink, family, ours):
            yield Neighbour(
                link=ours[message["ifindex"]],
                address=ip_address(message.get_attr("NDA_DST")),
                mac=message.get_attr("NDA_LLADDR"),
            )


def _forwarding(netlink: Rtnetlink, ours: Mapping[int, str]) -> Iterator[ForwardingEntry]:
    overlays = {index: name for index, name in ours.items() if name.startswith("vx")}
    for message in _permanent(netlink, socket.AF_BRIDGE, overlays):
        remote = message.get_attr("NDA_DST")
        if remote is not None:
            yield ForwardingEntry(
                link=ours[message["ifindex"]],
                mac=message.get_attr("NDA_LLADDR"),
                remote=ip_address(remote),
            )


def _permanent(netlink: Rtnetlink, family: int, links: Mapping[int, str]) -> Iterator[Any]:
    for data in netlink.dump(_RTM_GETNEIGH, messages.all_neighbours(family)):
        if _INDEX.unpack_from(data)[0] in links:
            message = ndmsg(data)
            message.decode()
            if message["state"] & _NUD_PERMANENT:
                yield message


def _matches_everything(rule: Any) -> bool:
    """As the rule that the kernel begins with; one of preference 0 that chooses is somebody else's."""
    chosen = (rule.get_attr(name) for name in ("FRA_IIFNAME", "FRA_OIFNAME", "FRA_FWMARK"))
    return not (rule["src_len"] or rule["dst_len"] or rule["tos"] or any(chosen))


def _rules(netlink: Rtnetlink) -> Iterator[Rule]:
    for version, family in FAMILIES.items():
        for data in netlink.dump(_RTM_GETRULE, messages.all_rules(family)):
            message = fibmsg(data)
            message.decode()
            table = message.get_attr("FRA_TABLE") or message["table"]
            priority = message.get_attr("FRA_PRIORITY") or 0
            input_link = message.get_attr("FRA_IIFNAME")
            first = priority == 0 and table == LOCAL_TABLE and _matches_everything(message)
            if first or message.get_attr("FRA_PROTOCOL") == names.ROUTE_PROTOCOL:
                yield Rule(
                    family=version,
                    priority=priority,
                    table=None if message.get_attr("FRA_L3MDEV") else table,
                    input_link=input_link,
                )
