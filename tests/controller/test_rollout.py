"""A commit goes out in waves; one that a node cannot take goes back everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

import pytest

from compiler.inventory import Inventory, Namespace, Node
from compiler.model import LabelSelector, Operator, Requirement
from compiler.names import NodeName
from controller.observer import Observer
from controller.publication import Report
from controller.rollout import NodeTraits, Rollout, Stage, Strategy, waves_of
from controller.state import Observation, State
from tests.controller.files import CLUSTER, RED, RED_AND_BLUE, network
from tests.controller.scene import Scene, inventory

NODES = [NodeName(f"node-{n}") for n in range(1, 9)]
PODS = {f"red-{n}": f"node-{n}" for n in range(1, 9)}
WIDER = RED | {"red.yaml": network("red", "10.1.0.0/16")}
"""Another subnet: every node's plan changes."""
WITH_BLUE = WIDER | {"blue.yaml": network("blue", "10.2.0.0/24")}


@dataclass(kw_only=True)
class Staged:
    """An observer that adds what a cluster knows of a rollout."""

    inner: Observer
    strategy: Strategy | None = None
    elapsed: float = 0.0
    handled: str = ""
    traits: dict[NodeName, NodeTraits] = field(default_factory=dict)

    def observe(self, state: State, *, look: bool) -> Observation:
        observation = self.inner.observe(state, look=look)
        return replace(
            observation,
            strategy=self.strategy,
            elapsed=self.elapsed,
            traits=self.traits,
            handled=self.handled,
        )

    def pause(self) -> float:
        return self.inner.pause()


@dataclass(kw_only=True)
class Stage8:
    """Eight nodes that run the first commit; the second is seen."""

    scene: Scene
    staged: Staged
    first: str
    second: str
    inventory: Inventory = field(default_factory=lambda: inventory(PODS, nodes=8))

    def turn(self) -> list[str]:
        """Take a turn; return the nodes whose plans were published."""
        executed = self.scene.turn()
        return [line.split()[3].rstrip(",") for line in executed if line.startswith("publish plan")]

    def apply(self, *nodes: str) -> None:
        for node in nodes:
            stamp = self.scene.publisher.published.plans[NodeName(node)]
            report = Report(generation=stamp.generation, digest=stamp.digest)
            self.scene.publisher.agents[NodeName(node)] = report

    @property
    def kept(self) -> str:
        commit = self.scene.publisher.published.commit
        assert commit
        return commit.revision

    @property
    def rollout(self) -> Rollout | None:
        return self.scene.controller.state.rollout

    def restart(self) -> None:
        """Another controller takes over; the repository and the cluster are told to it at once."""
        self.scene.restart()
        self.staged.inner = self.scene.controller.observer
        self.scene.controller.observer = self.staged
        self.scene.inventory.put(self.inventory)

    def put(self, pods: Mapping[str, str], *, nodes: int = 8) -> None:
        self.inventory = inventory(pods, nodes=nodes)
        self.scene.inventory.put(self.inventory)

    def revisions(self) -> dict[str, str]:
        """Of the plans that are published."""
        return {node: stamp.revision for node, stamp in self.scene.publisher.published.plans.items()}

    def with_plan_of(self, revision: str) -> list[str]:
        return sorted(node for node, its in self.revisions().items() if its == revision)


def playing(files: Mapping[str, bytes]) -> Stage8:
    """The first commit has these files; there is no second one yet."""
    scene = Scene()
    first = scene.repository.commit(files)
    scene.inventory.put(inventory(PODS, nodes=8))
    staged = Staged(inner=scene.controller.observer, strategy=Strategy(ready_timeout=60))
    scene.controller.observer = staged
    scene.turn()
    scene.agents_apply()
    return Stage8(scene=scene, staged=staged, first=first, second="")


@pytest.fixture
def play() -> Stage8:
    play = playing(RED)
    play.second = play.scene.repository.commit(WIDER)
    return play


def test_the_first_commit_reaches_every_node_at_once() -> None:
    scene = Scene()
    scene.repository.commit(RED)
    scene.inventory.put(inventory(PODS, nodes=8))
    scene.controller.observer = Staged(inner=scene.controller.observer, strategy=Strategy())
    assert sum(line.startswith("publish plan") for line in scene.turn()) == 8


def test_a_canary_goes_first_then_a_quarter_then_all(play: Stage8) -> None:
    assert play.turn() == ["node-1"]
    assert play.turn() == []
    play.apply("node-1")
    assert play.turn() == ["node-2"]
    play.apply("node-2")
    assert play.turn() == ["node-3", "node-4", "node-5", "node-6", "node-7", "node-8"]


