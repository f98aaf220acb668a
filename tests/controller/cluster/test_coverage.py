"""Which nodes count as having a network in force, and which networks news concern."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from compiler.model import Egress
from compiler.names import NodeName, ObjectName
from compiler.plan import NetworkPlan, NodePlan, PodBinding
from controller.cluster.coverage import NOWHERE, Coverage, Coverages, Failure
from tests.compiler.sample_plans import named, network, node_plan

ONE, TWO = NodeName("node-1"), NodeName("node-2")
RED = network(1, "team-a/red", "10.1.0.0/24", "")
SEA = network(2, "team-a/sea", "10.2.0.0/24", "")
R, S = named("team-a/red"), named("team-a/sea")


def plan(node: NodeName, *networks: NetworkPlan) -> NodePlan:
    return replace(node_plan(*networks), name=node)


def emptied(coverages: Coverages) -> set[ObjectName]:
    touched = set(coverages.touched)
    coverages.touched.clear()
    return touched


def two_nodes() -> Coverages:
    """Both networks on node-1, red on node-2 too; all applied."""
    coverages = Coverages()
    coverages.wants(ONE, plan(ONE, RED, SEA), "d1")
    coverages.wants(TWO, plan(TWO, RED), "d2")
    coverages.reports(ONE, "d1")
    coverages.reports(TWO, "d2")
    emptied(coverages)
    return coverages


def test_a_network_that_no_node_has_is_complete() -> None:
    assert Coverages().of([R]) == NOWHERE
    assert NOWHERE.complete


def test_a_network_waits_for_each_node_that_has_it() -> None:
    coverages = Coverages()
    coverages.wants(ONE, plan(ONE, RED), "d1")
    coverages.wants(TWO, plan(TWO, RED), "d2")
    coverages.reports(ONE, "d1")
    assert coverages.of([R]) == Coverage(needed=2, ready=1, waiting=(TWO,))
    coverages.reports(TWO, "d2")
    assert coverages.of([R]) == Coverage(needed=2, ready=2)


def test_a_plan_that_changes_other_networks_or_only_pods_makes_no_network_wait() -> None:
    coverages = two_nodes()
    pod = PodBinding(name=named("team-a/web"), uid="u", network=RED.number)
    coverages.wants(ONE, replace(plan(ONE, RED, SEA), pods=(pod,)), "d1-pod")
    assert emptied(coverages) == set()
    coverages.wants(ONE, plan(ONE, RED, replace(SEA, egress=Egress.SNAT)), "d1-snat")
    assert emptied(coverages) == {S}
    assert coverages.of([R]).complete
    assert coverages.of([S]) == Coverage(needed=1, ready=0, waiting=(ONE,))


def test_a_node_that_applies_a_later_plan_has_the_earlier_changes_too() -> None:
    coverages = two_nodes()
    coverages.wants(ONE, plan(ONE, RED, replace(SEA, egress=Egress.SNAT)), "d1-snat")
    pod = PodBinding(name=named("team-a/web"), uid="u", network=RED.number)
    coverages.wants(ONE, replace(plan(ONE, RED, replace(SEA, egress=Egress.SNAT)), pods=(pod,)), "d1-pod")
    coverages.reports(ONE, "d1-snat")
    assert coverages.of([S]).complete


def test_a_plan_that_returns_to_what_the_node_has_is_in_force_at_once() -> None:
    coverages = two_nodes()
    coverages.wants(ONE, plan(ONE, RED, replace(SEA, egress=Egress.SNAT)), "d1-snat")
    coverages.wants(ONE, plan(ONE, RED, SEA), "d1")
    assert coverages.of([S]).complete


def test_after_a_restart_only_the_wanted_plan_counts() -> None:
    coverages = Coverages()
    coverages.wants(ONE, plan(ONE, RED), "d9")
    coverages.reports(ONE, "an older one")
    assert coverages.of([R]).ready == 0


def test_a_node_that_fails_is_named_with_its_error_for_what_it_lacks() -> None:
    coverages = two_nodes()
    coverages.wants(ONE, plan(ONE, RED, replace(SEA, egress=Egress.SNAT)), "d1-snat")
    coverages.reports(ONE, "d1", error="apply failed: no room")
    assert coverages.of([S]) == Coverage(
        needed=1, failed=1, failures=(Failure(node=ONE, error="apply failed: no room"),)
    )
    assert coverages.of([R]).complete


def test_a_node_that_cannot_keep_the_wanted_plan_has_nothing_in_force() -> None:
    coverages = two_nodes()
    coverages.reports(ONE, "d1", error="repair failed")
    assert emptied(coverages) == {R, S}
    assert coverages.of([R]) == Coverage(
        needed=2, ready=1, failed=1, failures=(Failure(node=ONE, error="repair failed"),)
    )


def test_another_error_concerns_only_the_networks_that_lag() -> None:
    coverages = two_nodes()
    coverages.wants(ONE, plan(ONE, RED, replace(SEA, egress=Egress.SNAT)), "d1-snat")
    coverages.reports(ONE, "d1", error="first")
    emptied(coverages)
    coverages.reports(ONE, "d1", error="second")
    assert emptied(coverages) == {S}


def test_a_node_that_the_rollout_has_not_reached_is_held_not_applying() -> None:
    coverages = two_nodes()
    coverages.wants(ONE, plan(ONE, RED, replace(SEA, egress=Egress.SNAT)), "d1-snat")
    coverages.reports(ONE, "d1", held=True)
    assert coverages.of([S]) == Coverage(needed=1, held=1)
    assert coverages.of([S]).applying == 0


def test_a_network_that_leaves_a_node_no_longer_needs_it() -> None:
    coverages = two_nodes()
    coverages.wants(ONE, plan(ONE, SEA), "d1-less")
    assert emptied(coverages) == {R}
    assert coverages.of([R]) == Coverage(needed=1, ready=1)


def test_a_node_that_goes_is_needed_no_more_and_its_place_is_used_again() -> None:
    coverages = two_nodes()
    coverages.withdraws(ONE)
    assert emptied(coverages) == {R, S}
    assert coverages.of([S]) == NOWHERE
    three = NodeName("node-3")
    coverages.wants(three, plan(three, SEA), "d3")
    assert coverages.of([S]) == Coverage(needed=1, waiting=(three,))
    assert coverages.of([R]) == Coverage(needed=1, ready=1)


def test_a_router_is_in_force_where_all_its_networks_are() -> None:
    coverages = two_nodes()
    coverages.wants(ONE, plan(ONE, RED, replace(SEA, egress=Egress.SNAT)), "d1-snat")
    assert coverages.of([R, S]) == Coverage(needed=2, ready=1, waiting=(ONE,))


def test_of_many_nodes_a_few_are_named() -> None:
    coverages = Coverages()
    for number in range(10):
        node = NodeName(f"node-{number}")
        coverages.wants(node, plan(node, RED), "d")
    covered = coverages.of([R])
    assert covered.waiting == ("node-0", "node-1", "node-2")
    assert covered.applying == 10


def test_a_report_that_says_nothing_new_touches_nothing() -> None:
    coverages = two_nodes()
    coverages.reports(ONE, "d1")
    coverages.wants(ONE, plan(ONE, RED, SEA), "d1")
    coverages.reports(NodeName("stranger"), "d1")
    assert emptied(coverages) == set()


def test_what_older_plans_were_is_forgotten_in_the_end() -> None:
    coverages = two_nodes()
    for number in range(200):
        pod = PodBinding(name=named("team-a/web"), uid=str(number), network=RED.number)
        coverages.wants(ONE, replace(plan(ONE, RED, SEA), pods=(pod,)), f"d{number}")
    coverages.reports(ONE, "d0")
    assert not coverages.of([S]).complete
    coverages.reports(ONE, "d198")
    assert coverages.of([S]).complete


NODES = (ONE, TWO, NodeName("node-3"))
NETWORKS = tuple(
    network(number, f"team-a/n{number}", "10.1.0.0/24", "", zone=zone)
    for number in (1, 2, 3)
    for zone in (1, 2)
)
_plans = st.lists(st.sampled_from(NETWORKS), max_size=3, unique_by=lambda one: one.name)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("wants"), st.sampled_from(NODES), _plans),
        st.tuples(st.just("applies"), st.sampled_from(NODES), st.integers(0, 5)),
        st.tuples(st.just("withdraws"), st.sampled_from(NODES), st.none()),
    ),
    max_size=25,
)
Step = tuple[str, NodeName, list[NetworkPlan] | int | None]


@dataclass(kw_only=True, slots=True)
class Past:
    """All plans of a node, and which of them it applied last."""

    plans: list[dict[ObjectName, NetworkPlan]] = field(default_factory=list)
    applied: int | None = None

    def lacks(self, name: ObjectName) -> bool:
        """Whether a plan later than the applied one changed the network."""
        if self.applied is None:
            return True
        later = self.plans[self.applied :]
        return any(one.get(name) != other.get(name) for one, other in pairwise(later))


@given(steps=_steps)
def test_after_any_history_a_network_is_in_force_where_nothing_of_it_changed_since(steps: list[Step]) -> None:
    coverages, pasts = Coverages(), dict[NodeName, Past]()
    for verb, node, what in steps:
        before = {one.name: coverages.of([one.name]) for one in NETWORKS}
        coverages.touched.clear()
        if verb == "withdraws":
            coverages.withdraws(node)
            pasts.pop(node, None)
        elif isinstance(what, list):
            past = pasts.setdefault(node, Past())
            coverages.wants(node, plan(node, *what), f"d{len(past.plans)}")
            past.plans.append({one.name: one for one in what})
        elif isinstance(what, int) and node in pasts and what < len(pasts[node].plans):
            coverages.reports(node, f"d{what}")
            pasts[node].applied = what
        for name, earlier in before.items():
            needing = [past for past in pasts.values() if name in past.plans[-1]]
            now = coverages.of([name])
            assert now.needed == len(needing)
            assert now.ready == sum(not past.lacks(name) for past in needing)
            assert now == earlier or name in coverages.touched
