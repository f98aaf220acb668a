"""What a turn makes of the objects in the cluster, poisoned and strange ones among them."""

from __future__ import annotations

import pytest

from compiler.names import NodeName
from controller.cluster.departures import LONGEST, QUIET
from controller.cluster.observer import RETRY_SECONDS
from controller.git_memory import MemoryRepository, MemorySignature
from kube.api import ObjectRef
from kube.kinds import NAMESPACES, NODE_NETWORKS, NODES
from tests.controller.cluster.stage import (
    SOURCE,
    Stage,
    network_ref,
    node_ref,
    router_ref,
    started,
)
from tests.controller.files import CLUSTER, RED, RED_AND_BLUE

CAREFUL = {"cluster.yaml": CLUSTER.replace(b"maxDeletedShare: 1.0", b"maxDeletedShare: 0.3")}
OTHER = "https://git.example.com/others.git"


def in_force(stage: Stage) -> list[str]:
    declarations = stage.state.good.declarations if stage.state.good else None
    return [one.name.name for one in declarations.networks] if declarations else []


# What the cluster declares.


def test_objects_of_the_cluster_are_in_force_without_any_repository() -> None:
    stage = Stage()
    stage.node(1)
    stage.declare_cluster()
    stage.declare("red", "10.1.0.0/24")
    stage.pod("web", 1, "red")
    stage.settle()
    assert stage.networks_on(1) == ["red"]


def test_what_git_declares_is_no_offer_of_the_cluster() -> None:
    stage = started(RED)
    assert stage.exists(network_ref("red"))
    assert stage.state.offer is not None
    assert stage.state.offer.files == {}


def test_a_first_commit_takes_over_what_it_declares_and_leaves_the_rest() -> None:
    stage = Stage()
    stage.node(1)
    stage.declare_cluster()
    stage.declare("red", "10.1.0.0/24")
    stage.declare("grey", "10.9.0.0/24")
    stage.settle()
    numbers = {name.name: entry.number for name, entry in stage.state.allocations.networks.items()}
    stage.repository.commit(RED)
    stage.follow()
    stage.settle()
    assert in_force(stage) == ["grey", "red"]
    assert stage.state.offer
    assert list(stage.state.offer.files) == ["cluster:virtualnetworks/team-a/grey.json"]
    after = {name.name: entry.number for name, entry in stage.state.allocations.networks.items()}
    assert after == numbers


def test_an_object_that_cannot_be_understood_keeps_what_it_said() -> None:
    stage = Stage()
    stage.node(1)
    stage.declare_cluster()
    stage.declare("red", "10.1.0.0/24")
    stage.settle()
    stage.api.patch(network_ref("red"), {"metadata": {"finalizers": "none"}})
    stage.settle()
    assert in_force(stage) == ["red"]


def test_an_object_that_was_never_understood_stops_no_other() -> None:
    stage = Stage()
    stage.node(1)
    stage.declare_cluster()
    stage.declare("red", "10.1.0.0/24")
    stage.declare("blue", "10.2.0.0/24")
    stage.api.patch(network_ref("red"), {"metadata": {"finalizers": "none"}})
    stage.settle()
    assert in_force(stage) == ["blue"]


def test_a_conflict_that_ends_lets_in_who_had_to_wait() -> None:
    stage = Stage()
    stage.node(1)
    stage.declare_cluster()
    stage.declare("red", "10.1.0.0/24")
    stage.join("mesh")
    stage.settle()
    stage.declare("blue", "10.1.0.0/25")
    stage.settle()
    assert in_force(stage) == ["red"]
    assert stage.condition(network_ref("blue")) == ("False", "Invalid")
    stage.api.delete(router_ref("mesh"))
    stage.settle()
    assert in_force(stage) == ["blue", "red"]


def test_an_object_that_comes_while_the_inventory_is_wrong_is_not_forgotten() -> None:
    """Labels join namespaces whose networks overlap, and pods use both: nothing compiles meanwhile."""
    stage = Stage()
    stage.node(1)
    stage.declare_cluster()
    stage.api.create(NAMESPACES, {"metadata": {"name": "team-b"}})
    for team in ("team-a", "team-b"):
        stage.declare("red", "10.1.0.0/24", team=team)
        stage.join("mesh", {"matchLabels": {"joined": "yes"}}, team=team)
        stage.pod("web", 1, "red", team=team)
    stage.settle()
    stage.label("team-a", joined="yes")
    stage.label("team-b", joined="yes")
    stage.settle()
    stage.declare("blue", "10.2.0.0/24")
    stage.settle()
    assert in_force(stage) == ["red", "red"]
    stage.label("team-b", joined=None)
    stage.settle()
    assert in_force(stage) == ["blue", "red", "red"]


