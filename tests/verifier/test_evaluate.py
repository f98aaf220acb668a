"""What a node's kernel does, as the verifier says it: the facts of docs/datapath, one by one.

The node is that of golden/service: networks blue (1) and red (2), red's pods web-1 here and two on node-2
behind the Service 10.96.0.10:80; `other` is blue's.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.verifier.golden_nodes import ICMP, TCP, UDP, Pod, layout, node, number, packet, ruleset
from verifier.evaluate import Kernel, Undo
from verifier.fault import Contradiction, NotModelled
from verifier.outcome import Fate, Flow
from verifier.packets import Packet, Tracking, every_packet
from verifier.ruleset import Ruleset
from verifier.state import Node

WEB_1 = Pod(port="at000000000001", network=2, address="10.1.0.1")
OTHER = Pod(port="at000000000002", network=1, address="10.2.0.1")


def here(**texts: str) -> Node:
    return node("service", "node-1", WEB_1, OTHER, **texts)


def fares(kernel: Kernel, link: str, sent: Packet) -> Flow:
    """The only thing that becomes of a packet."""
    (flow,) = kernel.arrive(link, sent.box, traced=True)
    return flow


def told(flow: Flow) -> tuple[Fate, str]:
    return flow.outcome.fate, flow.outcome.reason or flow.outcome.link or ""


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return Kernel(here())


RESET = "chain refuse: meta l4proto tcp counter reject with tcp reset"
PROHIBITED = "chain refuse: counter reject with icmpx admin-prohibited"
SPOOFED = 'chain classify: iifgroup 1-65534 meta iifkind != "vrf" fib saddr . iif oif missing counter drop'


def test_a_pod_reaches_its_networks_pods_on_another_node_by_vxlan(kernel: Kernel) -> None:
    flow = fares(kernel, "at000000000001", packet("10.1.0.1", "10.1.0.17"))
    assert flow.outcome.fate is Fate.OVERLAY
    assert flow.outcome.remote == (4, number("192.0.2.2"))
    assert (flow.outcome.link, flow.outcome.vni, flow.outcome.mac) == ("vx2", 1000002, "0a:41:00:02:00:02")
    assert flow.zone == 2


def test_a_packet_from_another_node_reaches_the_pods_port(kernel: Kernel) -> None:
    assert told(fares(kernel, "vx2", packet("10.1.0.17", "10.1.0.1"))) == (Fate.PORT, "at000000000001")


@pytest.mark.parametrize(("protocol", "reason"), [(TCP, RESET), (UDP, PROHIBITED), (ICMP, PROHIBITED)])
def test_another_networks_pod_is_refused_at_once(kernel: Kernel, protocol: int, reason: str) -> None:
    sent = packet("10.1.0.1", "10.2.0.1", protocol)
    assert told(fares(kernel, "at000000000001", sent)) == (Fate.REFUSED, reason)


def test_a_source_that_is_not_the_pods_is_dropped(kernel: Kernel) -> None:
    assert told(fares(kernel, "at000000000001", packet("10.1.0.2", "10.1.0.17"))) == (Fate.DROPPED, SPOOFED)


def test_a_source_of_no_remote_block_is_dropped_on_the_vxlan_too(kernel: Kernel) -> None:
    assert told(fares(kernel, "vx2", packet("10.1.0.1", "10.1.0.1"))) == (Fate.DROPPED, SPOOFED)


def test_a_pod_never_reaches_its_node(kernel: Kernel) -> None:
    for address in ("192.0.2.1", "100.64.0.4"):
        assert told(fares(kernel, "at000000000001", packet("10.1.0.1", address))) == (Fate.REFUSED, RESET)
    assert told(fares(kernel, "at000000000001", packet("10.1.0.1", "100.64.0.5"))) == (
        Fate.DROPPED,
        "chain input: iifgroup 1-65534 counter drop",
    )


def test_a_service_is_balanced_over_all_its_backends(kernel: Kernel) -> None:
    flows = kernel.arrive("at000000000001", packet("10.1.0.1", "10.96.0.10").box)
    reached = {(flow.outcome.fate, flow.sent.daddr, flow.sent.dport) for flow in flows}
    assert reached == {
        (Fate.PORT, ((number("10.1.0.1"),) * 2,), ((8080, 8080),)),
        (Fate.OVERLAY, ((number("10.1.0.17"), number("10.1.0.18")),), ((8080, 8080),)),
    }
    assert all(flow.translated_destination for flow in flows)


def test_a_pod_that_meets_itself_through_a_service_comes_from_its_host_link(kernel: Kernel) -> None:
    flows = kernel.arrive("at000000000001", packet("10.1.0.1", "10.96.0.10").box)
    (itself,) = (flow for flow in flows if flow.outcome.fate is Fate.PORT)
    assert itself.translated_source
    assert itself.sent.saddr == ((number("100.64.0.5"),) * 2,)


def test_nothing_is_left_of_the_mark_that_carries_a_choice(kernel: Kernel) -> None:
    for flow in kernel.partition("at000000000001", every_packet(4)):
        assert flow.mark == ((0, 0),)


def test_another_port_of_a_services_address_is_refused(kernel: Kernel) -> None:
    sent = packet("10.1.0.1", "10.96.0.10", port=81)
    assert told(fares(kernel, "at000000000001", sent)) == (Fate.REFUSED, RESET)


def test_a_network_without_right_to_a_service_is_refused(kernel: Kernel) -> None:
    sent = packet("10.2.0.1", "10.96.0.10")
    assert told(fares(kernel, "at000000000002", sent)) == (Fate.REFUSED, RESET)


@pytest.mark.parametrize("link", ["underlay", "default-pods", "hh2"])
def test_everyone_elses_packet_to_a_service_of_networks_is_refused(kernel: Kernel, link: str) -> None:
    source = "10.244.1.9" if link == "default-pods" else "198.51.100.7"
    assert told(fares(kernel, link, packet(source, "10.96.0.10"))) == (Fate.REFUSED, RESET)


def test_a_process_of_the_node_reaches_a_pod_by_its_networks_host_link(kernel: Kernel) -> None:
    (flow,) = kernel.make(packet("100.64.0.4", "10.1.0.1").box)
    assert (flow.outcome.fate, flow.outcome.link, flow.outcome.peer) == (Fate.HOST_LINK, "hh2", "ah2")
    assert told(fares(kernel, "ah2", packet("100.64.0.4", "10.1.0.1"))) == (Fate.PORT, "at000000000001")


def test_a_process_of_the_node_is_refused_by_a_service_of_networks(kernel: Kernel) -> None:
    (flow,) = kernel.make(packet("192.0.2.1", "10.96.0.10").box)
    assert told(flow) == (Fate.REFUSED, RESET)


def test_only_the_nodes_own_packets_find_pods_by_host_links(kernel: Kernel) -> None:
    assert told(fares(kernel, "default-pods", packet("10.244.1.9", "10.1.0.1"))) == (Fate.OUTSIDE, "underlay")


@pytest.mark.parametrize(
    ("tracking", "fate"),
    [
        (Tracking.NEW, Fate.REFUSED),
        (Tracking.ORIGINAL, Fate.REFUSED),
        (Tracking.REPLY, Fate.HOST_LINK),
        (Tracking.RELATED, Fate.REFUSED),
        (Tracking.RELATED_REPLY, Fate.REFUSED),
        (Tracking.INVALID, Fate.DROPPED),
    ],
)
def test_by_the_host_link_a_pod_only_answers(kernel: Kernel, tracking: Tracking, fate: Fate) -> None:
    sent = packet("10.1.0.1", "100.64.0.4", tracking=tracking)
    assert fares(kernel, "at000000000001", sent).outcome.fate is fate


def test_the_default_network_enters_a_host_link_with_answers_only(kernel: Kernel) -> None:
    first = packet("198.51.100.7", "100.64.0.5")
    assert told(fares(kernel, "underlay", first)) == (Fate.REFUSED, RESET)
    answer = replace(first, tracking=Tracking.REPLY)
    assert told(fares(kernel, "underlay", answer)) == (Fate.HOST_LINK, "hh2")


def test_what_leaves_the_node_from_a_host_link_has_the_nodes_address(kernel: Kernel) -> None:
    flow = fares(kernel, "hh2", packet("100.64.0.5", "198.51.100.7"))
    assert told(flow) == (Fate.OUTSIDE, "underlay")
    assert flow.sent.saddr == ((number("192.0.2.1"),) * 2,)


def test_answers_are_translated_back() -> None:
    kernel = Kernel(here())
    undo = Undo(daddr=((number("10.1.0.1"),) * 2,), saddr=((number("10.96.0.10"),) * 2,))
    sent = packet("10.1.0.17", "100.64.0.5", tracking=Tracking.REPLY)
    (flow,) = kernel.arrive("vx2", sent.box, undo=undo)
    assert told(flow) == (Fate.PORT, "at000000000001")
    assert (flow.sent.saddr, flow.sent.daddr) == (undo.saddr, undo.daddr)


@pytest.mark.parametrize("source", ["192.0.2.2", "192.0.2.3", "10.244.1.9"])
def test_vxlan_is_taken_from_known_nodes_only(kernel: Kernel, source: str) -> None:
    sent = packet(source, "192.0.2.1", UDP, 14789)
    taken = {"192.0.2.2": Fate.LOCAL}
    for link in ("underlay", "default-pods"):
        fate = fares(kernel, link, sent).outcome.fate
        assert fate is (taken.get(source, Fate.DROPPED) if link == "underlay" else Fate.DROPPED)


def test_a_pod_cannot_send_vxlan_to_a_node(kernel: Kernel) -> None:
    sent = packet("10.244.1.9", "192.0.2.2", UDP, 14789)
    assert told(fares(kernel, "default-pods", sent)) == (
        Fate.DROPPED,
        "chain forward: udp dport 14789 ip daddr @underlay4 counter drop",
    )


def test_dhcp_and_neighbour_discovery_pass_the_look_back_but_not_the_node(kernel: Kernel) -> None:
    for sent in (
        packet("0.0.0.0", "255.255.255.255", UDP, 67),
        packet("::", "ff02::1", 58, 0),
    ):
        assert told(fares(kernel, "at000000000001", sent)) == (
            Fate.DROPPED,
            "chain input: iifgroup 1-65534 counter drop",
        )


def test_each_step_is_told_with_its_rule_and_element(kernel: Kernel) -> None:
    flow = fares(kernel, "at000000000001", packet("10.1.0.1", "10.1.0.17"))
    assert [(step.hook, step.chain, step.text, step.element, step.link) for step in flow.trace] == [
        (
            "prerouting",
            "classify",
            "ct zone set iifgroup map @zones",
            '2 comment "team-a/red" : 2',
            "at000000000001",
        ),
        (
            "prerouting",
            "services",
            "iifgroup 1-65534 goto services_of_network",
            "",
            "at000000000001",
        ),
        ("prerouting", "translate", "iifgroup 1-65534 dnat ip to ip daddr", "", "at000000000001"),
        ("prerouting", "classify", "ct zone set iifgroup map @zones", '2 comment "team-a/red" : 2', "vn2"),
        ("prerouting", "services", "iifgroup 1-65534 goto services_of_network", "", "vn2"),
        ("routing", "", "table 1000002: unicast by vx2", "", "vx2"),
        (
            "forward",
            "forward",
            "iifgroup . oifgroup @peers accept",
            '2 . 2 comment "team-a/red > team-a/red"',
            "vn2",
        ),
    ]


# What happens where something is missing, or in the wrong place.


def test_without_the_table_a_vrf_fails_closed_and_sources_can_be_forged() -> None:
    open_ = Kernel(replace(here(), ruleset=Ruleset()))
    assert told(fares(open_, "at000000000001", packet("10.1.0.2", "10.1.0.17")))[0] is Fate.OVERLAY
    assert told(fares(open_, "at000000000001", packet("10.1.0.1", "10.2.0.1"))) == (
        Fate.DROPPED,
        "kernel: routed to vn2 itself, which loses it",
    )


def test_with_the_local_table_first_a_pod_reaches_its_node() -> None:
    text = layout("service", "node-1", WEB_1, OTHER).replace("ip -4 rule del pref 0\n", "")
    node_ = here(layout_text=text, ruleset_text=ruleset("service", "node-1"))
    assert (
        fares(Kernel(node_), "at000000000001", packet("10.1.0.1", "192.0.2.1")).outcome.fate is Fate.DROPPED
    )
    open_ = replace(node_, ruleset=Ruleset())
    assert fares(Kernel(open_), "at000000000001", packet("10.1.0.1", "192.0.2.1")).outcome.fate is Fate.LOCAL


def test_a_missing_zone_is_no_zone() -> None:
    text = ruleset("service", "node-1").replace('2 comment "team-a/red" : 2,', "")
    (flow,) = Kernel(here(ruleset_text=text)).arrive("at000000000001", packet("10.1.0.1", "10.1.0.17").box)
    assert flow.zone is None


def test_a_zone_set_after_tracking_has_begun_is_no_zone() -> None:
    text = ruleset("service", "node-1").replace("priority raw - 5", "priority -150")
    (flow,) = Kernel(here(ruleset_text=text)).arrive("at000000000001", packet("10.1.0.1", "10.1.0.17").box)
    assert flow.zone is None


def test_services_behind_nat_choose_too_late() -> None:
    text = ruleset("service", "node-1").replace(
        "priority dstnat - 10; policy accept;\n\tiifgroup", "priority -95; policy accept;\n\tiifgroup"
    )
    flows = Kernel(here(ruleset_text=text)).arrive("at000000000001", packet("10.1.0.1", "10.96.0.10").box)
    assert [told(flow) for flow in flows] == [(Fate.REFUSED, RESET)]


def test_a_choice_without_backend_is_not_translated() -> None:
    text = "\n".join(line for line in ruleset("service", "node-1").splitlines() if " 0xa7000001 " not in line)
    flows = Kernel(here(ruleset_text=text)).arrive("at000000000001", packet("10.1.0.1", "10.96.0.10").box)
    refused = [flow for flow in flows if flow.outcome.fate is Fate.REFUSED]
    assert [(flow.packets.daddr, flow.translated_destination) for flow in refused] == [
        (((number("10.96.0.10"),) * 2,), False)
    ]


def test_a_neighbour_that_is_missing_loses_the_packets() -> None:
    text = layout("service", "node-1", WEB_1).replace(
        "ip neighbour add fe80::2 lladdr 0a:41:00:02:00:02 dev vx2 nud permanent\n", ""
    )
    kernel = Kernel(here(layout_text=text))
    assert told(fares(kernel, "at000000000001", packet("10.1.0.1", "10.1.0.17"))) == (
        Fate.DROPPED,
        "kernel: no neighbour entry for the next hop on vx2",
    )


def test_frames_to_a_wrong_address_do_not_cross_a_host_link() -> None:
    text = layout("service", "node-1", WEB_1).replace(
        "ip neighbour add 100.64.0.5 lladdr 0a:42:00:00:00:02",
        "ip neighbour add 100.64.0.5 lladdr 0a:42:00:00:00:01",
    )
    (flow,) = Kernel(here(layout_text=text)).make(packet("100.64.0.4", "10.1.0.1").box)
    assert told(flow) == (
        Fate.DROPPED,
        "kernel: hh2 addresses frames to 0a:42:00:00:00:01, but ah2 is 0a:42:00:00:00:02",
    )


def test_a_route_over_a_device_that_is_not_there_is_a_contradiction() -> None:
    state = here().state
    links = {name: link for name, link in state.links.items() if name != "vx2"}
    with pytest.raises(Contradiction, match="over a device that does not exist: vx2"):
        Kernel(replace(here(), state=replace(state, links=links)))


def test_a_rule_that_leads_nowhere_is_a_contradiction() -> None:
    good = here()
    chains = {name: chain for name, chain in good.ruleset.chains.items() if name != "refuse"}
    kernel = Kernel(replace(good, ruleset=replace(good.ruleset, chains=chains)))
    with pytest.raises(Contradiction, match="there is no chain refuse"):
        kernel.arrive("at000000000001", packet("10.1.0.1", "10.2.0.1").box)


def test_a_set_inside_a_special_match_is_not_modelled() -> None:
    text = ruleset("service", "node-1")
    text = text.replace("chain classify {", "set states {\n\ttypeof ct state\n}\nchain classify {", 1)
    text = text.replace("ct state invalid counter drop", "ct state @states counter drop")
    kernel = Kernel(here(ruleset_text=text))
    with pytest.raises(NotModelled, match="only literal values of ct state are modelled"):
        kernel.arrive("at000000000001", packet("10.1.0.1", "100.64.0.4").box)
