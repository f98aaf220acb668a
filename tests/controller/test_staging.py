"""Single steps of a rollout: what nodes keep, which of them are busy, and when one has come to its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network

from compiler import codec
from compiler.model import Egress
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.plan import Block, NetworkPlan, NodePlan, PodBinding, Presence
from controller.actions import PublishPlan
from controller.publication import PlanStamp, Published, Report
from controller.rollout import (
    Halted,
    NodeTraits,
    Rollout,
    Stage,
    Strategy,
    Wave,
    held_plan,
    step,
    waves_of,
    well_nodes,
)
from controller.snapshot import Revision
from controller.staging import kept_commit, lagging_after, moved_on, rollout_words
from controller.state import Observation, Place, State
from tests.contracts.test_publisher import plan_of

A, B, C = NodeName("node-a"), NodeName("node-b"), NodeName("node-c")
NEW = Revision("b" * 40)
RED, BLUE = NetworkNumber(1), NetworkNumber(2)
NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def network(number: NetworkNumber, name: str, presence: Presence = Presence.PRESENT) -> NetworkPlan:
    return NetworkPlan(
        number=number,
        name=ObjectName(namespace="team-a", name=name),
        presence=presence,
        zone=number,
        egress=Egress.NONE,
        subnets=(IPv4Network("10.1.0.0/16"),),
        blocks=(Block(node=NodeNumber(1), prefix=IPv4Network("10.1.0.0/28")),),
        peers=(),
        infrastructure=(),
    )


def pod(name: str, of: NetworkNumber | None) -> PodBinding:
    return PodBinding(name=ObjectName(namespace="team-a", name=name), uid=name, network=of)


BEFORE = replace(plan_of(A, 1), networks=(network(RED, "red"),), pods=(pod("old", RED),))


def after(*pods: PodBinding) -> NodePlan:
    return replace(BEFORE, networks=(network(RED, "red"), network(BLUE, "blue")), pods=pods)


def test_a_held_plan_with_the_same_pods_is_the_same_value() -> None:
    assert held_plan(BEFORE, after(pod("old", RED)), NEW) is BEFORE


def test_a_held_plan_has_the_pods_that_are_there_now_and_nothing_else() -> None:
    held = held_plan(BEFORE, after(pod("new", RED), pod("plain", DEFAULT_NETWORK)), NEW)
    assert held == replace(BEFORE, pods=(pod("new", RED), pod("plain", DEFAULT_NETWORK)))


def test_a_pod_waits_for_what_the_held_plan_does_not_have() -> None:
    (waiting,) = held_plan(BEFORE, after(pod("new", BLUE)), NEW).pods
    assert waiting.network is None
    assert waiting.refusal == "the rollout of commit bbbbbbbbbbbb has not reached this node yet"


def test_a_pod_waits_where_the_network_is_only_carried() -> None:
    carried = replace(BEFORE, networks=(network(RED, "red", Presence.CARRIED),), pods=())
    (waiting,) = held_plan(carried, after(pod("new", RED)), NEW).pods
    assert waiting.network is None


def test_a_pod_waits_where_the_node_has_no_block_of_the_network() -> None:
    theirs = replace(
        network(RED, "red"), blocks=(Block(node=NodeNumber(2), prefix=IPv4Network("10.1.1.0/28")),)
    )
    (waiting,) = held_plan(replace(BEFORE, networks=(theirs,), pods=()), after(pod("new", RED)), NEW).pods
    assert waiting.network is None


def test_what_a_pod_was_refused_for_stays_the_reason() -> None:
    refused = replace(pod("new", None), refusal="there is no network team-a/green")
    assert held_plan(BEFORE, after(refused), NEW).pods == (refused,)


# Waves.


def waves(*names: NodeName, strategy: Strategy, well: tuple[NodeName, ...] | None = None) -> list[list[str]]:
    found = waves_of(names, names if well is None else well, {}, strategy)
    return [sorted(wave.nodes) for wave in found]


def test_without_canaries_the_share_goes_first() -> None:
    assert waves(A, B, C, strategy=Strategy(canary_count=0, share=1)) == [["node-a"], ["node-b", "node-c"]]


def test_more_canaries_than_nodes_are_all_of_them() -> None:
    assert waves(A, B, strategy=Strategy(canary_count=9)) == [["node-a", "node-b"]]


def test_a_share_of_everything_leaves_no_last_wave() -> None:
    assert waves(A, B, C, strategy=Strategy(share=1.0)) == [["node-a"], ["node-b", "node-c"]]


def test_a_number_of_canaries_that_makes_no_sense_is_none() -> None:
    assert waves(A, B, strategy=Strategy(canary_count=-1, share=0)) == [["node-a", "node-b"]]


def test_nodes_that_are_not_well_come_last() -> None:
    (first, last) = waves_of([A, B], [B], {}, Strategy())
    assert first.nodes == frozenset({B})
    assert (last.nodes, last.unwatched) == (frozenset(), frozenset({A}))


def test_nothing_concerned_is_no_wave() -> None:
    assert waves_of([], [A], {}, Strategy()) == ()


def test_nodes_that_have_the_plan_already_are_canaries_again() -> None:
    first, *_ = waves_of([A, B, C], [A, B, C], {}, Strategy(), reached=[C])
    assert first == Wave(stage=Stage.CANARY, nodes=frozenset({C}))


def well(
    reports: dict[NodeName, Report], *, down: tuple[NodeName, ...] = (), busy: tuple[NodeName, ...] = ()
) -> set[NodeName]:
    stamp = PlanStamp(revision=NEW, generation=1, digest="sha256:x")
    traits = {node: NodeTraits(ready=node not in down) for node in (A, B, C)}
    return set(well_nodes(dict.fromkeys((A, B, C), stamp), reports, traits, busy))


def test_who_is_well() -> None:
    applied, older = Report(generation=1, digest="sha256:x"), Report(generation=0, digest="sha256:w")
    failing = replace(applied, errors=("no room",))
    assert well({A: applied, B: older}) == {A}
    assert well({A: applied, B: older}, busy=(B, C)) == {A, B}
    assert well({A: failing, B: failing}, busy=(A, B)) == set()
    assert well({A: applied, B: applied}, down=(A,)) == {B}


# Steps.

ROLLOUT = Rollout(
    revision=NEW,
    before=None,
    plans={},
    digests={},
    waves=(Wave(stage=Stage.CANARY, nodes=frozenset({A})), Wave(stage=Stage.ALL, nodes=frozenset({B, C}))),
    since=100.0,
    timeout=60.0,
)
WANTED = {A: "sha256:a", B: "sha256:b", C: "sha256:c"}


def report(digest: str, *errors: str) -> Report:
    return Report(generation=1, digest=digest, errors=errors)


def test_a_wave_ends_when_its_nodes_report_what_is_wanted() -> None:
    moved = step(ROLLOUT, WANTED, {A: report("sha256:a")}, 120.0)
    assert isinstance(moved, Rollout)
    assert (moved.wave, moved.since, moved.done) == (1, 120.0, frozenset({A}))


def test_nothing_new_is_the_same_value() -> None:
    assert step(ROLLOUT, WANTED, {A: report("sha256:z")}, 120.0) is ROLLOUT


def test_the_last_wave_ends_the_rollout() -> None:
    last = replace(ROLLOUT, wave=1, done=frozenset({A, B}))
    assert step(last, WANTED, {A: report("sha256:later"), C: report("sha256:c")}, 120.0) is None


def test_a_wave_that_is_late_halts_and_names_the_first_node_and_its_reason() -> None:
    halted = step(replace(ROLLOUT, wave=1), WANTED, {A: report("sha256:a"), B: report("", "no room")}, 160.0)
    assert isinstance(halted, Halted)
    assert halted.problem.reason == (
        "node node-b (and 1 more) was not ready within 60 s: no room. "
        "3 of 3 nodes had been reached and got the commit before back"
    )


def test_nodes_without_a_plan_are_not_waited_for() -> None:
    moved = step(ROLLOUT, {B: "sha256:b", C: "sha256:c"}, {}, 120.0)
    assert isinstance(moved, Rollout)
    assert moved.wave == 1


def test_a_rollout_that_goes_back_has_reached_nobody() -> None:
    back = replace(ROLLOUT, plans={A: BEFORE}, reverting=True)
    assert back.released == frozenset()
    assert back.held == {A}


STATE = State(
    place=Place(repository="", ref="", folder=""), published=Published(), allocations=Published().allocations
)


def observed(elapsed: float = 120.0, **reports: Report) -> Observation:
    return Observation(
        time=NOW, elapsed=elapsed, reports={NodeName(f"node-{name}"): one for name, one in reports.items()}
    )


def test_a_rollout_that_goes_back_does_not_move_on() -> None:
    state = replace(STATE, rollout=replace(ROLLOUT, reverting=True), digests=WANTED)
    assert moved_on(state, observed(999.0)) is state


def test_without_a_rollout_nothing_moves() -> None:
    assert moved_on(STATE, observed()) is STATE
    assert kept_commit(STATE) is None


def test_a_rollout_in_words() -> None:
    assert rollout_words(ROLLOUT) == "stage Canary, 1 of 3 nodes reached"


# Busy nodes.

STAMP = PlanStamp(revision=NEW, generation=1, digest="sha256:a")


def publishing(node: NodeName) -> PublishPlan:
    plan = plan_of(node, 1)
    return PublishPlan(plan=plan, revision=NEW, generation=1, digest=codec.digest(plan))


def test_a_node_lags_from_its_first_unreported_plan_on() -> None:
    state = replace(STATE, published=Published(plans={A: STAMP}))
    state = replace(state, lagging=lagging_after(state, observed(10.0), [publishing(A)]))
    assert state.lagging == {A: 10.0}
    state = replace(state, lagging=lagging_after(state, observed(20.0), [publishing(A)]))
    assert state.lagging == {A: 10.0}


def test_a_node_that_reports_in_between_begins_to_lag_anew() -> None:
    state = replace(STATE, published=Published(plans={A: STAMP}), lagging={A: 10.0})
    reported = observed(20.0, a=report("sha256:a"))
    assert lagging_after(state, reported, []) == {}
    assert lagging_after(state, reported, [publishing(A)]) == {A: 20.0}


def test_a_node_that_is_gone_does_not_lag() -> None:
    assert lagging_after(replace(STATE, lagging={A: 10.0}), observed(), []) == {}
