"""Routing as the kernel does it: rules in order, longest prefix, metrics, what addresses imply, next hops."""

from __future__ import annotations

import pytest

from tests.verifier.golden_nodes import addressed, number
from verifier.fault import Contradiction
from verifier.intervals import Intervals, prefix_interval
from verifier.routing import Hop, Routing, Way
from verifier.state import (
    ForwardingEntry,
    Link,
    LinkAddress,
    Neighbour,
    Route,
    RouteKind,
    Rule,
    State,
    kernel_rules,
)

LINKS = {
    link.name: link
    for link in (
        Link(name="vn1", kind="vrf", group=1, table=1001),
        Link(name="vx1", kind="vxlan", group=1, master="vn1", vni=1001),
        Link(name="at1", kind="veth", group=1, master="vn1"),
        Link(
            name="ah1",
            kind="veth",
            group=65537,
            master="vn1",
            addresses=(LinkAddress(address=addressed("100.64.0.3"), length=31),),
        ),
        Link(name="eth0", kind="", addresses=(LinkAddress(address=addressed("192.0.2.1"), length=24),)),
    )
}


def route(prefix: str, link: str | None, table: int = 1001, **rest: object) -> Route:
    first, length = prefix.split("/")
    family, network = addressed(first)
    return Route(family=family, table=table, network=network, length=int(length), link=link, **rest)  # type: ignore[arg-type]


def routing(*routes: Route, rules: tuple[Rule, ...] | None = None, **rest: object) -> Routing:
    l3mdev = Rule(family=4, priority=50, table=None)
    state = State(
        links=LINKS,
        routes=routes,
        rules=(l3mdev, *kernel_rules()) if rules is None else rules,
        **rest,  # type: ignore[arg-type]
    )
    return Routing(state)


def one(address: str) -> Intervals:
    return ((number(address), number(address)),)


def way(found: Routing, address: str, vrf: str | None = "vn1", came_by: str = "at1") -> Way:
    (decided,) = found.decide(4, one(address), LINKS[vrf] if vrf else None, came_by)
    return decided


def test_the_longest_prefix_wins() -> None:
    found = routing(route("10.0.0.0/8", "vn1"), route("10.1.0.0/16", "vx1"), route("10.1.2.3/32", "at1"))
    assert way(found, "10.1.2.3").link == "at1"
    assert way(found, "10.1.2.4").link == "vx1"
    assert way(found, "10.2.0.0").link == "vn1"


def test_within_a_prefix_the_lowest_metric_wins() -> None:
    found = routing(route("0.0.0.0/0", "vn1", metric=4278198272), route("0.0.0.0/0", "ah1"))
    assert way(found, "198.51.100.1").link == "ah1"


def test_an_ipv6_route_without_a_metric_has_1024() -> None:
    low, default = route("fd00::/64", "vx1", metric=1), route("fd00::/64", "vn1")
    found = routing(default, low)
    assert found.table(6, 1001).find(number("fd00::5")) == low


def test_two_routes_with_one_prefix_and_metric_are_a_contradiction() -> None:
    found = routing(route("10.0.0.0/8", "vx1"), route("10.0.0.0/8", "at1"))
    with pytest.raises(Contradiction, match="two routes to one prefix with one metric"):
        found.table(4, 1001)


def test_a_table_that_knows_nothing_leaves_it_to_the_next_rule() -> None:
    found = routing(route("10.0.0.0/8", "vx1"), route("0.0.0.0/0", "eth0", table=254))
    assert way(found, "198.51.100.1").link == "eth0"


def test_with_no_route_anywhere_the_kernel_says_unreachable() -> None:
    assert way(routing(), "198.51.100.1").kind is RouteKind.UNREACHABLE


def test_a_throw_route_leaves_it_to_the_next_rule() -> None:
    found = routing(
        route("0.0.0.0/0", "vn1"),
        route("10.0.0.0/8", None, kind=RouteKind.THROW),
        route("10.0.0.0/8", "eth0", table=254),
    )
    assert way(found, "10.0.0.1").link == "eth0"


def test_rules_count_by_preference() -> None:
    l3mdev, local = Rule(family=4, priority=50, table=None), Rule(family=4, priority=60, table=255)
    vrf_first = routing(route("0.0.0.0/0", "vn1"), rules=(local, l3mdev))
    assert way(vrf_first, "192.0.2.1") == Way(one("192.0.2.1"), RouteKind.UNICAST, "vn1", 1001)
    local_first = routing(route("0.0.0.0/0", "vn1"), rules=(l3mdev, Rule(family=4, priority=0, table=255)))
    assert way(local_first, "192.0.2.1").kind is RouteKind.LOCAL


def test_a_rule_for_the_nodes_own_packets_concerns_no_others() -> None:
    own = Rule(family=4, priority=61, table=1000, input_link="lo")
    found = routing(route("10.1.0.1/32", "ah1", table=1000), rules=(own,))
    assert way(found, "10.1.0.1", None, "lo").link == "ah1"
    assert way(found, "10.1.0.1", None, "eth0").kind is RouteKind.UNREACHABLE


