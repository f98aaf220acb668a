"""A layout's lines to a state: each says what it says, and a line that is not understood is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.layout_text import LayoutReader, read_layout
from verifier.state import (
    ForwardingEntry,
    Link,
    LinkAddress,
    Neighbour,
    Route,
    RouteKind,
    Rule,
    kernel_rules,
    vrf_rules,
)
from verifier.unreadable import Unreadable

GOLDEN = Path(__file__).parents[2] / "golden"

TEXT = """\
# links
ip link add vn1 type vrf table 1000001
ip link property add dev vn1 altname team-a.red
ip link set vn1 addrgenmode none
ip link set vn1 group 1 address 0a:44:00:00:00:01 mtu 65575 up
ip link add vx1 type vxlan id 1000001 local 192.0.2.1 dstport 14789 nolearning
ip link set vx1 group 1 address 0a:41:00:01:00:01 mtu 1450 master vn1 up
ip link add ah1 type veth peer name hh1
ip link set hh1 group 131072 address 0a:43:00:00:00:01 mtu 1500 up
ip link set ah1 group 65537 address 0a:42:00:00:00:01 mtu 1500 master vn1
# at15b4d48a8c2b is made by the agent: its other end is inside the pod
ip link set at15b4d48a8c2b group 1 address 0a:44:00:00:00:01 mtu 1450 master vn1 up
# addresses
ip address add 100.64.0.3/31 dev ah1
ip address add fd41:746f:6c6c::3/127 dev ah1 nodad
# neighbours
ip neighbour add fe80::2 lladdr 0a:41:00:02:00:01 dev vx1 nud permanent
# forwarding
bridge fdb add 0a:41:00:02:00:01 dev vx1 dst 192.0.2.2 self permanent
# routes
ip -4 route add 10.3.0.1/32 via 100.64.0.3 dev hh1 table 1000000 proto 65 src 100.64.0.2 onlink
ip -4 route add 0.0.0.0/0 dev vn1 table 1000001 proto 65 metric 4278198272
ip -4 route add 10.1.0.16/28 via inet6 fe80::2 dev vx1 table 1000001 proto 65 onlink
ip -6 route add unreachable fd00:1::/64 table 1000001 proto 65
# rules
ip -4 rule add pref 50 l3mdev protocol 65
ip -4 rule add pref 60 lookup 255 protocol 65
ip -4 rule add pref 61 iif lo lookup 1000000 protocol 65
ip -4 rule del pref 0
"""


def test_devices_have_what_the_lines_give_them() -> None:
    links = read_layout(TEXT).links
    assert links["vn1"] == Link(name="vn1", kind="vrf", group=1, table=1000001, mac="0a:44:00:00:00:01")
    assert links["vx1"] == Link(
        name="vx1",
        kind="vxlan",
        group=1,
        master="vn1",
        vni=1000001,
        local=(4, 0xC0000201),
        port=14789,
        mac="0a:41:00:01:00:01",
    )
    assert links["hh1"] == Link(name="hh1", kind="veth", group=131072, mac="0a:43:00:00:00:01", peer="ah1")


def test_a_device_is_down_until_a_line_says_up() -> None:
    assert read_layout(TEXT).links["ah1"].up is False
    assert read_layout("ip link add vn1 type vrf table 5\n").links["vn1"].up is False


def test_a_pod_port_is_a_veth_whose_other_end_is_elsewhere() -> None:
    port = read_layout(TEXT).links["at15b4d48a8c2b"]
    assert (port.kind, port.peer, port.group, port.master) == ("veth", None, 1, "vn1")


def test_addresses_stand_with_their_device() -> None:
    assert read_layout(TEXT).links["ah1"].addresses == (
        LinkAddress(address=(4, 0x64400003), length=31),
        LinkAddress(address=(6, 0xFD41746F6C6C << 80 | 3), length=127),
    )


def test_neighbours_and_forwarding_entries_lead_to_other_nodes() -> None:
    state = read_layout(TEXT)
    assert state.neighbours == (
        Neighbour(link="vx1", address=(6, 0xFE80 << 112 | 2), mac="0a:41:00:02:00:01"),
    )
    assert state.forwarding == (ForwardingEntry(link="vx1", mac="0a:41:00:02:00:01", remote=(4, 0xC0000202)),)


def test_routes_have_their_table_next_hop_source_and_kind() -> None:
    host, everything, block, nowhere = read_layout(TEXT).routes
    assert host == Route(
        family=4,
        table=1000000,
        network=0x0A030001,
        length=32,
        link="hh1",
        via=(4, 0x64400003),
        source=(4, 0x64400002),
    )
    assert everything == Route(family=4, table=1000001, network=0, length=0, link="vn1", metric=4278198272)
    assert (block.via, block.link) == ((6, 0xFE80 << 112 | 2), "vx1")
    assert (nowhere.family, nowhere.kind, nowhere.link) == (6, RouteKind.UNREACHABLE, None)


def test_rules_are_the_kernels_own_with_what_the_lines_add_and_delete() -> None:
    """A kernel adds a rule of its own with its first VRF."""
    rules = read_layout(TEXT).rules
    assert [r for r in rules if r.family == 4] == [
        Rule(family=4, priority=50, table=None),
        Rule(family=4, priority=60, table=255),
        Rule(family=4, priority=61, table=1000000, input_link="lo"),
        Rule(family=4, priority=1000, table=None),
        Rule(family=4, priority=32766, table=254),
        Rule(family=4, priority=32767, table=253),
    ]
    assert {r for r in rules if r.family == 6} == {
        r for r in (*kernel_rules(), *vrf_rules()) if r.family == 6
    }


def test_an_empty_layout_is_a_kernel_as_it_starts() -> None:
    state = read_layout("")
    assert (dict(state.links), state.routes) == ({}, ())
    assert set(state.rules) == set(kernel_rules())


def test_a_line_that_an_earlier_layout_had_is_read_once() -> None:
    reader = LayoutReader()
    assert reader.read(TEXT).routes[0] is reader.read(TEXT).routes[0]


def test_a_layout_after_another_one_still_needs_its_own_devices() -> None:
    reader = LayoutReader()
    reader.read(TEXT)
    with pytest.raises(Unreadable, match="there is no device vx1"):
        reader.read("ip neighbour add fe80::2 lladdr 0a:41:00:02:00:01 dev vx1 nud permanent\n")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ip link add br0 type bridge", "it is not understood"),
        ("ip link set vn1 group 1 address 0a:44:00:00:00:01 mtu 1500 promisc on up", "it is not understood"),
        ("ip link set eth0 addrgenmode none", "there is no device eth0"),
        ("ip link add vn1 type vrf table 7", "the device vn1 is made twice"),
        ("ip address add 10.0.0.300/32 dev vn1", "'10.0.0.300' is not an address"),
        ("ip -4 route add 10.0.0.0/8 dev eth0 table 7 proto 65", "there is no device eth0"),
        ("ip -4 route add 10.0.0.1/8 dev vn1 table 7 proto 65", "'10.0.0.1/8' is not a prefix"),
        ("ip -4 route add fd00::/8 dev vn1 table 7 proto 65", "fd00::/8 is not of IPv4"),
        ("ip -4 route add 10.0.0.0/8 table 7 proto 65", "a route has a device"),
        ("ip -4 route add 10.0.0.0/8 dev vn1 table mine proto 65", "the routing table 'mine' is not known"),
        ("ip -4 route add 10.0.0.0/8 dev vn1 table 7 proto 65 mtu 1000", "it is not understood"),
        ("ip -4 rule add pref 70 fwmark 3 lookup 7 protocol 65", "it is not understood"),
        ("ip -4 rule del pref 70", "there is no rule 70 to delete"),
        ("ip neighbour add fe80::2 lladdr 0a:41:00:02:00:01 dev vx1 nud reachable", "it is not understood"),
        ("iptables -F", "it is not understood"),
    ],
)
def test_a_line_that_is_not_understood_is_refused_with_its_number(line: str, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_layout(f"{TEXT}{line}\n")
    assert (refused.value.line, refused.value.text) == (TEXT.count("\n") + 1, line)
    assert reason in refused.value.reason


def test_every_golden_layout_is_understood() -> None:
    paths = sorted(GOLDEN.glob("*/expected/*/layout.txt"))
    assert len(paths) > 100
    for path in paths:
        text = path.read_text()
        state = read_layout(text)
        assert len(state.routes) == text.count(" route add ")
        assert len(state.neighbours) == text.count("ip neighbour add ")
