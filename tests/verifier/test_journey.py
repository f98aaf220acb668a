"""Packets from node to node and back: golden/service on two nodes, and golden/infrastructure-by-address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.verifier.golden_nodes import TCP, Pod, layout, node, number, packet, ruleset
from verifier.cluster import Cluster, Place
from verifier.journey import Journey, answers, follow, journeys
from verifier.outcome import Fate
from verifier.packets import Packet, Tracking, every_packet

WEB_1 = Pod(port="at000000000001", network=2, address="10.1.0.1")
WEB_2 = Pod(port="at000000000003", network=2, address="10.1.0.17")
OTHER = Pod(port="at000000000002", network=1, address="10.2.0.1")


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster([node("service", "node-1", WEB_1, OTHER), node("service", "node-2", WEB_2)])


def end(journey: Journey) -> tuple[Fate, str, str | None]:
    return journey.outcome.fate, journey.end.node, journey.outcome.link


def ends(cluster: Cluster, place: Place, sent: Packet) -> set[tuple[Fate, str, str | None]]:
    return {end(journey) for journey in follow(cluster, place, sent)}


FROM_WEB_1 = Place(node="node-1", link="at000000000001")


def test_a_pod_reaches_a_pod_on_another_node(cluster: Cluster) -> None:
    (journey,) = follow(cluster, FROM_WEB_1, packet("10.1.0.1", "10.1.0.17"))
    assert end(journey) == (Fate.PORT, "node-2", "at000000000003")
    assert [stage.place for stage in journey.stages] == [FROM_WEB_1, Place(node="node-2", link="vx2")]
    assert [name for name, step in journey.trace if step.chain == "forward"] == ["node-1", "node-2"]


def test_an_address_that_no_pod_has_is_refused_where_it_would_be(cluster: Cluster) -> None:
    (journey,) = follow(cluster, FROM_WEB_1, packet("10.1.0.1", "10.1.0.18"))
    assert end(journey)[:2] == (Fate.REFUSED, "node-2")


def test_a_services_backends_are_reached_wherever_they_are(cluster: Cluster) -> None:
    assert ends(cluster, FROM_WEB_1, packet("10.1.0.1", "10.96.0.10")) == {
        (Fate.PORT, "node-1", "at000000000001"),
        (Fate.PORT, "node-2", "at000000000003"),
        (Fate.REFUSED, "node-2", None),  # 10.1.0.18 has no port in this test
    }


def test_answers_of_a_backend_come_from_the_services_address(cluster: Cluster) -> None:
    (there,) = (
        journey
        for journey in follow(cluster, FROM_WEB_1, packet("10.1.0.1", "10.96.0.10"))
        if journey.end.node == "node-2" and journey.outcome.fate is Fate.PORT
    )
    (back,) = answers(cluster, there)
    assert end(back) == (Fate.PORT, "node-1", "at000000000001")
    assert back.packets.saddr == ((number("10.1.0.17"),) * 2,)
    assert back.arriving.saddr == ((number("10.96.0.10"),) * 2,)
    assert back.arriving.daddr == ((number("10.1.0.1"),) * 2,)


def test_a_probe_reaches_the_pod_and_its_answer_the_node(cluster: Cluster) -> None:
    probe = Place(node="node-1", link=None)
    (there,) = follow(cluster, probe, packet("100.64.0.4", "10.1.0.1", TCP, 8080))
    assert end(there) == (Fate.PORT, "node-1", "at000000000001")
    assert [stage.place.link for stage in there.stages] == [None, "ah2"]
    (back,) = answers(cluster, there)
    assert [stage.place.link for stage in back.stages] == ["at000000000001", "hh2"]
    assert back.outcome.fate is Fate.LOCAL


def test_a_process_does_not_reach_pods_of_other_nodes(cluster: Cluster) -> None:
    assert ends(cluster, Place(node="node-2", link=None), packet("192.0.2.2", "10.1.0.1")) == {
        (Fate.OUTSIDE, "node-2", "underlay")
    }


def test_a_source_that_was_forged_at_another_node_goes_nowhere(cluster: Cluster) -> None:
    forged = packet("10.1.0.1", "10.1.0.17")
    assert ends(cluster, Place(node="node-2", link="at000000000003"), forged) == {
        (Fate.DROPPED, "node-2", None)
    }
    assert ends(cluster, Place(node="node-1", link="vx2"), forged) == {(Fate.DROPPED, "node-1", None)}


def test_all_that_two_pods_can_send_each_other(cluster: Cluster) -> None:
    reached = [
        journey
        for journey in journeys(cluster, FROM_WEB_1, every_packet(4))
        if journey.outcome.fate is Fate.PORT and journey.end.node == "node-2"
    ]
    first = [j for j in reached if j.packets.tracking & Tracking.NEW]
    assert {(j.packets.saddr, j.packets.daddr, j.packets.protocol, j.packets.dport) for j in first} == {
        (((number("10.1.0.1"),) * 2,), ((number("10.1.0.17"),) * 2,), ((0, 255),), ((0, 65535),)),
        (((number("10.1.0.1"),) * 2,), ((number("10.96.0.10"),) * 2,), ((6, 6),), ((80, 80),)),
    }


def _reaches_node_2(second: str | None = None, third: str | None = None) -> tuple[Fate, str, str]:
    """How web-1's packet to web-2 ends where node-2's layout or ruleset is another."""
    cluster = Cluster(
        [
            node("service", "node-1", WEB_1),
            node("service", "node-2", WEB_2, layout_text=second, ruleset_text=third),
        ]
    )
    (journey,) = follow(cluster, FROM_WEB_1, packet("10.1.0.1", "10.1.0.17"))
    return journey.outcome.fate, journey.end.node, journey.outcome.reason


def test_a_frame_to_another_address_than_the_vxlans_is_lost() -> None:
    text = layout("service", "node-2", WEB_2).replace(
        "address 0a:41:00:02:00:02", "address 0a:41:00:09:00:02"
    )
    assert _reaches_node_2(text) == (
        Fate.DROPPED,
        "node-1",
        "frames for 0a:41:00:02:00:02 reach vx2, which is 0a:41:00:09:00:02",
    )


def test_a_network_that_the_other_node_does_not_have_is_lost() -> None:
    text = layout("service", "node-2", WEB_2).replace("vxlan id 1000002", "vxlan id 1000003")
    assert _reaches_node_2(text) == (
        Fate.DROPPED,
        "node-1",
        "node node-2 has no VXLAN 1000002 on port 14789",
    )


def test_a_node_that_is_unknown_to_the_other_sends_in_vain() -> None:
    text = ruleset("service", "node-2").replace('192.0.2.1 comment "node-1"', '192.0.2.9 comment "node-9"')
    assert _reaches_node_2(None, text) == (
        Fate.DROPPED,
        "node-1",
        "node node-2 does not take VXLAN from node node-1",
    )


def test_infrastructure_is_reached_by_the_host_link_and_answers_come_back() -> None:
    pod = Pod(port="at000000000001", network=1, address="10.1.0.1")
    cluster = Cluster([node("infrastructure-by-address", "node-1", pod)])
    place = Place(node="node-1", link="at000000000001")
    (there,) = follow(cluster, place, packet("10.1.0.1", "203.0.113.6", TCP, 6443))
    assert end(there) == (Fate.OUTSIDE, "node-1", "underlay")
    assert [stage.place.link for stage in there.stages] == ["at000000000001", "hh1"]
    assert [stage.flow.sent.saddr for stage in there.stages] == [
        ((number("100.64.0.3"),) * 2,),
        ((number("192.0.2.1"),) * 2,),
    ]
    (back,) = answers(cluster, there)
    assert end(back) == (Fate.PORT, "node-1", "at000000000001")
    assert back.arriving.daddr == ((number("10.1.0.1"),) * 2,)


def test_an_answer_that_nobody_asked_for_does_not_come_in() -> None:
    pod = Pod(port="at000000000001", network=1, address="10.1.0.1")
    cluster = Cluster([node("infrastructure-by-address", "node-1", pod)])
    stray = packet("203.0.113.6", "100.64.0.3", TCP, 50000)
    for tracking in (Tracking.NEW, Tracking.INVALID):
        sent = replace(stray, tracking=tracking)
        assert {fate for fate, _, _ in ends(cluster, Place(node="node-1", link="underlay"), sent)} <= {
            Fate.REFUSED,
            Fate.DROPPED,
        }
