"""Laws of composition, whatever stands in Git, in the cluster and in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.allocations import Allocations
from compiler.compilation import Compilation, compile
from compiler.model import Declarations
from compiler.names import ObjectName
from compiler.parse import FileCache
from compiler.problem import Severity
from controller.composition import Composition, Offer, compose
from controller.snapshot import Revision, Snapshot
from tests.compiler.repository import CLUSTER
from tests.controller.scene import inventory
from tests.controller.test_composition import mesh, network

NAMES = ("red", "blue", "green", "grey")
# The second overlaps the first; the last is none, and overlaps the nodes' addresses.
SUBNETS = ("10.1.0.0/16", "10.1.8.0/24", "10.2.0.0/16", "10.3.0.0/33", "192.0.2.0/24")

subnets = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(SUBNETS), max_size=4)


@dataclass(frozen=True, kw_only=True)
class World:
    """What one turn finds, after a number of turns before it."""

    in_git: Mapping[str, str]
    in_cluster: Mapping[str, str]
    connected: bool
    """A router of the cluster connects them all."""
    leaving: frozenset[str]
    users: frozenset[str]
    """Networks that pods want."""

    @property
    def snapshot(self) -> Snapshot:
        files = {f"{name}.json": network(name, subnet) for name, subnet in self.in_git.items()}
        return Snapshot(revision=Revision("c0ffee"), files={"cluster.yaml": CLUSTER.encode()} | files)

    @property
    def offer(self) -> Offer:
        files = {path(name): network(name, subnet) for name, subnet in self.in_cluster.items()}
        routers = {MESH: mesh()} if self.connected else {}
        leaving = frozenset(path(name) for name in self.leaving & self.in_cluster.keys())
        return Offer(files=files | routers, leaving=leaving)


MESH = "cluster:virtualnetworkrouters/team-a/mesh.json"
worlds = st.builds(
    World,
    in_git=subnets,
    in_cluster=subnets,
    connected=st.booleans(),
    leaving=st.frozensets(st.sampled_from(NAMES), max_size=4),
    users=st.frozensets(st.sampled_from(NAMES), max_size=4),
)


def path(name: str) -> str:
    return f"cluster:virtualnetworks/team-a/{name}.json"


@dataclass(kw_only=True)
class History:
    """Turns one after the other: what was accepted is in force in the next."""

    foreign: Mapping[str, bytes]
    allocations: Allocations
    declared: frozenset[ObjectName] = frozenset()

    def composed(self, world: World, offer: Offer, *, is_new: bool = True) -> Composition:
        pods = {f"{name}-1": "node-1" for name in world.users}

        def compiler(declarations: Declarations) -> Compilation:
            return compile(declarations, inventory(pods), self.allocations)

        return compose(world.snapshot, offer, self.foreign, FileCache(), compiler, is_new=is_new)

    def take(self, result: Composition) -> None:
        if result.compilation and result.declarations:
            self.foreign = result.foreign
            self.allocations = result.compilation.allocations
            self.declared = frozenset(one.name for one in result.declarations.networks)


histories = st.lists(worlds, min_size=1, max_size=5)


@settings(max_examples=80, deadline=None)
@given(histories)
def test_laws(turns: list[World]) -> None:
    history = History(foreign={}, allocations=Allocations())
    for world in turns:
        result = history.composed(world, world.offer)
        in_force_alone = history.composed(world, Offer(files=history.foreign))
        assert not in_force_alone.compilation or result.compilation, "refused for an object of the cluster"
        if result.compilation:
            assert not [one for one in result.problems if one.severity is Severity.ERROR]
            _nothing_in_use_vanishes(history, result, world)
            _everyone_left_out_is_told(result, world)
        history.take(result)


def _nothing_in_use_vanishes(history: History, result: Composition, world: World) -> None:
    assert result.declarations
    declared = {one.name for one in result.declarations.networks}
    used = {ObjectName(namespace="team-a", name=name) for name in world.users}
    assert not (history.declared & used) - declared


def _everyone_left_out_is_told(result: Composition, world: World) -> None:
    gits = {path(name) for name in world.in_git}
    for one, content in world.offer.files.items():
        if one in gits:
            assert one not in result.foreign
        elif one in world.offer.leaving:
            assert one not in result.foreign or one in result.objections
        else:
            assert result.foreign.get(one) == content or one in result.objections
    assert result.objections.keys() <= world.offer.files.keys() | result.foreign.keys()


@settings(max_examples=50, deadline=None)
@given(histories)
def test_composing_again_changes_nothing(turns: list[World]) -> None:
    """But what waited for another to go may come into force: who waits is always fewer, or the same."""
    history = History(foreign={}, allocations=Allocations())
    for world in turns:
        first = history.composed(world, world.offer)
        if first.compilation is None:
            continue
        history.take(first)
        second = history.composed(world, world.offer, is_new=False)
        assert second.compilation
        assert second.objections.keys() <= first.objections.keys()
        history.take(second)
