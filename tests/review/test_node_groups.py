"""What differs on which node: nothing is missed for being quick, and what is alike is told once."""

from __future__ import annotations

import pytest

from compiler.codec import digest
from compiler.compilation import Compilation
from review.node_groups import node_groups
from review.node_lines import PlanPair, hunks_of, narrowed
from tests.golden.case import CASES, case
from tests.golden.review_case import REVIEW_CASES, states
from tests.review.scene import network, reviewed

WIDE = {"red.yaml": network("red", "10.1.0.0/16")}
OPEN = {"red.yaml": network("red", "10.1.0.0/16", spec="  egress: snat\n")}


def _pairs(before: Compilation | None, after: Compilation | None) -> list[PlanPair]:
    old, new = (side.plans if side else {} for side in (before, after))
    return [PlanPair(before=old.get(node), after=new.get(node)) for node in sorted({**old, **new})]


FOLLOWING = [name for name in CASES if (some := case(name)).before and some.after.compilation]


@pytest.mark.parametrize("name", FOLLOWING)
def test_what_is_rendered_of_the_differing_networks_is_all_that_differs(name: str) -> None:
    some = case(name)
    assert some.before
    for pair in _pairs(some.before.compilation, some.after.compilation):
        assert hunks_of(narrowed(pair)) == hunks_of(pair)


@pytest.mark.parametrize("name", [name for name in REVIEW_CASES if name not in ("equal-nodes", "too-large")])
def test_so_it_is_in_the_golden_reviews(name: str) -> None:
    both = states(name)
    for pair in _pairs(both.base.accepted, both.head.accepted):
        assert hunks_of(narrowed(pair)) == hunks_of(pair)


def test_nodes_with_the_same_lines_are_one_group() -> None:
    pods = {f"red-{n}": f"node-{n}" for n in range(1, 9)}

    review = reviewed(WIDE, OPEN, pods, nodes=9)

    assert [[node.node for node in group.nodes] for group in review.node_groups] == [
        [f"node-{n}" for n in range(1, 9)]
    ]
    assert [(hunk.title, hunk.lines) for hunk in review.node_groups[0].hunks] == [
        (
            "routes",
            (
                "+ ip -4 route add 0.0.0.0/0 via 100.64.0.2 dev ah1 table 1000001 proto 65 onlink",
                "+ ip -4 route add 10.1.0.0/16 dev vn1 table 1000001 proto 65 metric 4278198272",
            ),
        ),
        ("set egress", ('+ 1 comment "team-a/red"',)),
    ]


def test_lines_about_each_other_node_become_one_that_counts_them() -> None:
    pods = {f"red-{n}": f"node-{n}" for n in range(1, 6)}

    review = reviewed({}, WIDE, pods, nodes=5)

    assert [len(group.nodes) for group in review.node_groups] == [5]
    lines = {hunk.title: hunk.lines for hunk in review.node_groups[0].hunks}
    assert lines["forwarding"] == (
        "+ bridge fdb add {mac} dev vx1 dst {address} self permanent"
        "    # 4 such lines, one for each block or node",
    )
    assert "+ ip link add vx1 type vxlan id 1000001 local {node} dstport 14789 nolearning" in lines["links"]


def test_a_plan_is_named_by_its_digest_before_and_after() -> None:
    review = reviewed(WIDE, OPEN, {"red-1": "node-1"})

    digests = [(node.before[:7], node.after[:7]) for node in review.node_groups[0].nodes]
    assert digests == [("sha256:", "sha256:")]
    assert review.node_groups[0].nodes[0].before != review.node_groups[0].nodes[0].after


def test_beyond_the_budget_digests_are_told_and_no_lines() -> None:
    both = states("equal-nodes")
    assert both.base.accepted
    assert both.head.accepted

    groups = node_groups(both.base.accepted.plans, both.head.accepted.plans, lambda _: "", budget=3_000)

    assert [(group.listed, bool(group.hunks)) for group in groups] == [(True, True), (False, False)]
    assert sum(len(group.nodes) for group in groups) == 96


def test_several_processes_tell_the_same_in_the_same_order() -> None:
    both = states("equal-nodes")
    assert both.base.accepted
    assert both.head.accepted
    before, after = both.base.accepted.plans, both.head.accepted.plans

    alone = node_groups(before, after, digest, processes=0)

    assert len(alone[0].nodes) > 2
    assert node_groups(before, after, digest, processes=2) == alone
