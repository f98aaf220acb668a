"""The laws of partitions: nothing lost, nothing doubled, and each packet fares as it does alone.

A packet alone takes the plain way through the code: no joining of packets that fare alike, nothing taken
over from another device or node. So the two hold each other.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from ipaddress import ip_address
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.golden_nodes import GOLDEN, ICMP, ICMPV6, TCP, UDP, Pod, layout, node, ruleset
from verifier.cluster import Cluster, Place
from verifier.evaluate import Kernel
from verifier.intervals import contains
from verifier.journey import follow, journeys
from verifier.outcome import Fate, Flow
from verifier.packets import Box, Packet, Tracking, any_address, every_packet
from verifier.passage import Shared
from verifier.state import Node, Route, RouteKind, Rule

CASES = {
    "service": ("10.1.0.1", 2),
    "service-mixed": ("10.1.0.1", 1),
    "service-affinity": ("10.1.0.1", 1),
    "service-node-port-and-load-balancer": ("10.1.0.1", 1),
    "egress": ("10.1.0.1", 2),
    "dual-stack": ("fd00:1::1", 1),
    "infrastructure-widened": ("10.1.0.1", 1),
    "mesh": ("10.1.0.1", 2),
}
STATES = (*(state for state in Tracking if state is not Tracking.UNTRACKED),)
_ADDRESS = re.compile(r"(?<![\w:.])(?:\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f:]+[0-9a-f])(?![\w:])")


@cache
def told_node(case: str) -> Node:
    address, network = CASES[case]
    return node(case, "node-1", Pod(port="at000000000001", network=network, address=address))


@cache
def kernel_of(case: str) -> Kernel:
    return Kernel(told_node(case))


@cache
def interesting(case: str) -> dict[int, list[int]]:
    """Addresses that a node's texts name, those beside them, and a few from elsewhere."""
    found: dict[int, set[int]] = {4: {0, 0x08080808, 0xE0000001, 2**32 - 1}, 6: {0, 1, 0xFF02 << 112 | 1}}
    texts = [layout(case, "node-1"), ruleset(case, "node-1"), CASES[case][0], "10.244.1.7 192.0.2.2"]
    for text in _ADDRESS.findall(" ".join(texts)):
        try:
            address = ip_address(text)
        except ValueError:
            continue
        found[address.version] |= {int(address), int(address) + 1, max(int(address) - 1, 0)}
    last = {4: 2**32 - 1, 6: 2**128 - 1}
    return {family: sorted(n for n in numbers if n <= last[family]) for family, numbers in found.items()}


def packets(case: str) -> st.SearchStrategy[Packet]:
    known = interesting(case)

    def of(family: int) -> st.SearchStrategy[Packet]:
        return st.builds(
            Packet,
            family=st.just(family),
            saddr=st.sampled_from(known[family]),
            daddr=st.sampled_from(known[family]),
            protocol=st.sampled_from([TCP, UDP, ICMP, ICMPV6, 132]),
            dport=st.sampled_from([0, 53, 80, 81, 443, 6443, 8080, 14789, 30080]),
            tracking=st.sampled_from(STATES),
        )

    return st.sampled_from([4, 6]).flatmap(of)


def holds(box: Box, packet: Packet) -> bool:
    columns = (box.saddr, box.daddr, box.protocol, box.dport)
    numbers = (packet.saddr, packet.daddr, packet.protocol, packet.dport)
    inside = all(contains(column, number) for column, number in zip(columns, numbers, strict=True))
    return inside and bool(box.tracking & packet.tracking)


def as_sent(flow: Flow, packet: Packet) -> set[tuple[int, int, int]]:
    """What the packet may be as it leaves: sources, destinations and ports."""
    own = (packet.saddr, packet.daddr, packet.dport)
    sent = flow.sent
    sources = _numbers(sent.saddr) if flow.translated_source else [own[0]]
    destinations = _numbers(sent.daddr) if flow.translated_destination else [own[1]]
    ports = _numbers(sent.dport) if flow.translated_destination else [own[2]]
    return {(s, d, p) for s in sources for d in destinations for p in ports}


def _numbers(intervals: tuple[tuple[int, int], ...]) -> list[int]:
    return [number for first, last in intervals for number in range(first, last + 1)]


def fares(kernel: Kernel, flows: tuple[Flow, ...], packet: Packet) -> set[tuple[object, ...]]:
    return {
        (part.outcome.fate, part.outcome.link, part.outcome.remote, part.outcome.reason, flow.zone, sent)
        for flow in flows
        if holds(flow.packets, packet)
        for part in kernel.parted(flow)
        for sent in as_sent(part, packet)
    }


def ingresses(kernel: Kernel) -> list[str]:
    return [
        link.name for link in kernel.node.state.links.values() if link.kind != "vrf" and link.name != "lo"
    ]


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_packet_fares_in_the_partition_as_it_does_alone(case: str, data: st.DataObject) -> None:
    kernel = kernel_of(case)
    link = data.draw(st.sampled_from(ingresses(kernel)))
    packet = data.draw(packets(case))
    together = fares(kernel, kernel.partition(link, every_packet(packet.family)), packet)
    alone = fares(kernel, kernel.arrive(link, packet.box, traced=True), packet)
    assert together == alone
    assert alone


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=40)
@given(data=st.data())
def test_a_nodes_own_packet_fares_in_the_partition_as_it_does_alone(case: str, data: st.DataObject) -> None:
    kernel = kernel_of(case)
    packet = data.draw(packets(case))
    together = fares(kernel, kernel.make(every_packet(packet.family)), packet)
    alone = fares(kernel, kernel.make(packet.box, traced=True), packet)
    assert together == alone
    assert alone


