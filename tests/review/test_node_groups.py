"""What differs on which node: nothing is missed for being quick, and what is alike is told once."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.allocations import Allocations
from compiler.change import Change
from compiler.codec import digest
from compiler.compilation import Compilation, compile, recompile
from compiler.inventory import Inventory
from compiler.model import Declarations
from review.digests import digests_of
from review.node_groups import differing, lines_of, node_groups
from review.node_lines import hunks_of
from review.plan_pair import Narrowing, PlanPair
from tests.compiler import clusters
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
    narrowing = Narrowing()
    for pair in _pairs(some.before.compilation, some.after.compilation):
        assert hunks_of(narrowing.narrowed(pair)) == hunks_of(pair)


@pytest.mark.parametrize("name", [name for name in REVIEW_CASES if name not in ("equal-nodes", "too-large")])
def test_so_it_is_in_the_golden_reviews(name: str) -> None:
    both = states(name)
    narrowing = Narrowing()
    for pair in _pairs(both.base.accepted, both.head.accepted):
        assert hunks_of(narrowing.narrowed(pair)) == hunks_of(pair)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(clusters.declarations(), clusters.inventories(), st.lists(clusters.changes(), min_size=1, max_size=3))
def test_so_it_is_in_generated_clusters(
    declarations: Declarations, inventory: Inventory, changes: list[Change]
) -> None:
    before = compile(declarations, inventory, Allocations())
    for change in changes:
        after = recompile(before, change)
        narrowing = Narrowing()
        for pair in _pairs(before, after):
            assert hunks_of(narrowing.narrowed(pair)) == hunks_of(pair)
        before = after


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

    pairs = differing(both.base.accepted.plans, both.head.accepted.plans)

    with digests_of(pairs, lambda _: "", aside=False) as digests:
        groups = node_groups(lines_of(pairs, budget=3_000), digests())

    assert [(group.listed, bool(group.hunks)) for group in groups] == [(True, True), (False, False)]
    assert sum(len(group.nodes) for group in groups) == 96


def test_another_process_makes_the_same_digests() -> None:
    both = states("equal-nodes")
    assert both.base.accepted
    assert both.head.accepted
    pairs = differing(both.base.accepted.plans, both.head.accepted.plans)

    with digests_of(pairs, digest, aside=False) as here, digests_of(pairs, digest, aside=True) as there:
        made = here()
        assert there() == made

    assert [(one.node, one.before, one.after) for one in made] == [
        (pair.either.name, digest(pair.before), digest(pair.after))
        for pair in pairs
        if pair.before and pair.after
    ]


def test_what_keeps_a_digest_from_being_made_is_raised() -> None:
    both = states("equal-nodes")
    assert both.base.accepted
    assert both.head.accepted
    pairs = differing(both.base.accepted.plans, both.head.accepted.plans)

    def fail(_: object) -> str:
        raise ValueError("no digest")

    with digests_of(pairs, fail, aside=True) as digests, pytest.raises(ValueError, match="no digest"):
        digests()