def test_the_commit_before_is_kept_until_the_rollout_is_complete(play: Stage8) -> None:
    play.turn()
    assert play.kept == play.first
    for _ in range(3):
        play.apply(*NODES)
        play.turn()
    assert play.kept == play.second


def test_a_canary_that_is_not_ready_in_time_takes_the_commit_back(play: Stage8) -> None:
    before = dict(play.scene.publisher.published.plans)
    play.turn()
    play.scene.publisher.agents[NODES[0]] = Report(generation=1, digest="", errors=("no room",))
    play.staged.elapsed = 59
    assert play.turn() == []
    play.staged.elapsed = 60
    assert play.turn() == ["node-1"]
    after = play.scene.publisher.published.plans
    assert {node: stamp.digest for node, stamp in after.items()} == {
        node: stamp.digest for node, stamp in before.items()
    }
    assert play.kept == play.first
    problem = play.scene.controller.state.halted
    assert problem
    assert problem.code == "ATL820"
    assert "node node-1 was not ready within 60 s: no room" in problem.reason


def test_a_quarantined_commit_is_not_tried_again(play: Stage8) -> None:
    play.turn()
    play.staged.elapsed = 60
    play.turn()
    play.apply(*NODES)
    play.staged.elapsed = 600
    assert play.turn() == []


def test_a_commit_after_a_quarantined_one_gets_its_chance(play: Stage8) -> None:
    play.turn()
    play.staged.elapsed = 60
    play.turn()
    play.apply(*NODES)
    play.scene.repository.commit(RED_AND_BLUE | WIDER)
    assert play.turn() == ["node-1"]
    assert play.scene.controller.state.halted is None


def test_a_pod_of_a_held_node_joins_a_network_that_is_there_already(play: Stage8) -> None:
    play.turn()
    play.scene.inventory.put(inventory(PODS | {"red-9": "node-8"}, nodes=8))
    assert play.turn() == ["node-8"]
    plan = play.scene.publisher.plans[NodeName("node-8")].plan
    assert [pod.name.name for pod in plan.pods if pod.network] == ["red-8", "red-9"]
    assert [str(subnet) for subnet in plan.networks[0].subnets] == ["10.1.0.0/24"]


def test_a_pod_of_a_held_node_waits_for_a_network_that_only_the_new_commit_has(play: Stage8) -> None:
    play.scene.repository.commit(WIDER | {"blue.yaml": network("blue", "10.2.0.0/24")})
    play.turn()
    play.scene.inventory.put(inventory(PODS | {"blue-1": "node-8"}, nodes=8))
    play.turn()
    plan = play.scene.publisher.plans[NodeName("node-8")].plan
    waiting = [pod for pod in plan.pods if pod.network is None]
    assert [pod.name.name for pod in waiting] == ["blue-1"]
    assert "has not reached this node yet" in waiting[0].refusal


def test_a_node_that_is_down_is_not_waited_for(play: Stage8) -> None:
    play.staged.traits = {NODES[0]: NodeTraits(ready=False)}
    assert play.turn() == ["node-2"]
    play.apply("node-2")
    play.turn()
    play.apply("node-3")
    play.turn()
    play.apply(*NODES[3:])
    play.turn()
    assert play.scene.controller.state.rollout is None
    assert play.kept == play.second


def test_nothing_is_freed_while_nodes_are_held(play: Stage8) -> None:
    play.turn()
    confirmed = play.scene.controller.state.allocations.confirmed
    play.apply("node-1")
    play.turn()
    assert play.scene.controller.state.rollout
    assert play.scene.controller.state.allocations.confirmed == confirmed


def test_a_restart_in_the_middle_stages_the_rest(play: Stage8) -> None:
    play.turn()
    play.apply("node-1")
    play.restart()
    assert play.turn() == []
    assert play.kept == play.first
    assert play.turn() == ["node-2"]


def test_a_restart_does_not_skip_a_canary_that_is_not_ready(play: Stage8) -> None:
    play.turn()
    play.restart()
    assert play.turn() == []
    assert play.turn() == []
    assert play.with_plan_of(play.second) == ["node-1"]


def test_a_restart_takes_no_network_from_the_pods_that_have_got_it_already(play: Stage8) -> None:
    """The commit before does not declare blue, which the canary's pods use: it must not stop the rollout."""
    second = play.scene.repository.commit(WITH_BLUE)
    play.turn()
    play.put(PODS | {"blue-1": "node-1"})
    play.turn()
    play.apply("node-1")
    numbers = play.scene.controller.state.allocations.networks
    play.restart()
    assert play.turn() == []
    assert play.with_plan_of(second) == ["node-1"]
    assert play.scene.controller.state.allocations.networks == numbers
    assert play.turn() == ["node-2"]