@pytest.mark.parametrize("case", CASES)
def test_flows_are_disjoint_but_where_a_choice_is_random(case: str) -> None:
    kernel = kernel_of(case)
    for link in ingresses(kernel):
        for family in (4, 6):
            flows = kernel.partition(link, every_packet(family))
            plain = [flow for flow in flows if not flow.translated_destination]
            for at, flow in enumerate(plain):
                for other in plain[at + 1 :]:
                    assert not _meet(flow.packets, other.packets), (link, flow, other)


@pytest.mark.parametrize("case", CASES)
def test_what_one_node_found_is_taken_over_by_another_only_where_it_is_so(case: str) -> None:
    """Kernels with everything in common give what each gives by itself, whichever came first."""
    names = sorted(path.parent.name for path in (GOLDEN / case / "expected").glob("node-*/layout.txt"))
    nodes = [node(case, name) for name in names]
    for right, wrong in (("@peers accept", "@peers drop"), (" : goto pick", " : goto stick")):
        text = ruleset(case, names[0]).replace(right, wrong)
        nodes.append(node(case, names[0], ruleset_text=text))
    shared = Shared()
    for one in nodes:
        _same(Kernel(one, shared), Kernel(one))
    found = len(list(chain.from_iterable(shared.passages.values())))
    for one in reversed(nodes):
        _same(Kernel(one, shared), Kernel(one))
    assert len(list(chain.from_iterable(shared.passages.values()))) == found > 0


def test_devices_that_rules_tell_apart_by_name_are_evaluated_apart() -> None:
    """Alike they would share what becomes of their packets."""
    pods = (
        Pod(port="at000000000001", network=2, address="10.1.0.1"),
        Pod(port="at000000000002", network=2, address="10.1.0.2"),
    )
    text = ruleset("service", "node-1").replace(
        "\tiifgroup 1-65534 goto services_of_network\n",
        '\tiifname "at000000000002" counter drop\n\tiifgroup 1-65534 goto services_of_network\n',
    )
    kernel = Kernel(node("service", "node-1", *pods, ruleset_text=text))
    reached = {
        pod.port: {flow.outcome.fate for flow in kernel.partition(pod.port, every_packet(4))} for pod in pods
    }
    assert Fate.OVERLAY in reached["at000000000001"]
    assert reached["at000000000002"] == {Fate.DROPPED}


def test_devices_that_routing_rules_tell_apart_are_evaluated_apart() -> None:
    one = node("service", "node-1")
    links = {**one.state.links, "twin": replace(one.state.links["underlay"], name="twin", addresses=())}
    rule = Rule(family=4, priority=55, table=1000, input_link="twin")
    away = Route(family=4, table=1000, network=0, length=0, link=None, kind=RouteKind.BLACKHOLE)
    state = replace(one.state, links=links, rules=(*one.state.rules, rule), routes=(*one.state.routes, away))
    kernel = Kernel(replace(one, state=state))
    fates = {
        link: {flow.outcome.fate for flow in kernel.partition(link, every_packet(4))}
        for link in ("underlay", "twin")
    }
    assert Fate.OUTSIDE in fates["underlay"]
    assert Fate.OUTSIDE not in fates["twin"]


def _same(common: Kernel, own: Kernel) -> None:
    for link in ingresses(own):
        for family in (4, 6):
            box = every_packet(family)
            assert common.partition(link, box) == own.partition(link, box)


def _meet(one: Box, other: Box) -> bool:
    pairs = (
        (one.saddr, other.saddr),
        (one.daddr, other.daddr),
        (one.protocol, other.protocol),
        (one.dport, other.dport),
    )
    overlap = all(any(a <= d and c <= b for a, b in left for c, d in right) for left, right in pairs)
    return overlap and bool(one.tracking & other.tracking)


@cache
def two_nodes() -> Cluster:
    pods = {"node-1": "10.1.0.1", "node-2": "10.1.0.17"}
    return Cluster(
        node("service", name, Pod(port="at000000000001", network=2, address=address))
        for name, address in pods.items()
    )


@settings(max_examples=60)
@given(data=st.data())
def test_a_journey_of_all_packets_holds_that_of_each(data: st.DataObject) -> None:
    cluster = two_nodes()
    start = Place(node=data.draw(st.sampled_from(["node-1", "node-2"])), link="at000000000001")
    packet = data.draw(packets("service").filter(lambda packet: packet.family == 4))
    packet = replace(packet, saddr=data.draw(st.sampled_from([packet.saddr, 0x0A010001, 0x0A010011])))
    everything = Box(family=4, saddr=any_address(4), daddr=any_address(4))
    together = {
        (tuple(stage.place for stage in journey.stages), journey.outcome.fate, journey.end)
        for journey in journeys(cluster, start, everything)
        if holds(journey.packets, packet)
    }
    alone = {
        (tuple(stage.place for stage in journey.stages), journey.outcome.fate, journey.end)
        for journey in follow(cluster, start, packet)
    }
    assert alone <= together
    random = [journey for journey in follow(cluster, start, packet) if len(alone) > 1]
    assert random or together == alone
    assert {fate for _, fate, _ in alone} <= set(Fate)
