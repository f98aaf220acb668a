"""Networks that somebody deletes wait for their pods; tests/controller/test_composition.py has the rules."""

from __future__ import annotations

from compiler.names import ObjectName
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
    stage.users = {}
    assert stage.turn() == ["release finalizer of VirtualNetwork/team-a/blue"]


def test_what_git_still_declares_does_not_wait() -> None:
    stage = Stage()
    stage.commit("c1", network("team-a/red", "10.1.0.0/24"))
    stage.turn()
    stage.users = {ObjectName(namespace="team-a", name="red"): (WEB,)}
    stage.delete(key("team-a/red"))
    assert stage.turn() == ["release finalizer of VirtualNetwork/team-a/red"]


def test_finalizers_of_others_stay() -> None:
    stage = stage_with("blue")
    stage.edit(key("team-a/blue"), {"metadata": {"finalizers": [IN_USE, "example.org/backup"]}})
    stage.delete(key("team-a/blue"))
    stage.turn()
    assert stage.get(key("team-a/blue")).metadata.finalizers == ("example.org/backup",)
    assert stage.turn() == []