def test_what_could_not_be_published_is_not_ready(play: Stage8) -> None:
    """The agents still report the plan that is published, which is the one before."""
    play.scene.publisher.room = 0
    for _ in range(5):
        play.turn()
    play.scene.publisher.room = None
    assert play.turn() == ["node-1"]
    assert play.kept == play.first


def test_a_rollout_whose_plans_cannot_be_published_halts(play: Stage8) -> None:
    play.scene.publisher.room = 0
    play.turn()
    play.staged.elapsed = 60
    play.turn()
    play.scene.publisher.room = None
    play.turn()
    assert play.scene.controller.state.halted
    assert play.with_plan_of(play.second) == []


def test_a_commit_goes_back_although_pods_use_a_network_that_it_brought(play: Stage8) -> None:
    play.scene.repository.commit(WITH_BLUE)
    play.turn()
    play.put(PODS | {"blue-1": "node-1"})
    play.turn()
    play.staged.elapsed = 60
    assert play.turn() == ["node-1"]
    plan = play.scene.publisher.plans[NODES[0]].plan
    assert [network.name.name for network in plan.networks] == ["red"]
    assert play.rollout is None


def test_a_commit_goes_back_although_it_brought_many_networks() -> None:
    """Taking them away again is no mass deletion that somebody has to confirm."""
    cautious = {"cluster.yaml": CLUSTER.replace(b"1.0", b"0.1")}
    play = playing(RED | cautious)
    many = {f"n{i}.yaml": network(f"n{i}", f"10.{i}.0.0/24") for i in range(20, 30)}
    second = play.scene.repository.commit(WIDER | cautious | many)
    play.turn()
    assert play.with_plan_of(second) == ["node-1"]
    play.staged.elapsed = 60
    play.turn()
    assert play.with_plan_of(second) == []
    assert play.rollout is None


def joining(name: str, namespace: str) -> bytes:
    """A router that joins others, of namespaces that have the label."""
    return (
        "apiVersion: atoll.dev/v1alpha1\n"
        "kind: VirtualNetworkRouter\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\n"
        "spec:\n"
        "  type: mesh\n"
        "  virtualNetworkSelector: {}\n"
        "  import:\n"
        "    virtualNetworkRouters:\n"
        "      - {virtualNetworkRouterSelector: {}, namespaceSelector: {matchLabels: {joined: 'yes'}}}\n"
    ).encode()


def test_nobody_gets_the_commit_that_halted_while_the_one_before_cannot_be_compiled() -> None:
    """A namespace's new label joins networks that overlap in it, and not in the commit that halts."""
    green = network("green", "10.1.0.0/24").replace(b"team-a", b"team-b")
    routers = {"a.yaml": joining("a", "team-a"), "b.yaml": joining("b", "team-b")}
    play = playing(RED | {"green.yaml": green} | routers)
    second = play.scene.repository.commit(
        RED | {"green.yaml": green, "red.yaml": network("red", "10.7.0.0/24")} | routers
    )
    play.turn()
    assert play.with_plan_of(second) == ["node-1"]
    labels = {"joined": "yes"}
    joined = {name: Namespace(name=name, labels=labels) for name in ("team-a", "team-b")}
    play.scene.inventory.put(replace(play.inventory, namespaces=joined))
    play.turn()
    play.staged.elapsed = 60
    play.turn()
    assert play.rollout
    assert play.rollout.reverting
    assert play.with_plan_of(second) == []
    assert play.kept == play.first
    assert play.turn() == []
    play.put(PODS)
    play.turn()
    assert play.rollout is None
    assert play.with_plan_of(second) == []


def test_a_commit_that_is_seen_in_the_turn_of_a_halt_is_not_lost(play: Stage8) -> None:
    play.turn()
    play.staged.elapsed = 60
    third = play.scene.repository.commit(RED | {"red.yaml": network("red", "10.1.0.0/20")})
    assert play.turn() == ["node-1", "node-2"]
    assert play.scene.controller.state.good
    assert play.scene.controller.state.good.revision == third
    assert play.with_plan_of(play.second) == []
    assert play.with_plan_of(third) == ["node-2"], "for node-1 is not well"
    assert play.scene.controller.state.halted is None
    assert play.rollout
    assert play.rollout.before
    assert play.rollout.before.revision == play.first


