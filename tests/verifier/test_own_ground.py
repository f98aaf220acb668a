"""What another hand has put into a node, as a dump shows it: nothing of it speaks for a network unseen."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.verifier.dumped import dumped, sentences, violations, with_links, with_routes, with_rules
from verifier.state import (
    ForwardingEntry,
    Link,
    LinkAddress,
    Neighbour,
    Route,
    RouteKind,
    Rule,
    State,
)

LINK_LOCAL = 0xFE80 << 112
RED_PORT = "ata20627c920c7"
RED_1 = (4, 0x0A010011)


def neighbours(*changed: Neighbour, without: str = "") -> State:
    state = dumped().state
    kept = tuple(entry for entry in state.neighbours if entry.link != without)
    return replace(state, neighbours=(*kept, *changed))


def learned(link: str) -> State:
    """All that was set on a device, as if the kernel had learned it."""
    state = dumped().state
    some = (replace(entry, lasting=entry.link != link) for entry in state.neighbours)
    return replace(state, neighbours=tuple(some))


def test_a_dump_without_a_fault_is_proved() -> None:
    assert violations(dumped().node) == ()


def test_next_hops_that_were_learned_carry_no_packet_that_is_due() -> None:
    found = sentences(learned("vx6"))
    assert "the neighbour fe80::2 on vx6 was learned, not set" in found
    assert any(
        re.match(r"a pod of team-a/red does not reach 10\.1\.0\.\d+ of team-a/red", text) for text in found
    )


def test_a_next_hop_that_nobody_set_is_a_fault_though_nothing_leads_there() -> None:
    added = Neighbour(link="vx6", address=(6, LINK_LOCAL + 99), mac="0a:41:00:02:00:06", lasting=False)
    assert sentences(neighbours(added)) == ["the neighbour fe80::63 on vx6 was learned, not set"]


def test_the_ends_of_a_host_link_must_be_set() -> None:
    found = sentences(learned("hh6"))
    assert "the neighbour 100.64.0.13 on hh6 was learned, not set" in found
    assert "hh6 does not know 100.64.0.13 as 0a:42:00:00:00:06" in found


def test_what_a_pod_made_the_node_learn_behind_its_port_is_nothing() -> None:
    """Its link-local address, and whatever other it has asked from."""
    mac = "0a:50:a2:06:27:c9"
    found = sentences(
        neighbours(
            Neighbour(link=RED_PORT, address=(6, LINK_LOCAL + 0x222), mac=mac, lasting=False),
            Neighbour(link=RED_PORT, address=(4, 0x0A020001), mac=mac, lasting=False),
        )
    )
    assert found == []


def test_a_pods_own_address_must_be_set_at_its_port() -> None:
    assert f"{RED_PORT} does not know 10.1.0.17 by its pod's hardware address" in sentences(learned(RED_PORT))


def test_a_pods_frames_bear_its_own_hardware_address() -> None:
    wrong = Neighbour(link=RED_PORT, address=RED_1, mac="0a:50:00:00:00:01")
    found = sentences(neighbours(wrong, without=RED_PORT))
    assert f"{RED_PORT} does not know 10.1.0.17 by its pod's hardware address" in found


def test_a_forwarding_entry_that_ages_carries_no_packet_that_is_due() -> None:
    state = dumped().state
    some = tuple(replace(entry, lasting=entry.link != "vx6") for entry in state.forwarding)
    found = sentences(replace(state, forwarding=some))
    assert "the forwarding entry of 0a:41:00:02:00:06 on vx6 was learned, not set" in found
    assert "frames for node-2 on vx6 are not sent there" in found


def test_forwarding_entries_of_vxlans_of_others_are_their_own_matter() -> None:
    foreign = Link(name="flannel.1", kind="vxlan", mac="02:00:00:00:00:01", vni=1, port=8472)
    entry = ForwardingEntry(link="flannel.1", mac="02:00:00:00:00:09", remote=(4, 0xC6336401))
    state = with_links(foreign)
    assert sentences(replace(state, forwarding=(*state.forwarding, entry))) == []


@pytest.mark.parametrize("kind", ["", "bridge", "dummy", "ipvlan", "macvlan", "tun", "vlan"])
def test_a_device_of_another_sort_inside_a_vrf_is_a_fault(kind: str) -> None:
    found = sentences(with_links(Link(name="ev0", kind=kind, group=6, master="vn6")))
    assert found == ["ev0 is inside vn6, and is none of the network's devices"]


@pytest.mark.parametrize("first", [True, False])
def test_a_second_vxlan_of_a_network_is_a_fault(first: bool) -> None:
    second = Link(name="xx", kind="vxlan", group=6, master="vn6", vni=4242, port=4789)
    found = sentences(with_links(second, first=first))
    assert any(text.endswith(" is inside vn6, and is none of the network's devices") for text in found)


@pytest.mark.parametrize("first", [True, False])
def test_a_second_pair_of_a_network_is_a_fault(first: bool) -> None:
    inside = Link(name="xa", kind="veth", group=65542, master="vn6", peer="xb")
    outside = Link(name="xb", kind="veth", group=131072, peer="xa")
    found = sentences(with_links(inside, outside, first=first))
    assert any(text.endswith(" is inside vn6, and is none of the network's devices") for text in found)


def test_two_vrfs_of_one_table_are_a_fault() -> None:
    found = sentences(with_links(Link(name="vz", kind="vrf", group=0, table=1000006), first=True))
    assert "vz and vn6 are VRFs of one table" in found


def test_a_vrf_of_a_number_that_no_network_has_is_a_fault() -> None:
    """Its own group may be another network's, and its table may lead to that one's pods."""
    stray = Link(name="vz", kind="vrf", group=1, table=1000099)
    port = Link(name="atz", kind="veth", group=99, master="vz")
    state = with_routes(
        with_links(stray, port),
        Route(family=4, table=1000099, network=0x0A020001, length=32, link="atfabb3a4c7838"),
        Route(family=4, table=1000099, network=0x0A630000, length=24, link="atz"),
    )
    assert sentences(state) == ["the VRF vz is of number 99, which no network has"]


@pytest.mark.parametrize("lower", [RED_PORT, "vn6", "vx6", "hh6", "ah6"])
def test_a_device_that_is_built_on_a_networks_own_is_a_fault(lower: str) -> None:
    found = sentences(with_links(Link(name="own.7", kind="vlan", lower=lower)))
    assert f"own.7 is built on {lower}: packets go by it past the network's own devices" in found


def test_a_pod_that_runs_here_has_a_port() -> None:
    state = dumped().state
    left = replace(
        state,
        links={name: link for name, link in state.links.items() if name != RED_PORT},
        neighbours=tuple(entry for entry in state.neighbours if entry.link != RED_PORT),
        routes=tuple(r for r in state.routes if r.link != RED_PORT and r.network != RED_1[1]),
    )
    assert "pod team-a/red-1 has no port here for its address 10.1.0.17" in sentences(left)


@pytest.mark.parametrize("link", ["vn6", "vx6", "ah6", RED_PORT])
def test_no_rule_is_about_a_networks_devices(link: str) -> None:
    """Whether it concerns the network's packets differs from kernel to kernel."""
    state = with_rules(Rule(family=4, priority=10, table=2004, input_link=link))
    found = sentences(with_routes(state, Route(family=4, table=2004, network=0, length=0, link="underlay")))
    assert found[0] == "the routing rules of IPv4 do not keep networks and node apart"


