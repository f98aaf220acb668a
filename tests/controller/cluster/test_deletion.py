"""Networks that somebody deletes wait for their pods, and for confirmation where they are many."""

from __future__ import annotations

from dataclasses import replace

from compiler.names import ObjectName
from controller.cluster.deletion import Hold, holds
from controller.cluster.objects import IN_USE
from kube.kinds import VIRTUAL_NETWORKS
from tests.compiler.declared import network
from tests.controller.cluster.mirroring import Stage, key

WEB = ObjectName(namespace="team-a", name="web")


def stage_with(*names: str) -> Stage:
    """Networks by hand, with their finalizers, under a commit that declares none of them."""
    stage = Stage()
    stage.commit("c1", network("team-b/git", "10.9.0.0/24"))
    for name in names:
        body = {"metadata": {"name": name}, "spec": {"subnets": ["10.3.0.0/24"], "egress": "none"}}
        stage.api.create(VIRTUAL_NETWORKS, body, namespace="team-a")
    stage.turn()
    return stage


def waiting(stage: Stage, *, in_force: int = 10) -> dict[str, Hold]:
    guard = replace(stage.guard(), in_force=in_force)
    found = holds(stage.declared, stage.observed(), stage.inventory, guard)
    return {one.name: hold for one, hold in found.items()}


def test_a_network_that_nobody_uses_goes_at_once() -> None:
    stage = stage_with("blue")
    stage.delete(key("team-a/blue"))
    assert stage.turn() == ["release finalizer of VirtualNetwork/team-a/blue"]
    assert stage.keys() == ["VirtualNetwork/team-b/git"]


def test_a_network_that_pods_use_waits_for_them() -> None:
    stage = stage_with("blue")
    stage.users = {ObjectName(namespace="team-a", name="blue"): (WEB,)}
    stage.delete(key("team-a/blue"))
    assert stage.turn() == []
    assert waiting(stage) == {"blue": Hold(users=(WEB,))}
    stage.users = {}
    assert stage.turn() == ["release finalizer of VirtualNetwork/team-a/blue"]


def test_a_network_that_is_confirmed_goes_whoever_uses_it() -> None:
    stage = stage_with("blue")
    stage.users = {ObjectName(namespace="team-a", name="blue"): (WEB,)}
    stage.confirmed = frozenset({ObjectName(namespace="team-a", name="blue")})
    stage.delete(key("team-a/blue"))
    assert stage.turn() == ["release finalizer of VirtualNetwork/team-a/blue"]


def test_many_networks_at_once_wait_for_a_confirmation() -> None:
    stage = stage_with("n1", "n2", "n3", "n4")
    for name in ("n1", "n2", "n3", "n4"):
        stage.delete(key(f"team-a/{name}"))
    assert waiting(stage) == {name: Hold(unconfirmed=4) for name in ("n1", "n2", "n3", "n4")}
    assert stage.turn() == []


def test_those_that_are_confirmed_do_not_count_among_the_many() -> None:
    stage = stage_with("n1", "n2", "n3", "n4")
    for name in ("n1", "n2", "n3", "n4"):
        stage.delete(key(f"team-a/{name}"))
    stage.confirmed = frozenset({ObjectName(namespace="team-a", name="n1")})
    assert waiting(stage) == {}
    assert len(stage.turn()) == 4


def test_one_network_may_always_go_however_few_there_are() -> None:
    stage = stage_with("blue")
    stage.delete(key("team-a/blue"))
    assert waiting(stage, in_force=1) == {}


def test_what_git_took_away_has_passed_the_share_rule_with_its_commit_but_waits_for_pods() -> None:
    stage = Stage()
    names = [f"n{n}" for n in range(8)]
    stage.commit("c1", *(network(f"team-a/{name}", "10.3.0.0/24") for name in names))
    stage.turn()
    stage.commit("c2")
    stage.turn()
    stage.users = {ObjectName(namespace="team-a", name="n0"): (WEB,)}
    assert waiting(stage) == {"n0": Hold(users=(WEB,))}


def test_what_git_still_declares_does_not_wait() -> None:
    stage = Stage()
    stage.commit("c1", network("team-a/red", "10.1.0.0/24"))
    stage.turn()
    stage.users = {ObjectName(namespace="team-a", name="red"): (WEB,)}
    stage.delete(key("team-a/red"))
    assert waiting(stage) == {}


def test_finalizers_of_others_stay() -> None:
    stage = stage_with("blue")
    stage.edit(key("team-a/blue"), {"metadata": {"finalizers": [IN_USE, "example.org/backup"]}})
    stage.delete(key("team-a/blue"))
    stage.turn()
    assert stage.get(key("team-a/blue")).metadata.finalizers == ("example.org/backup",)
    assert stage.turn() == []
