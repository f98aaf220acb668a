"""A commit goes out in waves; one that a node cannot take goes back everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from compiler.model import LabelSelector, Operator, Requirement
from compiler.names import NodeName
from controller.observer import Observer
from controller.publication import Report
from controller.rollout import NodeTraits, Stage, Strategy, waves_of
from controller.state import Observation, State
from tests.controller.files import RED, RED_AND_BLUE, network
from tests.controller.scene import Scene, inventory

NODES = [NodeName(f"node-{n}") for n in range(1, 9)]
PODS = {f"red-{n}": f"node-{n}" for n in range(1, 9)}
WIDER = RED | {"red.yaml": network("red", "10.1.0.0/16")}
"""Another subnet: every node's plan changes."""


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


@pytest.fixture
def play() -> Stage8:
    scene = Scene()
    first = scene.repository.commit(RED)
    scene.inventory.put(inventory(PODS, nodes=8))
    staged = Staged(inner=scene.controller.observer, strategy=Strategy(ready_timeout=60))
    scene.controller.observer = staged
    scene.turn()
    scene.agents_apply()
    second = scene.repository.commit(WIDER)
    return Stage8(scene=scene, staged=staged, first=first, second=second)


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
    play.scene.restart()
    play.scene.controller.observer = replace(play.staged, inner=play.scene.controller.observer)
    play.scene.inventory.put(inventory(PODS, nodes=8))
    published = play.turn()
    assert len(published) <= 2
    assert play.kept == play.first


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