def test_a_second_commit_in_the_middle_is_rolled_out_over_what_each_node_has(play: Stage8) -> None:
    play.turn()
    play.apply("node-1")
    third = play.scene.repository.commit(WITH_BLUE | {"red.yaml": network("red", "10.1.0.0/20")})
    assert play.turn() == ["node-1"]
    play.staged.elapsed = 60
    assert play.turn() == ["node-1"]
    assert play.with_plan_of(third) == []
    assert play.kept == play.first


def test_a_revert_in_the_middle_concerns_only_the_nodes_that_were_reached(play: Stage8) -> None:
    play.turn()
    play.apply("node-1")
    play.scene.repository.commit(RED | {"more.yaml": b""})
    assert play.turn() == ["node-1"]
    play.apply("node-1")
    assert play.turn() == []
    assert play.rollout is None


def test_without_a_strategy_the_rest_follows_at_once(play: Stage8) -> None:
    """Nobody names a repository any more: what is declared is then all that counts."""
    play.turn()
    play.staged.strategy = None
    play.scene.repository.commit(WITH_BLUE)
    play.turn()
    assert play.rollout is None


def test_a_node_that_was_ready_once_is_not_waited_for_again_when_a_pod_comes(play: Stage8) -> None:
    play.turn()
    play.apply("node-1")
    assert play.turn() == ["node-2"]
    play.put(PODS | {"red-9": "node-1"})
    play.apply("node-2")
    assert play.turn() == ["node-1", *NODES[2:]]


def test_a_node_that_fails_after_it_was_ready_halts_the_rollout(play: Stage8) -> None:
    play.turn()
    play.apply("node-1")
    play.turn()
    play.scene.publisher.agents[NODES[0]] = Report(generation=1, digest="", errors=("no room",))
    play.apply("node-2")
    play.turn()
    play.staged.elapsed = 60
    play.turn()
    assert play.scene.controller.state.halted
    assert "no room" in play.scene.controller.state.halted.reason


def test_nodes_that_have_just_got_another_plan_are_not_taken_for_sick(play: Stage8) -> None:
    play.put(PODS | {f"red-{n + 10}": f"node-{n}" for n in range(1, 9)})
    play.scene.turn(look=False)
    play.staged.elapsed = 1
    assert play.turn() == ["node-1"]


def test_nodes_that_have_not_applied_anything_for_long_are_not_waited_for(play: Stage8) -> None:
    play.put(PODS | {f"red-{n + 10}": f"node-{n}" for n in range(1, 8)})
    play.scene.turn(look=False)
    play.staged.elapsed = 31
    assert play.turn() == ["node-8"]


def test_a_rollout_to_nodes_that_are_all_sick_ends(play: Stage8) -> None:
    play.scene.publisher.agents.clear()
    assert play.turn() == NODES
    play.turn()
    assert play.rollout is None


def test_a_canary_that_is_removed_is_not_waited_for(play: Stage8) -> None:
    play.turn()
    nodes = {name: node for name, node in play.inventory.nodes.items() if name != NODES[0]}
    play.scene.inventory.put(replace(play.inventory, nodes=nodes))
    play.turn()
    assert play.turn() == ["node-2"]


def test_a_node_that_comes_back_under_another_address_begins_anew(play: Stage8) -> None:
    play.turn()
    moved = Node(name=NODES[7], addresses=(IPv4Address("192.0.2.88"),))
    play.scene.inventory.put(replace(play.inventory, nodes={**play.inventory.nodes, NODES[7]: moved}))
    play.turn()
    assert play.with_plan_of(play.second) == ["node-1", "node-8"]
    plan = play.scene.publisher.plans[NODES[7]].plan
    assert str(plan.address) == "192.0.2.88"


def test_a_node_that_joins_in_the_middle_has_nothing_to_keep(play: Stage8) -> None:
    play.turn()
    play.put(PODS | {"red-9": "node-9"}, nodes=9)
    play.turn()
    assert play.with_plan_of(play.second) == ["node-1", "node-9"]


def test_canaries_are_chosen_by_their_labels() -> None:
    selector = LabelSelector(
        requirements=(Requirement(key="pool", operator=Operator.IN, values=frozenset({"canary"})),)
    )
    traits = {node: NodeTraits(labels={"pool": "canary"} if node == "node-7" else {}) for node in NODES}
    waves = waves_of(NODES, NODES, traits, Strategy(canary_selector=selector, share=4))
    assert [(wave.stage, sorted(wave.nodes)) for wave in waves] == [
        (Stage.CANARY, ["node-7"]),
        (Stage.SHARE, ["node-1", "node-2", "node-3"]),
        (Stage.ALL, ["node-4", "node-5", "node-6", "node-8"]),
    ]