def test_no_rule_that_is_not_understood_stands_before_the_host_table() -> None:
    rule = Rule(family=4, priority=55, table=None, chooses="ipproto")
    assert sentences(with_rules(rule)) == ["the routing rules of IPv4 do not keep networks and node apart"]
    assert sentences(with_rules(replace(rule, priority=512))) == []


def two_devices_of_a_sort() -> State:
    """The one that leads nowhere is the older."""
    own = LinkAddress(address=(4, 0x0A630001), length=32)
    state = with_links(Link(name="mgmt", kind="", addresses=(own,)), first=True)
    local = Route(family=4, table=255, network=0x0A630001, length=32, link="mgmt", kind=RouteKind.LOCAL)
    return with_routes(state, local)


def test_a_node_with_two_devices_to_the_outside_is_proved() -> None:
    assert sentences(two_devices_of_a_sort()) == []


def test_the_overlay_is_judged_by_the_device_that_leads_to_the_nodes() -> None:
    ruleset = dumped().node.ruleset
    known = ruleset.sets["underlay4"]
    fewer = {**ruleset.sets, "underlay4": replace(known, elements=known.elements[1:])}
    node = replace(dumped().node, state=two_devices_of_a_sort(), ruleset=replace(ruleset, sets=fewer))
    found = [violation.sentence for violation in violations(node)]
    assert "VXLAN packets of a node that has pods of networks here are not taken" in found


def test_a_pod_is_behind_no_other() -> None:
    state = dumped().state
    routes = (replace(r, via=(4, 5)) if r.link == RED_PORT and r.family == 4 else r for r in state.routes)
    found = sentences(replace(state, routes=tuple(routes)))
    assert "in the table of team-a/red, the pod at 10.1.0.17 is behind another" in found
