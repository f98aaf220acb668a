"""Plan and attachments to layout, as the commands that build it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from compiler.layering import attachment_layout, base_layout, layout_of
from compiler.layout import Layout
from compiler.layout_text import layout_text
from compiler.model import Egress
from compiler.names import NetworkNumber
from compiler.plan import Presence
from tests.compiler.sample_plans import BLUE, GREEN, RED, attachment, node_plan


def lines(layout: Layout, *words: str) -> list[str]:
    return [line for line in layout_text(layout).splitlines() if all(word in line for word in words)]


def test_each_network_has_a_vrf_and_a_vxlan_in_its_group() -> None:
    text = layout_text(base_layout(node_plan(BLUE)))
    assert text.startswith(
        "# links\n"
        "ip link add vn2 type vrf table 1000002\n"
        "ip link property add dev vn2 altname team-a.blue\n"
        "ip link set vn2 addrgenmode none\n"
        "ip link set vn2 group 2 address 0a:44:00:00:00:01 mtu 65575 up\n"
        "ip link add vx2 type vxlan id 1000002 local 192.168.0.1 dstport 14789 nolearning\n"
        "ip link set vx2 addrgenmode none\n"
        "ip link set vx2 group 2 address 0a:41:00:01:00:02 mtu 1450 master vn2 up\n"
    )


def test_only_a_present_network_has_a_host_link() -> None:
    layout = base_layout(node_plan())
    assert lines(layout, "type veth") == [
        "ip link add ah1 type veth peer name hh1",
        "ip link add ah3 type veth peer name hh3",
    ]
    assert lines(layout, "address add", "hh1") == [
        "ip address add 100.64.0.2/31 dev hh1",
        "ip address add fd41:746f:6c6c::2/127 dev hh1 nodad",
    ]


def test_a_host_link_has_only_the_families_of_its_network() -> None:
    assert lines(base_layout(node_plan(GREEN)), "address add") == [
        "ip address add 100.64.0.7/31 dev ah3",
        "ip address add 100.64.0.6/31 dev hh3",
    ]


def test_a_network_routes_to_its_own_and_its_peers_blocks_through_its_own_vxlan() -> None:
    assert lines(base_layout(node_plan()), "dev vx1", "route") == [
        "ip -4 route add 10.1.0.16/28 via inet6 fe80::2 dev vx1 table 1000001 proto 65 onlink",
        "ip -4 route add 10.2.0.16/28 via inet6 fe80::2 dev vx1 table 1000001 proto 65 onlink",
        "ip -6 route add fd01::40/122 via fe80::2 dev vx1 table 1000001 proto 65 onlink",
    ]


def test_a_carried_network_routes_to_its_own_blocks_for_the_reverse_path_check() -> None:
    assert lines(base_layout(node_plan()), "table 1000002", "via") == [
        "ip -4 route add 10.2.0.16/28 via inet6 fe80::2 dev vx2 table 1000002 proto 65 onlink",
    ]


def test_every_vrf_ends_its_lookups_itself() -> None:
    assert lines(base_layout(node_plan(GREEN)), "dev vn3", "route") == [
        "ip -4 route add 0.0.0.0/0 dev vn3 table 1000003 proto 65 metric 4278198272",
        "ip -6 route add ::/0 dev vn3 table 1000003 proto 65 metric 4278198272",
    ]


def test_infrastructure_is_reached_by_the_host_link() -> None:
    assert lines(base_layout(node_plan()), "10.244.1.2") == [
        "ip -4 route add 10.244.1.2/32 via 100.64.0.2 dev ah1 table 1000001 proto 65 onlink",
    ]


def test_egress_is_a_default_route_by_the_host_link_that_spares_the_networks_subnets() -> None:
    layout = base_layout(node_plan(replace(GREEN, egress=Egress.SNAT)))
    assert lines(layout, "-4 route", "table 1000003") == [
        "ip -4 route add 0.0.0.0/0 via 100.64.0.6 dev ah3 table 1000003 proto 65 onlink",
        "ip -4 route add 0.0.0.0/0 dev vn3 table 1000003 proto 65 metric 4278198272",
        "ip -4 route add 10.1.0.0/16 dev vn3 table 1000003 proto 65 metric 4278198272",
        "ip -4 route add 10.1.0.0/28 via inet6 fe80::2 dev vx3 table 1000003 proto 65 onlink",
    ]


def test_a_pod_is_reached_from_its_network_its_peers_and_the_node() -> None:
    pod = attachment_layout(node_plan(), attachment(1, "10.1.0.1"))
    assert lines(pod, "route") == [
        "# routes",
        "ip -4 route add 10.1.0.1/32 via 100.64.0.3 dev hh1 table 1000000 proto 65 src 100.64.0.2 onlink",
        "ip -4 route add 10.1.0.1/32 dev at0123456789ab table 1000001 proto 65",
        "ip -4 route add 10.1.0.1/32 dev at0123456789ab table 1000002 proto 65",
    ]


def test_a_pod_adds_to_the_layout_and_changes_nothing_of_it() -> None:
    plan, pod = node_plan(), attachment(1, "10.1.0.1", "fd01::1")
    before, after = layout_of(plan, ()), layout_of(plan, (pod,))
    added = attachment_layout(plan, pod)
    assert after.routes == before.routes | added.routes
    assert after.links == before.links | added.links
    assert before.rules == after.rules


def test_a_pod_of_a_network_that_the_plan_does_not_hold_adds_nothing() -> None:
    stray = attachment_layout(node_plan(GREEN), attachment(1, "10.1.0.1"))
    assert layout_text(stray) == ""


def test_a_pod_that_outlives_its_networks_presence_keeps_its_port_and_loses_the_nodes_route() -> None:
    plan = node_plan(replace(RED, presence=Presence.CARRIED), BLUE)
    layout = attachment_layout(plan, attachment(1, "10.1.0.3"))
    assert [route.link for route in layout.routes] == ["at0123456789ab"] * 2
    assert len(layout.links) == len(layout.neighbours) == 1


def test_a_pod_that_outlives_its_subnet_has_no_route_of_that_family_from_the_node() -> None:
    plan = node_plan(replace(GREEN, subnets=GREEN.subnets[:1]))
    layout = attachment_layout(plan, attachment(3, "10.1.0.18", "fd03::2"))
    assert {str(route.prefix) for route in layout.routes if route.source} == {"10.1.0.18/32"}


def test_a_node_without_networks_is_left_alone() -> None:
    assert layout_text(base_layout(replace(node_plan(), networks=()))) == ""


def test_forwarding_and_neighbours_are_known_in_advance() -> None:
    layout = base_layout(node_plan(GREEN))
    assert lines(layout, "bridge") == [
        "bridge fdb add 0a:41:00:02:00:03 dev vx3 dst 192.168.0.2 self permanent",
    ]
    assert lines(layout, "neighbour add fe80::2") == [
        "ip neighbour add fe80::2 lladdr 0a:41:00:02:00:03 dev vx3 nud permanent",
    ]


def test_the_local_table_moves_behind_the_vrfs() -> None:
    assert lines(base_layout(node_plan()), "-4 rule") == [
        "ip -4 rule add pref 50 l3mdev protocol 65",
        "ip -4 rule add pref 60 lookup 255 protocol 65",
        "ip -4 rule add pref 61 iif lo lookup 1000000 protocol 65",
        "ip -4 rule del pref 0",
    ]


def test_an_underlay_of_ipv6_leaves_twenty_bytes_less() -> None:
    layout = base_layout(node_plan(GREEN, address=ip_address("fd00:aa::1")))
    assert lines(layout, "vx3", "mtu") == [
        "ip link set vx3 group 3 address 0a:41:00:01:00:03 mtu 1430 master vn3 up"
    ]


def test_a_carried_peer_keeps_to_the_numbers_of_the_plan() -> None:
    layout = base_layout(node_plan(RED, replace(BLUE, presence=Presence.PRESENT)))
    tables = {route.table for route in layout.routes}
    assert tables == {1_000_000 + NetworkNumber(1), 1_000_000 + NetworkNumber(2)}