def test_who_waits_is_tried_again_now_and_then_and_costs_nothing_else() -> None:
    stage = Stage()
    stage.node(1)
    stage.declare_cluster()
    stage.declare("red", "10.1.0.0/24")
    stage.join("mesh")
    stage.declare("blue", "10.1.0.0/25")
    stage.settle()
    in_force_before, trials = stage.state.good, []
    for number in range(20):
        stage.pod(f"red-{number}", 1, "red")
        stage.turn()
        trials.append(not stage.state.stale)
        stage.seconds += 1
    assert stage.state.good is in_force_before
    assert sum(trials) == 20 / RETRY_SECONDS


def test_what_was_refused_is_tried_again_when_the_time_has_come_though_nothing_happens() -> None:
    stage = started(RED_AND_BLUE)
    web = stage.pod("web", 1, "blue")
    stage.settle()
    tip = stage.repository.commit(RED)
    stage.settle()
    assert stage.condition(SOURCE) == ("False", "CommitRefused")
    stage.turn()
    stage.api.delete(web)
    stage.turn()
    stage.seconds += RETRY_SECONDS
    stage.turn()
    assert stage.state.good
    assert stage.state.good.revision == tip


# Deletions.


def deleted(stage: Stage, *names: str) -> None:
    for name in names:
        stage.api.delete(network_ref(name))


def leaving(stage: Stage) -> frozenset[str]:
    return stage.state.offer.leaving if stage.state.offer else frozenset()


def ten() -> Stage:
    stage = Stage()
    stage.node(1)
    stage.declare_cluster(limits={"maxDeletedShare": 0.3})
    for number in range(1, 11):
        stage.declare(f"n{number}", f"10.{number}.0.0/24")
    stage.settle()
    return stage


def test_a_network_that_nobody_uses_goes_after_a_moment() -> None:
    stage = ten()
    deleted(stage, "n1")
    stage.turn()
    assert stage.exists(network_ref("n1"))
    assert stage.observer.pause() == QUIET
    stage.seconds += QUIET
    stage.settle()
    assert not stage.exists(network_ref("n1"))


def test_deletions_one_after_the_other_are_one_mass_deletion() -> None:
    stage = ten()
    for number in range(1, 11):
        deleted(stage, f"n{number}")
        stage.turn()
        stage.seconds += 0.5
    stage.settle()
    assert len(in_force(stage)) == 10
    assert stage.condition(network_ref("n4")) == ("False", "DeletionUnconfirmed")


def test_deletions_that_never_pause_are_judged_all_the_same() -> None:
    stage = ten()
    deleted(stage, "n1")
    began = stage.seconds
    while stage.seconds < began + LONGEST:
        name = f"at-{stage.seconds:.0f}"
        stage.declare(name, "10.30.0.0/24")
        stage.turn()
        deleted(stage, name)
        stage.turn()
        assert leaving(stage) == frozenset()
        stage.seconds += 1
    stage.turn()
    assert "cluster:virtualnetworks/team-a/n1.json" in leaving(stage)


def test_a_network_in_use_goes_once_its_pods_have_gone() -> None:
    stage = ten()
    web = stage.pod("web", 1, "n1")
    stage.settle()
    deleted(stage, "n1")
    stage.settle()
    assert stage.condition(network_ref("n1")) == ("False", "InUse")
    stage.api.delete(web)
    stage.settle()
    assert not stage.exists(network_ref("n1"))


def test_after_a_restart_deletions_under_way_are_gathered_again() -> None:
    stage = ten()
    deleted(stage, *(f"n{number}" for number in range(1, 11)))
    stage.restart()
    stage.settle()
    assert len(in_force(stage)) == 10


# NetworkSources.


def test_what_a_source_declared_stands_by_itself_when_the_source_is_deleted() -> None:
    stage = started(RED)
    stage.api.delete(SOURCE)
    stage.settle()
    assert in_force(stage) == ["red"]
    assert stage.state.good
    assert stage.state.good.revision == ""
    assert stage.exists(network_ref("red"))


def test_without_a_source_turns_come_to_rest() -> None:
    """Even where what Git declared cannot stand by itself: a network in use is not there as a resource."""
    stage = started(RED)
    stage.pod("web", 1, "red")
    stage.settle()
    stage.api.patch(network_ref("red"), {"metadata": {"finalizers": None}})
    stage.api.delete(network_ref("red"))
    stage.api.delete(SOURCE)
    for _ in range(3):
        stage.turn()
    assert in_force(stage) == ["red"]
    stage.log.events.clear()
    for _ in range(5):
        stage.turn()
    assert stage.log.events == []


def test_a_source_that_takes_over_from_another_prunes_nothing_of_it() -> None:
    stage = started(RED_AND_BLUE)
    stage.others[OTHER] = MemoryRepository()
    stage.others[OTHER].commit(RED)
    stage.api.delete(SOURCE)
    stage.follow(name="second", url=OTHER)
    stage.settle()
    assert in_force(stage) == ["blue", "red"]
    assert stage.exists(network_ref("blue"))
    assert stage.state.good
    assert list(stage.state.good.foreign) == ["cluster:virtualnetworks/team-a/blue.json"]