def test_addresses_of_a_device_in_a_vrf_are_local_there_and_nowhere_else() -> None:
    found = routing()
    assert way(found, "100.64.0.3") == Way(one("100.64.0.3"), RouteKind.LOCAL, "ah1", 1001)
    assert way(found, "100.64.0.2") == Way(one("100.64.0.2"), RouteKind.UNICAST, "ah1", 1001)
    assert way(found, "100.64.0.3", None, "eth0").kind is RouteKind.UNREACHABLE
    assert way(found, "192.0.2.1", None, "eth0").kind is RouteKind.LOCAL


def test_a_device_leads_back_to_what_its_vrf_sends_there() -> None:
    found = routing(route("10.1.0.1/32", "at1"), route("10.2.0.0/24", "vx1"), route("0.0.0.0/0", "vn1"))
    assert found.leads_back(4, "at1") == one("10.1.0.1")
    assert found.leads_back(4, "vx1") == (prefix_interval(4, number("10.2.0.0"), 24),)


def test_the_type_of_an_ipv4_address_is_what_the_local_table_says() -> None:
    found = routing(route("203.0.113.0/24", None, table=254, kind=RouteKind.BLACKHOLE))
    assert found.types(4) == {RouteKind.LOCAL: one("192.0.2.1")}


def test_destinations_are_cut_at_what_tables_say_and_nowhere_else() -> None:
    l3mdev = Rule(family=4, priority=50, table=None)
    found = routing(route("0.0.0.0/0", "vn1"), route("10.1.0.0/16", "vx1"), rules=(l3mdev,))
    everything = ((0, 2**32 - 1),)
    ways = {(w.kind, w.link): w.destinations for w in found.decide(4, everything, LINKS["vn1"], "at1")}
    assert ways == {
        (RouteKind.UNICAST, "vx1"): (prefix_interval(4, number("10.1.0.0"), 16),),
        (RouteKind.UNICAST, "ah1"): one("100.64.0.2"),
        (RouteKind.LOCAL, "ah1"): one("100.64.0.3"),
        (RouteKind.UNICAST, "vn1"): (
            (0, number("10.1.0.0") - 1),
            (number("10.2.0.0"), number("100.64.0.1")),
            (number("100.64.0.4"), 2**32 - 1),
        ),
    }


NEIGHBOURS = (
    Neighbour(link="vx1", address=addressed("fe80::2"), mac="0a:41:00:02:00:01"),
    Neighbour(link="vx1", address=addressed("fe80::3"), mac="0a:41:00:03:00:01"),
)
FORWARDING = (ForwardingEntry(link="vx1", mac="0a:41:00:02:00:01", remote=addressed("192.0.2.2")),)


def test_a_vxlans_next_hop_is_a_neighbour_and_a_forwarding_entry() -> None:
    found = routing(
        route("10.2.0.0/24", "vx1", via=addressed("fe80::2")),
        route("10.3.0.0/24", "vx1", via=addressed("fe80::3")),
        route("10.4.0.0/24", "vx1", via=addressed("fe80::4")),
        neighbours=NEIGHBOURS,
        forwarding=FORWARDING,
    )
    hops = {hop: where for where, hop in found.hops(4, 1001, "vx1", ((0, 2**32 - 1),))}
    assert hops == {
        Hop(mac="0a:41:00:02:00:01", remote=addressed("192.0.2.2")): (
            prefix_interval(4, number("10.2.0.0"), 24),
        ),
        Hop(mac="0a:41:00:03:00:01", why="no forwarding entry for 0a:41:00:03:00:01 on vx1"): (
            prefix_interval(4, number("10.3.0.0"), 24),
        ),
        Hop(why="no neighbour entry for the next hop on vx1"): (prefix_interval(4, number("10.4.0.0"), 24),),
    }
    assert found.sent_on(4, 1001, "vx1") == (prefix_interval(4, number("10.2.0.0"), 24),)


def test_without_a_next_hop_each_destination_is_its_own_neighbour() -> None:
    found = routing(
        route("10.2.0.0/31", "vx1"),
        neighbours=(Neighbour(link="vx1", address=addressed("10.2.0.1"), mac="0a:41:00:02:00:01"),),
        forwarding=FORWARDING,
    )
    lost = "no neighbour entry on vx1, and nobody answers there"
    hops = {hop: where for where, hop in found.hops(4, 1001, "vx1", ((0, 2**32 - 1),))}
    assert hops == {
        Hop(mac="0a:41:00:02:00:01", remote=addressed("192.0.2.2")): one("10.2.0.1"),
        Hop(why=lost): one("10.2.0.0"),
    }


def test_a_route_over_a_missing_device_is_a_contradiction() -> None:
    with pytest.raises(Contradiction, match="does not exist: gone"):
        routing(route("10.0.0.0/8", "gone"))
