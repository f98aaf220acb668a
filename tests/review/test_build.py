"""What a review tells of a change, kind by kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.allocations import Allocations, NodeAllocation
from compiler.names import NodeName, NodeNumber
from review.model import Bearing, Matter, Verdict
from review.taken import newest_time
from review.unknown import unknown
from tests.controller.files import CLUSTER
from tests.review.scene import network, reviewed, router, states

RED, BLUE = network("red", "10.1.0.0/24"), network("blue", "10.2.0.0/24")
GREEN = network("green", "10.3.0.0/24")
TWO = {"red.yaml": RED, "blue.yaml": BLUE}
JOINED = {**TWO, "router.yaml": router("all")}
PODS = {"red-1": "node-1", "red-2": "node-2", "blue-1": "node-2"}


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (TWO, TWO, Verdict.NOTHING),
        (TWO, JOINED, Verdict.OPENS),
        (JOINED, TWO, Verdict.CUTS),
        (TWO, {**TWO, "green.yaml": GREEN}, Verdict.CHANGES),
        (JOINED, {"red.yaml": RED, "green.yaml": GREEN, "r.yaml": router("all")}, Verdict.OPENS_AND_CUTS),
        (TWO, {**TWO, "red.yaml": b"kind: VirtualNetwork\n"}, Verdict.REFUSED),
    ],
)
def test_the_verdict_is_one_word(before: dict[str, bytes], after: dict[str, bytes], verdict: Verdict) -> None:
    assert reviewed(before, after).verdict is verdict


@pytest.mark.parametrize(
    ("before", "after", "bearing", "sentence"),
    [
        ("", "  egress: snat\n", Bearing.OPENS, "team-a/red may newly leave the cluster."),
        ("  egress: snat\n", "", Bearing.CUTS, "team-a/red may no longer leave the cluster."),
        (
            "",
            "  infrastructure: {services: [dns]}\n",
            Bearing.CUTS,
            "team-a/red may no longer reach api of the default network.",
        ),
        (
            "",
            "  infrastructure: {services: [dns, api, shop/db]}\n",
            Bearing.OPENS,
            "team-a/red may newly reach shop/db of the default network.",
        ),
        (
            "",
            "  allowedNamespaces: {matchLabels: {a: b}}\n",
            Bearing.OPENS,
            "team-a/red admits other namespaces by another selector: none -> a=b.",
        ),
        (
            "  allowedNamespaces: {matchLabels: {a: b}}\n",
            "  allowedNamespaces: {matchLabels: {a: b, c: d}}\n",
            Bearing.CUTS,
            "team-a/red admits other namespaces by another selector: a=b -> a=b, c=d.",
        ),
    ],
)
def test_a_setting_is_told_in_the_readers_terms(
    before: str, after: str, bearing: Bearing, sentence: str
) -> None:
    review = reviewed(
        {"red.yaml": network("red", "10.1.0.0/24", spec=before)},
        {"red.yaml": network("red", "10.1.0.0/24", spec=after)},
    )

    assert [setting.bearing for setting in review.settings] == [bearing]
    assert review.headline[0] == sentence


def test_a_new_network_that_may_leave_the_cluster_opens() -> None:
    review = reviewed({}, {"red.yaml": network("red", "10.1.0.0/24", spec="  egress: snat\n")})

    assert review.verdict is Verdict.OPENS
    assert review.headline == ("Network team-a/red is added.", "team-a/red may newly leave the cluster.")


def test_pods_are_counted_by_network_and_namespace() -> None:
    red = reviewed(TWO, JOINED, PODS).reachers[1]

    assert (red.network, red.pods, [(share.namespace, share.pods) for share in red.namespaces]) == (
        "team-a/red",
        2,
        [("team-a", 2)],
    )


def test_connections_between_networks_that_part_are_cut() -> None:
    assert [(cut.what, cut.pods) for cut in reviewed(JOINED, TWO, PODS).cuts] == [
        ("between team-a/blue and team-a/red", 3)
    ]


def test_pods_of_a_network_that_comes_no_longer_wait() -> None:
    review = reviewed({"red.yaml": RED}, TWO, PODS)

    assert [(move.after, move.pods) for move in review.moves] == [("network team-a/blue", ("team-a/blue-1",))]


def test_numbers_and_blocks_are_those_that_the_change_gives() -> None:
    review = reviewed({"red.yaml": RED}, TWO, PODS)

    assert [(one.what, one.value, one.owner, one.node, one.retired) for one in review.allotted] == [
        ("network number", "2", "team-a/blue", "", False),
        ("block", "10.2.0.0/28", "team-a/blue", "node-2", False),
    ]


def test_warnings_that_base_has_too_are_not_new() -> None:
    lonely = {**TWO, "lonely.yaml": router("lonely", selector="no: body")}

    review = reviewed(lonely, {"a.yaml": b"# moved\n" + lonely["lonely.yaml"], **TWO})

    assert [(one.code, one.matter, one.new) for one in review.findings] == [
        ("ATL311", Matter.WITHOUT_EFFECT, False)
    ]


def test_a_refused_base_is_told_as_nothing_before() -> None:
    review = reviewed({"red.yaml": b"kind: VirtualNetwork\n"}, {"red.yaml": RED})

    assert [one.network for one in review.networks_added] == ["team-a/red"]
    assert review.unknown[0].endswith("the change is told as if there were nothing before it.")


def test_of_a_head_that_cannot_be_read_nothing_is_told_but_its_errors() -> None:
    review = reviewed(JOINED, {"red.yaml": b"kind: VirtualNetwork\n"}, PODS)

    told = (*review.networks_removed, *review.lost, *review.cuts, *review.node_groups)
    assert told == ()
    assert review.findings[0].matter is Matter.ERROR


def test_an_older_inventory_is_told_with_its_age() -> None:
    both = states(TWO, JOINED, PODS)
    source = replace(both.head.source, time="2026-11-20T09:00:00Z")
    aged = replace(
        both,
        head=replace(both.head, source=source),
        cluster=replace(both.cluster, taken="2026-11-08T10:00:00Z"),
    )

    assert unknown(aged, (), judged=True)[0] == (
        "The inventory is of 2026-11-08T10:00:00Z, 11 days before HEAD was committed: "
        "what came to the cluster or went since is not known."
    )


@pytest.mark.parametrize(("node", "told"), [("elsewhere-1", True), ("node-1", False)])
def test_allocations_of_another_cluster_are_said_to_be_that(node: str, told: bool) -> None:
    both = states(TWO, JOINED, PODS)
    allocations = Allocations(nodes={NodeName(node): NodeAllocation(number=NodeNumber(1))})
    given = replace(both, cluster=replace(both.cluster, allocations=allocations))

    sentence = (
        "The allocations have none of the inventory's nodes: they are of another cluster, or the inventory "
        "is. Numbers and blocks are given anew here; in the cluster they may be others."
    )
    assert (sentence in unknown(given, (), judged=True)) is told


def test_a_new_network_loses_no_infrastructure_that_it_never_had() -> None:
    review = reviewed(
        TWO, {**TWO, "g.yaml": network("g", "10.3.0.0/24", spec="  infrastructure: {services: [dns]}\n")}
    )
    assert (review.verdict, review.settings, review.cuts) == (Verdict.CHANGES, (), ())


def test_without_anything_before_what_new_networks_open_is_told() -> None:
    files = {"red.yaml": network("red", "10.1.0.0/24", spec="  egress: snat\n")}
    review = reviewed({"cluster.yaml": b"kind: ClusterConfig\n"}, files)
    assert "team-a/red may newly leave the cluster." in review.headline


def test_an_inventory_is_as_old_as_its_newest_time_that_is_one() -> None:
    text = b'{"creationTimestamp":"2026-19-39T29:59:59Z"} {"startTime":"2026-11-20T10:00:00Z"}'
    assert newest_time(text) == "2026-11-20T10:00:00Z"


HUB = network("red", "10.1.0.0/24", labels="role: hub")
SPOKE = network("blue", "10.2.0.0/24", labels="role: spoke")
SEPARATE = {
    "red.yaml": HUB,
    "blue.yaml": SPOKE,
    "hub.yaml": router("hub", "hub", selector="role: hub"),
    "spoke.yaml": router("spoke", "spoke", selector="role: spoke"),
}
AGREED = SEPARATE | {
    "hub.yaml": router("hub", "hub", selector="role: hub", imports="spoke"),
    "spoke.yaml": router("spoke", "spoke", selector="role: spoke", imports="hub"),
}


def test_a_consent_that_both_routers_give_in_one_change_is_told() -> None:
    (given,) = reviewed(SEPARATE, AGREED).consents
    assert (given.kind, given.importer, given.awaited) == ("given", "team-a/hub", "team-a/spoke")
    assert [line.path for line in given.lines] == ["hub.yaml", "spoke.yaml"]


def test_a_consent_that_both_routers_take_back_in_one_change_is_told() -> None:
    (withdrawn,) = reviewed(AGREED, SEPARATE).consents
    assert (withdrawn.kind, withdrawn.importer, withdrawn.awaited) == (
        "withdrawn",
        "team-a/hub",
        "team-a/spoke",
    )


def test_of_a_router_that_has_another_name_with_the_same_reach_nothing_is_told() -> None:
    renamed = AGREED["spoke.yaml"].replace(b"{name: spoke,", b"{name: spokes,")
    review = reviewed(AGREED, AGREED | {"spoke.yaml": renamed}, {"red-1": "node-1", "blue-1": "node-2"})
    assert (review.verdict, review.consents, review.gained, review.lost) == ("nothing", (), (), ())


def test_a_subnet_that_grows_cuts_nothing() -> None:
    wider = reviewed({"red.yaml": HUB}, {"red.yaml": network("red", "10.1.0.0/23", labels="role: hub")})
    assert wider.verdict == "changes"
    assert [(one.what, one.bearing) for one in wider.settings] == [("subnets", "neither")]


def test_a_subnet_that_is_replaced_cuts_those_who_have_its_addresses() -> None:
    elsewhere = {"red.yaml": network("red", '10.9.0.0/24, "fd00:9::/64"')}
    review = reviewed(
        {"red.yaml": network("red", '10.1.0.0/24, "fd00:9::/64"')}, elsewhere, {"red-1": "node-1"}
    )
    assert [(cut.what, cut.pods) for cut in review.cuts] == [
        ("from team-a/red at addresses of 10.1.0.0/24, which is its subnet no more", 1)
    ]


@pytest.mark.parametrize("what", ["vxlanPort: 4789", "numberBase: 2000000"])
def test_what_nodes_must_have_alike_cuts_the_overlay_until_they_do(what: str) -> None:
    review = reviewed(TWO, {**TWO, "cluster.yaml": CLUSTER + f"  {what}\n".encode()}, PODS)
    cuts = [(cut.what, cut.pods) for cut in review.cuts]
    assert cuts == [(f"between nodes, until all of them have the new {what.partition(':')[0]}", 3)]
    assert review.verdict is Verdict.CUTS
