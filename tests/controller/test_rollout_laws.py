"""Laws of rollouts under any order of commits, reports, failures, restarts, and nodes that come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.names import NodeName
from controller.publication import Report
from controller.rollout import Strategy
from tests.controller.files import BROKEN, CLUSTER, network
from tests.controller.scene import Scene, inventory
from tests.controller.test_rollout import Staged

NODES = 5
TIMEOUT = 60.0
WAYS: tuple[Mapping[str, bytes], ...] = (
    {"red.yaml": network("red", "10.1.0.0/24")},
    {"red.yaml": network("red", "10.1.0.0/16")},
    {"red.yaml": network("red", "10.1.0.0/24"), "blue.yaml": network("blue", "10.2.0.0/24")},
    {"red.yaml": network("red", "10.5.0.0/24"), "blue.yaml": network("blue", "10.2.0.0/16")},
)


@dataclass(kw_only=True)
class Play:
    """Some nodes with pods in red and blue, and whatever happens to them."""

    scene: Scene = field(default_factory=Scene)
    staged: Staged = field(init=False)
    nodes: set[int] = field(default_factory=lambda: {1, 2, 3})
    pods: set[str] = field(default_factory=set)
    number: int = 0
    good: dict[str, int] = field(default_factory=dict)
    """Commits that compile, by the way they are made."""
    tip: str = ""
    applied: dict[NodeName, set[str]] = field(default_factory=dict)
    """Digests of plans that each node has reported."""
    meant: dict[tuple[str, NodeName], set[str]] = field(default_factory=dict)
    """Digests of plans by commit and node."""
    left: set[NodeName] = field(default_factory=set)
    """Nodes that were away since the last commit: a wave does not wait for who is not there."""

    def __post_init__(self) -> None:
        self.staged = Staged(
            inner=self.scene.controller.observer, strategy=Strategy(ready_timeout=TIMEOUT, share=0.5)
        )
        self.scene.controller.observer = self.staged

    def commit(self, way: int) -> None:
        self.number += 1
        self.left.clear()
        mark = {"mark.yaml": f"# {self.number}\n".encode(), "cluster.yaml": CLUSTER}
        if way == len(WAYS):
            self.tip = self.scene.repository.commit({**mark, "red.yaml": BROKEN})
            return
        if "blue.yaml" not in WAYS[way]:
            # Pods may use blue when it goes: that is meant.
            mark["cluster.yaml"] = CLUSTER + b"  confirmDeletionOf: [team-a/blue]\n"
        self.tip = self.scene.repository.commit({**mark, **WAYS[way]})
        self.good[self.tip] = way

    def apply(self, node: int) -> None:
        name = NodeName(f"node-{node}")
        stamp = self.scene.publisher.published.plans.get(name)
        if stamp and node in self.nodes:
            self.scene.publisher.agents[name] = Report(generation=stamp.generation, digest=stamp.digest)
            self.applied.setdefault(name, set()).add(stamp.digest)

    def fail(self, node: int) -> None:
        name = NodeName(f"node-{node}")
        before = self.scene.publisher.agents.get(name)
        if before:
            self.scene.publisher.agents[name] = replace(before, errors=("no room",))

    def toggle(self, node: int) -> None:
        self.nodes ^= {node}
        if node not in self.nodes:
            self.scene.publisher.agents.pop(NodeName(f"node-{node}"), None)
            self.left.add(NodeName(f"node-{node}"))
        self.look()

    def pod(self, node: int, name: str) -> None:
        self.pods ^= {f"{name}-{node}"}
        self.look()

    def look(self) -> None:
        pods = {f"red-0{n}": f"node-{n}" for n in self.nodes}
        pods |= {pod: f"node-{pod[-1]}" for pod in self.pods if int(pod[-1]) in self.nodes}
        everything = inventory(pods, nodes=NODES)
        here = {f"node-{n}" for n in self.nodes}
        nodes = {name: node for name, node in everything.nodes.items() if name in here}
        self.scene.inventory.put(replace(everything, nodes=nodes))

    def restart(self) -> None:
        """Another controller takes over; what was in quarantine is told to it."""
        before = self.scene.controller.state
        self.scene.restart()
        controller = self.scene.controller
        self.staged.inner, controller.observer = controller.observer, self.staged
        if before.halted:
            controller.state = replace(controller.state, halted=before.halted, quarantined=before.quarantined)
        self.look()

    def turn(self) -> None:
        self.scene.turn()
        state = self.scene.controller.state
        for node, digest in state.digests.items():
            if state.good:
                self.meant.setdefault((state.good.revision, node), set()).add(digest)
        self._check()

    def _check(self) -> None:
        state, publisher = self.scene.controller.state, self.scene.publisher
        assert {stamp.revision for stamp in publisher.published.plans.values()} <= self.good.keys()
        rollout = state.rollout
        if rollout is None:
            return
        for node in rollout.held & publisher.published.plans.keys():
            if publisher.room is None:
                assert publisher.published.plans[node].digest == rollout.digests[node]
        if rollout.reverting:
            return
        assert state.compilation
        for wave in rollout.waves[: rollout.wave]:
            for node in (wave.nodes & state.compilation.plans.keys()) - self.left:
                digests = self.meant.get((rollout.revision, node), set())
                assert digests & self.applied.get(node, set()), f"{node} was not waited for"

    def rest(self) -> None:
        """All is well from now on: whatever is under way comes to its end."""
        self.scene.publisher.room = None
        for _ in range(12):
            for node in self.nodes:
                self.apply(node)
            self.turn()
        state, published = self.scene.controller.state, self.scene.publisher.published
        assert state.rollout is None
        assert state.good
        assert state.good.revision != state.quarantined
        if self.tip in self.good and self.tip != state.quarantined:
            assert state.good.revision == self.tip
        assert {node: stamp.digest for node, stamp in published.plans.items()} == state.digests
        assert published.commit
        assert published.commit.revision == state.good.revision
        assert {f"node-{node}" for node in self.nodes} == published.plans.keys()


nodes = st.integers(1, NODES)
happenings = st.one_of(
    st.tuples(st.just("commit"), st.integers(0, len(WAYS))),
    st.tuples(st.just("apply"), nodes),
    st.tuples(st.just("all apply"), st.just(0)),
    st.tuples(st.just("fail"), nodes),
    st.tuples(st.just("toggle"), nodes),
    st.tuples(st.just("red pod"), nodes),
    st.tuples(st.just("blue pod"), nodes),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("time"), st.sampled_from((1, 31, 61))),
    st.tuples(st.just("room"), st.sampled_from((0, 1, 3, 99))),
    st.tuples(st.just("ask again"), st.just(0)),
    st.tuples(st.just("nothing"), st.just(0)),
)


def happen(play: Play, what: str, which: int) -> None:
    match what:
        case "commit":
            play.commit(which)
        case "apply":
            play.apply(which)
        case "all apply":
            for node in play.nodes:
                play.apply(node)
        case "fail":
            play.fail(which)
        case "toggle":
            play.toggle(which)
        case "red pod" | "blue pod":
            play.pod(which, what.split()[0])
        case "restart":
            play.restart()
        case "time":
            play.staged.elapsed += which
        case "room":
            play.scene.publisher.room = None if which == 99 else which
        case "ask again":
            play.staged.handled += "!"


@settings(max_examples=150, deadline=None)
@given(st.lists(happenings, max_size=40))
def test_laws(story: list[tuple[str, int]]) -> None:
    play = Play()
    play.commit(0)
    play.look()
    play.turn()
    for what, which in story:
        happen(play, what, which)
        play.turn()
    play.rest()
