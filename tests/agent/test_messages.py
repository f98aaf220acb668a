"""What the agent writes to rtnetlink, another implementation reads as what was meant."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from agent import messages
from agent.actions import Entry
from agent.rtnetlink import Request
from compiler.layout import ForwardingEntry, Link, LinkAddress, LinkKind, Neighbour, Route, Rule

INDEXES = {"at1": 11, "vx7": 12, "hh7": 13, "eth0": 2}
MAC = "0a:41:00:03:00:07"
_HEADER = bytes(16)


def _read(kind: type[nlmsg], request: Request) -> Any:
    content = (len(_HEADER) + len(request.body)).to_bytes(4, "little") + _HEADER[4:] + request.body
    message = kind(content)
    message.decode()
    return message


def _attributes(message: Any) -> Mapping[str, object]:
    """Nested ones, too, under their own names."""
    found: dict[str, object] = {}
    for name, value, *_ in message["attrs"]:
        found |= _attributes(value) if isinstance(value, dict) and "attrs" in value else {name: value}
    return found


LINKS = [
    (
        Link(name="vn7", kind=LinkKind.VRF, group=7, mac=MAC, mtu=65575, table=1000007),
        {"IFLA_INFO_KIND": "vrf", "IFLA_VRF_TABLE": 1000007},
    ),
    (
        Link(
            name="vx7",
            kind=LinkKind.VXLAN,
            group=7,
            mac=MAC,
            mtu=1450,
            vni=1000007,
            local=ip_address("192.0.2.1"),
            port=4789,
        ),
        {
            "IFLA_INFO_KIND": "vxlan",
            "IFLA_VXLAN_ID": 1000007,
            "IFLA_VXLAN_LOCAL": "192.0.2.1",
            "IFLA_VXLAN_PORT": 4789,
            "IFLA_VXLAN_LEARNING": 0,
        },
    ),
]


@pytest.mark.parametrize(("link", "kind"), LINKS, ids=["vrf", "vxlan"])
def test_a_link_is_made_with_its_looks_and_what_its_kind_has(link: Link, kind: dict[str, object]) -> None:
    read = _attributes(_read(ifinfmsg, messages.create_link(link)))
    looks = {"IFLA_IFNAME": link.name, "IFLA_ADDRESS": MAC, "IFLA_MTU": link.mtu, "IFLA_GROUP": 7}
    assert read == looks | kind


def test_a_pods_end_starts_its_life_in_the_pods_namespace() -> None:
    port = Link(name="at1", kind=LinkKind.POD_PORT, group=7, mac=MAC, mtu=1450, master="vn7")
    request = messages.create_port(port, interface="eth0", mac="0a:42:00:00:00:01", mtu=1400, netns=9)
    info = _read(ifinfmsg, request).get_attr("IFLA_LINKINFO")
    peer = info.get_attr("IFLA_INFO_DATA").get_attr("VETH_INFO_PEER")
    assert _attributes(peer) == {
        "IFLA_IFNAME": "eth0",
        "IFLA_ADDRESS": "0a:42:00:00:00:01",
        "IFLA_MTU": 1400,
        "IFLA_NET_NS_FD": 9,
    }


def test_a_link_is_brought_up_with_what_changes_and_nothing_else() -> None:
    read = _read(ifinfmsg, messages.set_link(11, group=0, master=5))
    assert (read["index"], read["flags"], read["change"]) == (11, 1, 1)
    assert _attributes(read) == {"IFLA_GROUP": 0, "IFLA_MASTER": 5}


ENTRIES: list[tuple[type[nlmsg], Entry, dict[str, object], dict[str, object]]] = [
    (
        rtmsg,
        Route(table=1000007, prefix=ip_network("10.1.0.5/32"), link="at1"),
        {"family": socket.AF_INET, "dst_len": 32, "table": 252, "proto": 65, "scope": 253, "flags": 0},
        {"RTA_TABLE": 1000007, "RTA_DST": "10.1.0.5", "RTA_OIF": 11},
    ),
    (
        rtmsg,
        Route(table=1000007, prefix=ip_network("10.2.0.0/24"), link="vx7", via=ip_address("fe80::3")),
        {"family": socket.AF_INET, "dst_len": 24, "scope": 0, "flags": 4},
        {
            "RTA_TABLE": 1000007,
            "RTA_DST": "10.2.0.0",
            "RTA_OIF": 12,
            "RTA_VIA": {"family": socket.AF_INET6, "addr": "fe80::3"},
        },
    ),
    (
        rtmsg,
        Route(
            table=1000000,
            prefix=ip_network("fd00::5/128"),
            link="hh7",
            via=ip_address("fd41::3"),
            source=ip_address("fd41::2"),
            metric=9,
        ),
        {"family": socket.AF_INET6, "dst_len": 128, "flags": 4},
        {
            "RTA_TABLE": 1000000,
            "RTA_DST": "fd00::5",
            "RTA_OIF": 13,
            "RTA_GATEWAY": "fd41::3",
            "RTA_PREFSRC": "fd41::2",
            "RTA_PRIORITY": 9,
        },
    ),
    (
        ifaddrmsg,
        LinkAddress(link="eth0", address=ip_address("fd00::1"), prefix_length=128),
        {"family": socket.AF_INET6, "prefixlen": 128, "index": 2, "flags": 2},
        {"IFA_LOCAL": "fd00::1", "IFA_ADDRESS": "fd00::1"},
    ),
    (
        ndmsg,
        Neighbour(link="at1", address=ip_address("10.1.0.5"), mac=MAC),
        {"family": socket.AF_INET, "ifindex": 11, "state": 0x80, "flags": 0},
        {"NDA_DST": "10.1.0.5", "NDA_LLADDR": MAC},
    ),
    (
        ndmsg,
        ForwardingEntry(link="vx7", mac=MAC, remote=ip_address("192.0.2.2")),
        {"family": socket.AF_BRIDGE, "ifindex": 12, "state": 0x80, "flags": 2},
        {"NDA_DST": "192.0.2.2", "NDA_LLADDR": MAC},
    ),
    (
        fibmsg,
        Rule(family=6, priority=61, table=1000000, input_link="lo"),
        {"family": socket.AF_INET6, "action": 1},
        {"FRA_PRIORITY": 61, "FRA_PROTOCOL": 65, "FRA_TABLE": 1000000, "FRA_IIFNAME": "lo"},
    ),
]


TITLES = [type(entry).__name__ for _, entry, _, _ in ENTRIES]


@pytest.mark.parametrize(("kind", "entry", "header", "attributes"), ENTRIES, ids=TITLES)
def test_an_entry_is_put_as_what_it_is(
    kind: type[nlmsg], entry: Entry, header: dict[str, object], attributes: dict[str, object]
) -> None:
    read = _read(kind, messages.put(entry, INDEXES))
    assert {name: read[name] for name in header} == header
    assert _attributes(read) == attributes
