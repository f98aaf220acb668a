"""What `ip -j` and `bridge -j` print of a live kernel, to a state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verifier.ip_json import Dump, read_state
from verifier.state import (
    ForwardingEntry,
    Link,
    LinkAddress,
    Neighbour,
    Route,
    RouteKind,
    Rule,
)
from verifier.unreadable import Unreadable

EMPTY = Dump(
    links=b"",
    addresses=b"",
    routes4=b"",
    routes6=b"",
    rules4=b"",
    rules6=b"",
    neighbours=b"",
    forwarding=b"",
)

LINKS = b"""[
{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"group":"default",
 "link_type":"loopback","address":"00:00:00:00:00:00"},
{"ifindex":2,"ifname":"eth0","flags":["BROADCAST","UP"],"group":"0","address":"02:00:00:00:00:01"},
{"ifindex":3,"ifname":"vn1","flags":["NOARP","MASTER","UP"],"group":"1","address":"0a:44:00:00:00:01",
 "linkinfo":{"info_kind":"vrf","info_data":{"table":1000001}},"altnames":["team-a.red"]},
{"ifindex":4,"ifname":"vx1","flags":["BROADCAST","UP"],"master":"vn1","group":"1",
 "address":"0a:41:00:01:00:01","linkinfo":{"info_kind":"vxlan","info_data":{"id":1000001,
 "local":"192.0.2.1","port_range":{"low":0,"high":0},"port":14789,"learning":false},
 "info_slave_kind":"vrf","info_slave_data":{"table":1000001}}},
{"ifindex":5,"link":"ah1","ifname":"hh1","flags":["BROADCAST"],"group":"131072",
 "address":"0a:43:00:00:00:01","linkinfo":{"info_kind":"veth"}},
{"ifindex":6,"link":"hh1","ifname":"ah1","flags":["BROADCAST","UP"],"master":"vn1","group":"65537",
 "address":"0a:42:00:00:00:01","linkinfo":{"info_kind":"veth","info_slave_kind":"vrf"}},
{"ifindex":7,"link_index":2,"ifname":"at15b4d48a8c2b","flags":["BROADCAST","UP"],"master":"vn1","group":"1",
 "address":"0a:44:00:00:00:01","link_netnsid":0,"linkinfo":{"info_kind":"veth"}}
]"""
ADDRESSES = b"""[
{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"}]},
{"ifname":"ah1","addr_info":[{"family":"inet","local":"100.64.0.3","prefixlen":31},
 {"family":"inet6","local":"fd41:746f:6c6c::3","prefixlen":127}]},
{"ifname":"vx1","addr_info":[]}
]"""
ROUTES = b"""[
{"type":"unicast","dst":"default","gateway":"192.0.2.254","dev":"eth0","table":"main","protocol":"boot","flags":[]},
{"type":"1","dst":"10.3.0.1","gateway":"100.64.0.3","dev":"hh1","table":"1000000","prefsrc":"100.64.0.2",
 "flags":["onlink"]},
{"type":"unicast","dst":"10.1.0.16/28","via":{"family":"inet6","host":"fe80::2"},"dev":"vx1","table":"1000001",
 "flags":["onlink"]},
{"type":"unicast","dst":"0.0.0.0/0","dev":"vn1","table":"1000001","metric":4278198272,"flags":[]},
{"type":"unreachable","dst":"10.9.0.0/16","dev":"lo","table":"main","flags":[]},
{"type":"2","dst":"100.64.0.3","dev":"ah1","table":"1000001","flags":[]},
{"dst":"10.8.0.0/16","protocol":"boot","flags":[],
 "nexthops":[{"gateway":"192.0.2.7","dev":"eth0","weight":1},{"gateway":"192.0.2.8","dev":"eth0","weight":1}]}
]"""
RULES = b"""[
{"priority":50,"src":"all","l3mdev":null,"protocol":"65"},
{"priority":60,"src":"all","table":"local","protocol":"65"},
{"priority":61,"src":"all","iif":"lo","table":"1000000","protocol":"65"},
{"priority":110,"src":"all","fwmark":"0x200","fwmask":"0xf00","table":"2004"},
{"priority":32766,"src":"all","table":"main","protocol":"kernel"}
]"""


def test_devices_have_what_rules_and_routes_ask_of_them() -> None:
    links = read_state(replace(EMPTY, links=LINKS, addresses=ADDRESSES)).links
    assert links["eth0"] == Link(name="eth0", kind="", mac="02:00:00:00:00:01")
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
    assert links["ah1"] == Link(
        name="ah1",
        kind="veth",
        group=65537,
        master="vn1",
        mac="0a:42:00:00:00:01",
        peer="hh1",
        addresses=(
            LinkAddress(address=(4, 0x64400003), length=31),
            LinkAddress(address=(6, 0xFD41746F6C6C << 80 | 3), length=127),
        ),
    )
    assert links["hh1"].up is False


def test_a_veth_whose_other_end_is_in_another_namespace_is_a_pod_port() -> None:
    port = read_state(replace(EMPTY, links=LINKS)).links["at15b4d48a8c2b"]
    assert (port.kind, port.peer, port.master) == ("veth", None, "vn1")


def test_routes_of_all_tables_are_kept_the_nodes_own_among_them() -> None:
    found = read_state(replace(EMPTY, links=LINKS, routes4=ROUTES)).routes
    assert found == (
        Route(family=4, table=254, network=0, length=0, link="eth0", via=(4, 0xC00002FE)),
        Route(
            family=4,
            table=1000000,
            network=0x0A030001,
            length=32,
            link="hh1",
            via=(4, 0x64400003),
            source=(4, 0x64400002),
        ),
        Route(family=4, table=1000001, network=0x0A010010, length=28, link="vx1", via=(6, 0xFE80 << 112 | 2)),
        Route(family=4, table=1000001, network=0, length=0, link="vn1", metric=4278198272),
        Route(family=4, table=254, network=0x0A090000, length=16, link=None, kind=RouteKind.UNREACHABLE),
        Route(family=4, table=1000001, network=0x64400003, length=32, link="ah1", kind=RouteKind.LOCAL),
        Route(family=4, table=254, network=0x0A080000, length=16, link="eth0", via=(4, 0xC0000207)),
    )


def test_the_default_route_is_of_the_family_that_was_asked_for() -> None:
    routes = b'[{"dst":"default","dev":"eth0","table":"254","flags":[]}]'
    assert read_state(replace(EMPTY, routes6=routes)).routes == (
        Route(family=6, table=254, network=0, length=0, link="eth0"),
    )


def test_of_the_nodes_own_routes_to_one_prefix_the_first_is_in_force() -> None:
    routes = b"""[{"type":"local","dst":"10.244.2.1","dev":"veth0","table":"local","flags":[]},
        {"type":"local","dst":"10.244.2.1","dev":"veth1","table":"local","flags":[]}]"""
    (found,) = read_state(replace(EMPTY, routes4=routes)).routes
    assert found.link == "veth0"
    (found,) = read_state(replace(EMPTY, routes6=routes.replace(b"10.244.2.1", b"fd00::1"))).routes
    assert found.link == "veth0"


def test_link_local_routes_are_there_for_every_device() -> None:
    routes = b"""[{"dst":"fe80::/64","dev":"veth0","table":"main","metric":256,"flags":[]},
        {"dst":"fe80::/64","dev":"veth1","table":"main","metric":256,"flags":[]}]"""
    assert [route.link for route in read_state(replace(EMPTY, routes6=routes)).routes] == ["veth0", "veth1"]


def test_a_dead_route_is_none() -> None:
    routes = b'[{"dst":"10.1.0.16/28","dev":"vx1","table":"1000001","flags":["dead","linkdown"]}]'
    assert read_state(replace(EMPTY, links=LINKS, routes4=routes)).routes == ()


def test_a_route_of_a_vrf_with_several_next_hops_is_refused() -> None:
    routes = ROUTES.replace(b'{"dst":"10.8.0.0/16"', b'{"dst":"10.8.0.0/16","table":"1000001"')
    with pytest.raises(Unreadable, match=r"the route of a VRF to 10\.8\.0\.0/16 .* has several next hops"):
        read_state(replace(EMPTY, links=LINKS, routes4=routes))


def test_rules_stand_in_their_order_with_what_is_not_known_of_them() -> None:
    assert read_state(replace(EMPTY, rules4=RULES)).rules == (
        Rule(family=4, priority=50, table=None),
        Rule(family=4, priority=60, table=255),
        Rule(family=4, priority=61, table=1000000, input_link="lo"),
        Rule(family=4, priority=110, table=None, chooses="fwmark, fwmask"),
        Rule(family=4, priority=32766, table=254),
    )


def test_a_rule_of_others_before_l3mdev_is_refused() -> None:
    """It could take a network's packet elsewhere; behind l3mdev it cannot."""
    rules = b'[{"priority":9,"src":"all","fwmark":"0x200","table":"2004"},' + RULES[1:]
    with pytest.raises(Unreadable, match="rule 9 of IPv4 comes before l3mdev and chooses by fwmark"):
        read_state(replace(EMPTY, rules4=rules))


def test_a_rule_by_source_before_l3mdev_is_refused() -> None:
    rules = b'[{"priority":9,"src":"10.0.0.0","srclen":8,"table":"2004"},' + RULES[1:]
    with pytest.raises(Unreadable, match="chooses by srclen"):
        read_state(replace(EMPTY, rules4=rules))


def test_neighbours_that_nobody_answered_for_are_left_out() -> None:
    neighbours = b"""[{"dst":"fe80::2","dev":"vx1","lladdr":"0a:41:00:02:00:01","state":["PERMANENT"]},
        {"dst":"192.0.2.9","dev":"eth0","state":["FAILED"]}]"""
    assert read_state(replace(EMPTY, neighbours=neighbours)).neighbours == (
        Neighbour(link="vx1", address=(6, 0xFE80 << 112 | 2), mac="0a:41:00:02:00:01"),
    )


@pytest.mark.parametrize("state", [b'"state":["REACHABLE"]', b'"state":["STALE"]', b'"router":null'])
def test_neighbours_that_the_kernel_has_learned_do_not_last(state: bytes) -> None:
    neighbours = b'[{"dst":"fe80::2","dev":"vx1","lladdr":"0a:41:00:02:00:01",' + state + b"}]"
    assert read_state(replace(EMPTY, neighbours=neighbours)).neighbours == (
        Neighbour(link="vx1", address=(6, 0xFE80 << 112 | 2), mac="0a:41:00:02:00:01", lasting=False),
    )


def test_forwarding_entries_that_age_do_not_last() -> None:
    forwarding = b'[{"mac":"0a:41:00:02:00:01","ifname":"vx1","dst":"192.0.2.2","flags":["self"],"state":""}]'
    assert read_state(replace(EMPTY, forwarding=forwarding)).forwarding == (
        ForwardingEntry(link="vx1", mac="0a:41:00:02:00:01", remote=(4, 0xC0000202), lasting=False),
    )


def test_a_device_that_is_built_on_another_is_told() -> None:
    vlan = b""",
{"ifindex":8,"link":"at15b4d48a8c2b","ifname":"own.7","flags":["UP"],"linkinfo":{"info_kind":"vlan"}}]"""
    links = read_state(replace(EMPTY, links=LINKS.rstrip()[:-1] + vlan)).links
    assert links["own.7"].lower == "at15b4d48a8c2b"
    assert links["ah1"].lower is None


def test_forwarding_entries_are_those_of_vxlans() -> None:
    forwarding = b"""[
        {"mac":"0a:41:00:02:00:01","ifname":"vx1","dst":"192.0.2.2","flags":["self"],"state":"permanent"},
        {"mac":"33:33:00:00:00:01","ifname":"eth0","flags":["self"],"state":"permanent"}]"""
    assert read_state(replace(EMPTY, forwarding=forwarding)).forwarding == (
        ForwardingEntry(link="vx1", mac="0a:41:00:02:00:01", remote=(4, 0xC0000202)),
    )


@pytest.mark.parametrize(
    ("dump", "reason"),
    [
        (replace(EMPTY, links=b"{}"), "the links are not what `ip -j` prints"),
        (
            replace(EMPTY, links=LINKS.replace(b'"65537"', b'"mine"')),
            "the interface group of ah1 has a name, mine",
        ),
        (replace(EMPTY, routes4=b'[{"dst":"10.0.0.0/8","type":"strange"}]'), "of the unknown type strange"),
        (
            replace(EMPTY, routes4=b'[{"dst":"10.0.0.0/8","table":"mine"}]'),
            "the routing table 'mine' is not known",
        ),
        (replace(EMPTY, rules6=b'[{"priority":5,"src":"all"}]'), "the routing table 'None' is not known"),
        (replace(EMPTY, neighbours=b"nothing"), "the neighbours are not what `ip -j` prints"),
        (
            replace(EMPTY, links=LINKS.replace(b'"learning":false', b'"learning":true')),
            "the VXLAN vx1 has `learning`, which is not understood",
        ),
        (
            replace(EMPTY, links=LINKS.replace(b'"learning":false', b'"learning":false,"gbp":true')),
            "the VXLAN vx1 has `gbp`, which is not understood",
        ),
        (
            replace(EMPTY, links=LINKS.replace(b'"learning":false', b'"learning":false,"link":"eth1"')),
            "the VXLAN vx1 has `link`, which is not understood",
        ),
        (
            replace(
                EMPTY,
                links=LINKS,
                forwarding=b'[{"mac":"0a:41:00:02:00:01","ifname":"vx1","dst":"192.0.2.2","vni":1000002}]',
            ),
            "the forwarding entry of 0a:41:00:02:00:01 on vx1 has `vni`, which is not understood",
        ),
        (
            replace(
                EMPTY,
                links=LINKS,
                routes4=b'[{"dst":"10.1.0.16/28","dev":"vx1","table":"1000001","tos":"0x10"}]',
            ),
            "the route of a VRF to 10.1.0.16/28 in table 1000001 has `tos`, which is not understood",
        ),
    ],
)
def test_what_is_not_understood_is_refused(dump: Dump, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_state(dump)
    assert reason in str(refused.value)
