"""What is to be said of each resource, gathered from the state: facts, and nothing made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.names import NodeName
from controller.cluster.account import Account, nodes_coverage
from controller.cluster.coverage import Coverage, Failure
from controller.cluster.deletion import Hold
from controller.cluster.objects import ResourceKey
from controller.publication import PlanStamp, Published, Report
from controller.rollout import Rollout, Stage, Wave
from controller.snapshot import Revision
from controller.state import Place, State
from tests.controller.cluster import stage as scene
from tests.controller.cluster.stage import network_ref, started
from tests.controller.files import CLUSTER, RED, RED_AND_BLUE, network

NODES = [NodeName(f"node-{number}") for number in range(1, 6)]
STAMP = PlanStamp(revision=Revision("a"), generation=1, digest="sha256:a")
STATE = State(
    place=Place(repository="", ref="", folder=""),
    published=Published(plans=dict.fromkeys(NODES, STAMP)),
    allocations=Published().allocations,
)
APPLIED = Report(generation=1, digest="sha256:a")
LATE = Report(generation=0, digest="sha256:z")
FAILED = Report(generation=0, digest="sha256:z", errors=("no room", "and no time"))


def holding(*nodes: NodeName) -> State:
    """A rollout that has not reached these nodes."""
    reached = Wave(stage=Stage.CANARY, nodes=frozenset(NODES[:1]))
    rest = Wave(stage=Stage.ALL, nodes=frozenset(nodes))
    rollout = Rollout(
        revision=Revision("b"),
        before=None,
        plans={},
        digests={},
        waves=(reached, rest),
        timeout=60.0,
    )
    return replace(STATE, rollout=replace(rollout, plans=dict.fromkeys(nodes)))  # type: ignore[arg-type]


def test_nodes_by_what_they_made_of_their_plans() -> None:
    reports = {NODES[0]: APPLIED, NODES[1]: LATE, NODES[2]: FAILED}
    assert nodes_coverage(STATE, reports) == Coverage(
        needed=5,
        ready=1,
        failed=1,
        held=0,
        failures=(Failure(node=NODES[2], error="no room"),),
        waiting=(NODES[1], NODES[3], NODES[4]),
    )


def test_a_node_that_no_wave_has_reached_waits_for_the_rollout_and_not_for_its_agent() -> None:
    found = nodes_coverage(holding(NODES[3], NODES[4]), dict.fromkeys(NODES, APPLIED))
    assert (found.ready, found.held, found.waiting) == (3, 2, ())


def test_a_node_that_fails_fails_also_where_it_is_held() -> None:
    found = nodes_coverage(holding(NODES[4]), {NODES[4]: FAILED})
    assert (found.failed, found.held) == (1, 0)


def test_without_nodes_everything_is_complete() -> None:
    assert nodes_coverage(replace(STATE, published=Published()), {}).complete


def test_nothing_is_said_before_there_is_a_state() -> None:
    account = Account()
    assert account.applied == account.attempted == ""
    assert account.declarations is None
    assert account.hold_of(ResourceKey("VirtualNetwork", "team-a", "red")) is None


def test_the_first_turn_concerns_everything_and_a_quiet_one_nothing() -> None:
    account = Account()
    assert account.take(STATE, {}) is None
    assert account.take(STATE, {}) == frozenset()


RED_KEY = ResourceKey("VirtualNetwork", "team-a", "red")


def test_a_report_concerns_the_networks_of_its_node_and_their_routers() -> None:
    stage = started(RED_AND_BLUE, nodes=2)
    stage.join("mesh")
    stage.pod("web", 1, "red")
    stage.settle()
    stage.agents_apply()
    stage.settle()
    account, state = Account(), stage.state
    account.take(state, stage.publisher.reports())
    late = {**stage.publisher.reports(), NODES[0]: LATE}
    changed = account.take(state, late)
    assert changed is not None
    assert RED_KEY in changed
    assert ResourceKey("VirtualNetworkRouter", "team-a", "mesh") in changed
    assert account.take(state, late) == frozenset()


def test_a_report_that_is_gone_concerns_them_too() -> None:
    stage = started(RED, network="red")
    account, state = Account(), stage.state
    account.take(state, stage.publisher.reports())
    assert account.take(state, {}) == frozenset({RED_KEY})
    assert account.take(state, {}) == frozenset()


def deleting(*names: str, limit: float = 0.3, used: bool = False) -> Account:
    """Foreign networks, and the deletion of some."""
    stage = scene.Stage()
    stage.node(1)
    stage.declare_cluster(limits={"maxDeletedShare": limit})
    for number in range(1, 6):
        stage.declare(f"n{number}", f"10.{number}.0.0/24")
    if used:
        stage.pod("web", 1, "n1")
    stage.settle()
    for name in names:
        stage.api.delete(network_ref(name))
    stage.settle()
    return stage.teller.account


def key(name: str) -> ResourceKey:
    return ResourceKey("VirtualNetwork", "team-a", name)


def test_a_network_in_use_is_held_for_its_pods() -> None:
    hold = deleting("n1", used=True).hold_of(key("n1"))
    assert hold
    assert [str(user) for user in hold.users] == ["team-a/web"]


def test_a_mass_deletion_is_held_for_want_of_a_confirmation() -> None:
    assert deleting("n1", "n2", "n3").hold_of(key("n2")) == Hold(unconfirmed=3)


def test_a_network_that_has_gone_is_not_held() -> None:
    assert deleting("n5").hold_of(key("n5")) is None


def test_what_git_declares_is_not_held() -> None:
    assert started({"cluster.yaml": CLUSTER, **RED}, network="red").teller.account.hold_of(RED_KEY) is None


@pytest.mark.parametrize("halted", [False, True])
def test_during_a_rollout_the_commit_before_is_the_one_applied(halted: bool) -> None:
    stage = started(RED, nodes=3, rollout={"readyTimeout": "60s"}, network="red")
    first = stage.teller.account.applied
    second = stage.repository.commit(RED | {"red.yaml": network("red", "10.1.0.0/16")})
    stage.look()
    stage.turn()
    stage.seconds += 60 if halted else 0
    stage.turn()
    assert (stage.teller.account.applied, stage.teller.account.attempted) == (first, second)
