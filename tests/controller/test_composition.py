"""A commit and the objects of the cluster beside it: who is in force, and who waits."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.allocations import Allocations
from compiler.compilation import Compilation, compile
from compiler.model import Declarations
from compiler.parse import FileCache
from controller.composition import MAX_TRIALS, Composition, Offer, compose
from controller.snapshot import Revision, Snapshot
from tests.compiler.repository import CLUSTER, contrail
from tests.controller.scene import inventory

RED = "cluster:virtualnetworks/team-a/red.json"
BLUE = "cluster:virtualnetworks/team-a/blue.json"
MESH = "cluster:virtualnetworkrouters/team-a/mesh.json"


def network(name: str, subnet: str) -> bytes:
    return (
        '{"apiVersion":"atoll.dev/v1alpha1","kind":"VirtualNetwork",'
        f'"metadata":{{"name":"{name}","namespace":"team-a"}},"spec":{{"subnets":["{subnet}"]}}}}'
    ).encode()


def mesh() -> bytes:
    return (
        b'{"apiVersion":"atoll.dev/v1alpha1","kind":"VirtualNetworkRouter",'
        b'"metadata":{"name":"mesh","namespace":"team-a"},'
        b'"spec":{"type":"mesh","virtualNetworkSelector":{}}}'
    )


def commit(**files: bytes) -> Snapshot:
    contents = {"cluster.yaml": CLUSTER.encode()} | {f"{name}.json": text for name, text in files.items()}
    return Snapshot(revision=Revision("c0ffee"), files=contents)


def composed(
    snapshot: Snapshot,
    offered: Mapping[str, bytes],
    *,
    in_force: Mapping[str, bytes] | None = None,
    leaving: frozenset[str] = frozenset(),
    pods: Mapping[str, str] | None = None,
    allocations: Allocations | None = None,
) -> Composition:
    def compiler(declarations: Declarations) -> Compilation:
        return compile(declarations, inventory(pods or {}), allocations or Allocations())

    offer = Offer(files=offered, leaving=leaving)
    return compose(snapshot, offer, in_force or {}, FileCache(), compiler)


def names(composition: Composition) -> list[str]:
    assert composition.declarations
    return [str(network.name) for network in composition.declarations.networks]


def allocated(*networks: tuple[str, str], pods: Mapping[str, str]) -> Allocations:
    """Allocations of an earlier compilation of these networks."""
    files = {f"cluster:virtualnetworks/team-a/{name}.json": network(name, net) for name, net in networks}
    earlier = composed(commit(), files, pods=pods)
    assert earlier.compilation
    return earlier.compilation.allocations


def test_an_object_of_the_cluster_is_in_force_beside_the_commit() -> None:
    result = composed(commit(red=network("red", "10.1.0.0/16")), {BLUE: network("blue", "10.2.0.0/16")})
    assert names(result) == ["team-a/blue", "team-a/red"]
    assert result.compilation
    assert not result.objections


def test_an_object_with_an_error_is_left_out_alone() -> None:
    result = composed(commit(), {RED: network("red", "10.1.0.0/33"), BLUE: network("blue", "10.2.0.0/16")})
    assert names(result) == ["team-a/blue"]
    assert [problem.code for problem in result.objections[RED]] == ["ATL401"]


def test_what_an_object_said_before_stays_in_force_when_it_turns_bad() -> None:
    before = network("red", "10.1.0.0/16")
    result = composed(commit(), {RED: network("red", "10.1.0.0/33")}, in_force={RED: before})
    assert result.foreign == {RED: before}
    assert RED in result.objections


def test_the_commit_counts_where_it_declares_the_same_object() -> None:
    result = composed(commit(red=network("red", "10.1.0.0/16")), {RED: network("red", "10.9.0.0/16")})
    assert result.foreign == {}
    assert result.declarations
    assert str(result.declarations.networks[0].subnets[0].prefix) == "10.1.0.0/16"


def test_an_error_of_the_commit_refuses_the_commit() -> None:
    result = composed(commit(red=network("red", "10.1.0.0/33")), {BLUE: network("blue", "10.2.0.0/16")})
    assert result.declarations is None
    assert [problem.code for problem in result.problems] == ["ATL401"]


def test_what_is_in_force_goes_before_a_new_object_that_contradicts_it() -> None:
    """The error may stand at either of the two: a router connects both, and their subnets overlap."""
    offered = {RED: network("red", "10.1.0.0/16"), BLUE: network("blue", "10.1.0.0/24"), MESH: mesh()}
    result = composed(
        commit(), offered, in_force={RED: offered[RED], MESH: offered[MESH]}, pods={"red-1": "node-1"}
    )
    assert names(result) == ["team-a/red"]
    assert set(result.objections) == {BLUE}


def test_a_commit_that_contradicts_what_is_in_force_is_refused() -> None:
    pods = {"red-1": "node-1"}
    in_force = {RED: network("red", "10.1.0.0/16"), MESH: mesh()}
    result = composed(
        commit(blue=network("blue", "10.1.0.0/24")),
        in_force,
        in_force=in_force,
        pods=pods,
        allocations=allocated(("red", "10.1.0.0/16"), pods=pods),
    )
    assert result.declarations is None


def test_a_deleted_network_that_pods_use_stays_in_force() -> None:
    pods, red = {"red-1": "node-1"}, network("red", "10.1.0.0/16")
    result = composed(
        commit(),
        {RED: red},
        in_force={RED: red},
        leaving=frozenset({RED}),
        pods=pods,
        allocations=allocated(("red", "10.1.0.0/16"), pods=pods),
    )
    assert names(result) == ["team-a/red"]
    assert [problem.code for problem in result.objections[RED]] == ["ATL602"]


def test_a_network_that_vanished_while_pods_use_it_stays_in_force() -> None:
    pods, red = {"red-1": "node-1"}, network("red", "10.1.0.0/16")
    result = composed(
        commit(),
        {},
        in_force={RED: red},
        pods=pods,
        allocations=allocated(("red", "10.1.0.0/16"), pods=pods),
    )
    assert names(result) == ["team-a/red"]


def test_a_deleted_network_that_nobody_uses_goes() -> None:
    red = network("red", "10.1.0.0/16")
    result = composed(
        commit(),
        {RED: red},
        in_force={RED: red},
        leaving=frozenset({RED}),
        allocations=allocated(("red", "10.1.0.0/16"), pods={}),
    )
    assert names(result) == []
    assert not result.objections


def test_too_many_deletions_at_once_all_wait() -> None:
    subnets = [("red", "10.1.0.0/16"), ("blue", "10.2.0.0/16"), ("green", "10.3.0.0/16")]
    files = {f"cluster:virtualnetworks/team-a/{name}.json": network(name, net) for name, net in subnets}
    result = composed(
        commit(), files, in_force=files, leaving=frozenset(files), allocations=allocated(*subnets, pods={})
    )
    assert len(names(result)) == 3
    assert {problem.code for found in result.objections.values() for problem in found} == {"ATL601"}


def test_objects_without_an_error_do_not_wait_for_one_that_cannot_be_added() -> None:
    offered = {
        f"cluster:virtualnetworks/team-a/n{i}.json": network(f"n{i}", f"10.{i}.0.0/16") for i in range(9)
    }
    offered[BLUE] = network("blue", "10.5.1.0/24")
    result = composed(commit(), {**offered, MESH: mesh()}, in_force={MESH: mesh()})
    assert len(names(result)) == 9
    assert len(result.objections) == 1


def test_a_cluster_config_may_stand_in_the_cluster_alone() -> None:
    path = "cluster:clusterconfigs/cluster.json"
    nothing = Snapshot(revision=Revision(""), files={})
    result = composed(nothing, {path: CLUSTER.encode(), RED: network("red", "10.1.0.0/16")})
    assert names(result) == ["team-a/red"]


def test_a_subnet_of_a_compatible_commit_is_no_object_of_the_cluster() -> None:
    subnet = contrail("Subnet", "cidr: 10.9.0.0/24", name="red").encode()
    result = composed(commit(subnet=subnet), {BLUE: network("blue", "10.2.0.0/16")})
    assert BLUE in result.foreign


def test_a_router_is_not_blamed_for_a_network_of_its_name() -> None:
    pods, red = {"red-1": "node-1"}, network("red", "10.1.0.0/16")
    router = "cluster:virtualnetworkrouters/team-a/red.json"
    result = composed(
        commit(),
        {RED: red},
        in_force={RED: red, router: mesh().replace(b"mesh", b"red", 1)},
        leaving=frozenset({RED}),
        pods=pods,
        allocations=allocated(("red", "10.1.0.0/16"), pods=pods),
    )
    assert set(result.foreign) == {RED}
    assert set(result.objections) == {RED}


def test_a_deletion_does_not_wait_for_a_conflict_of_others() -> None:
    """The two that overlap blame nobody in particular, for what is in force is spared."""
    red, blue, green = network("red", "10.1.0.0/16"), network("blue", "10.1.0.0/24"), "green"
    gone = f"cluster:virtualnetworks/team-a/{green}.json"
    in_force = {RED: red, MESH: mesh(), gone: network(green, "10.3.0.0/16")}
    result = composed(
        commit(),
        {**in_force, BLUE: blue},
        in_force=in_force,
        leaving=frozenset({gone}),
        pods={"red-1": "node-1"},
        allocations=allocated(("red", "10.1.0.0/16"), (green, "10.3.0.0/16"), pods={"red-1": "node-1"}),
    )
    assert names(result) == ["team-a/red"]
    assert set(result.objections) == {BLUE}


def test_a_network_goes_although_the_one_configuration_that_is_deleted_with_it_cannot() -> None:
    config, red = "cluster:clusterconfigs/cluster.json", network("red", "10.1.0.0/16")
    in_force = {config: CLUSTER.encode(), RED: red}
    nothing = Snapshot(revision=Revision(""), files={})
    result = composed(nothing, in_force, in_force=in_force, leaving=frozenset(in_force))
    assert set(result.foreign) == {config}
    assert set(result.objections) == {config}


def test_what_was_not_even_tried_is_told_why() -> None:
    """Pairs that overlap, so many that halving comes to its end."""
    offered = {
        f"cluster:virtualnetworks/team-a/n{i}.json": network(f"n{i}", f"10.{i // 2}.0.0/16")
        for i in range(2 * MAX_TRIALS)
    }
    result = composed(commit(), {**offered, MESH: mesh()}, in_force={MESH: mesh()})
    assert result.compilation
    left_out = offered.keys() - result.foreign.keys()
    assert left_out
    assert left_out == result.objections.keys()


def test_what_is_left_out_for_want_of_trials_comes_in_with_the_next_ones() -> None:
    offered = {MESH: mesh()} | {
        f"cluster:virtualnetworks/team-a/n{i}.json": network(f"n{i}", f"10.{i // 2}.0.0/16")
        for i in range(60)
    }
    in_force: Mapping[str, bytes] = {MESH: mesh()}
    for _ in range(8):
        in_force = composed(commit(), offered, in_force=in_force).foreign
    assert len(in_force) == 31