def test_a_source_that_cannot_be_understood_any_more_keeps_what_it_said() -> None:
    stage = started(RED)
    stage.api.patch(SOURCE, {"spec": {"suspend": "perhaps"}})
    stage.settle()
    assert stage.state.good
    assert stage.state.good.revision
    tip = stage.repository.commit(RED_AND_BLUE)
    stage.settle()
    assert stage.state.good.revision == tip


def test_a_source_that_cannot_be_understood_from_the_start_drops_no_commit() -> None:
    stage = started(RED)
    stage.api.patch(SOURCE, {"spec": {"suspend": "perhaps"}})
    stage.restart()
    for _ in range(3):
        stage.turn()
    assert stage.state.good
    assert stage.state.good.revision


@pytest.mark.parametrize(
    "rollout",
    [
        {"readyTimeout": "1.5h"},
        {"share": "nan%"},
        {"canary": {"nodeSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}},
    ],
)
def test_a_strategy_that_cannot_be_understood_stops_nothing(rollout: dict[str, object]) -> None:
    stage = started(RED, rollout=rollout)
    assert stage.networks_on(1) == []
    assert stage.state.strategy is not None


def test_a_younger_source_does_not_count() -> None:
    stage = started(RED)
    stage.others[OTHER] = MemoryRepository()
    younger = stage.follow(name="younger", url=OTHER)
    stage.settle()
    assert stage.condition(younger) == ("False", "Superseded")


def test_a_suspended_source_leaves_everything_as_it_is() -> None:
    stage = started(RED)
    stage.follow(suspend=True)
    stage.repository.commit(RED_AND_BLUE)
    stage.settle()
    assert in_force(stage) == ["red"]
    assert stage.condition(SOURCE) == ("True", "Suspended")
    stage.follow(suspend=False)
    stage.settle()
    assert in_force(stage) == ["blue", "red"]


def test_signatures_demanded_later_refuse_what_is_not_signed_and_leave_what_is_in_force() -> None:
    stage = started(RED)
    stage.follow(verify={"mode": "gpg", "keysFrom": {"name": "keys"}})
    stage.repository.commit(RED_AND_BLUE)
    stage.settle()
    assert in_force(stage) == ["red"]
    assert stage.condition(SOURCE, "SourceVerified") == ("False", "VerificationFailed")
    signed = stage.repository.commit(RED_AND_BLUE, amend=True, signature=MemorySignature(key=b"key"))
    stage.settle()
    assert stage.status(SOURCE)["lastSeenRevision"] == signed


def test_a_commit_that_waits_is_forgotten_when_signatures_are_demanded() -> None:
    """Else it would come into force unsigned, once nothing speaks against it and before Git is asked."""
    stage = started(RED_AND_BLUE)
    web = stage.pod("web", 1, "blue")
    stage.settle()
    stage.repository.commit(RED)
    stage.settle()
    assert stage.state.candidate
    stage.repository.outage = True
    stage.follow(verify={"mode": "gpg", "keysFrom": {"name": "keys"}})
    stage.api.delete(web)
    stage.settle()
    assert in_force(stage) == ["blue", "red"]


def test_a_commit_that_waits_goes_on_waiting_when_only_the_pace_changes() -> None:
    stage = started(RED_AND_BLUE)
    web = stage.pod("web", 1, "blue")
    stage.settle()
    stage.repository.commit(RED)
    stage.settle()
    stage.repository.outage = True
    stage.follow(interval="5m")
    stage.api.delete(web)
    stage.settle()
    assert in_force(stage) == ["red"]


# Nodes.


def test_a_node_network_that_another_hand_deletes_comes_back() -> None:
    stage = started(RED)
    stage.api.delete(node_ref("node-1"))
    stage.settle()
    assert stage.exists(node_ref("node-1"))


def test_a_node_network_that_another_hand_spoils_is_mended() -> None:
    stage = started(RED)
    stage.api.beside("kubectl-edit").patch(node_ref("node-1"), {"spec": {"plan": "AAAA", "generation": "x"}})
    stage.settle()
    assert list(stage.plans()) == ["node-1"]


def test_a_node_network_of_no_node_is_withdrawn() -> None:
    stage = started(RED)
    stray = ObjectRef(resource=NODE_NETWORKS, name="stray")
    stage.api.create(
        NODE_NETWORKS, stage.body(stray, {"plan": "", "digest": "", "revision": "", "generation": 0})
    )
    stage.settle()
    assert not stage.exists(stray)


def test_labels_and_readiness_of_nodes_follow_them() -> None:
    stage = started(RED, nodes=2)
    name = NodeName("node-2")
    assert stage.state.traits[name].ready
    node = ObjectRef(resource=NODES, name="node-2")
    stage.api.patch(node, {"metadata": {"labels": {"pool": "canary"}}})
    stage.turn()
    assert stage.state.traits[name].labels == {"pool": "canary"}


def test_a_turn_without_news_writes_nothing() -> None:
    stage = started(RED, nodes=2)
    stage.client.requests.clear()
    for _ in range(3):
        stage.turn()
        stage.seconds += 10
    assert stage.client.requests == []
