"""What the cluster is told after each turn: resources, statuses, events; each once, and none for long."""

from __future__ import annotations

import json

import pytest

from controller.cluster.leadership import Deposed
from controller.cluster.objects import NETWORK_STATUS
from kube.api import ObjectRef
from kube.kinds import PODS
from tests.controller.cluster.stage import CONFIG, SOURCE, Stage, network_ref, node_ref, router_ref, started
from tests.controller.files import BROKEN, CLUSTER, RED, RED_AND_BLUE, network

WIDER = RED | {"red.yaml": network("red", "10.1.0.0/16")}


def pod_ref(name: str) -> ObjectRef:
    return ObjectRef(resource=PODS, name=name, namespace="team-a")


def writes(stage: Stage) -> list[str]:
    """What the controller has written since the last call."""
    found = [one for one in stage.client.requests if not one.startswith(("GET", "LIST"))]
    stage.client.requests.clear()
    return found


def test_what_a_commit_declares_is_listed_before_it_is_applied() -> None:
    """A controller that dies between the two leaves nothing that nobody prunes."""
    stage = Stage()
    stage.node(1)
    stage.repository.commit(RED)
    stage.follow()
    stage.turn()
    stage.look()
    stage.turn()
    assert stage.status(SOURCE)["inventory"]["entries"] == [
        "ClusterConfig/cluster",
        "VirtualNetwork/team-a/red",
    ]
    assert not stage.exists(network_ref("red"))
    stage.turn()
    assert stage.exists(network_ref("red"))


def test_what_a_commit_no_longer_declares_is_pruned() -> None:
    stage = started(RED_AND_BLUE)
    stage.repository.commit(RED)
    stage.settle()
    assert not stage.exists(network_ref("blue"))
    assert stage.status(SOURCE)["inventory"]["entries"] == [
        "ClusterConfig/cluster",
        "VirtualNetwork/team-a/red",
    ]


def test_a_resource_deleted_by_hand_comes_back() -> None:
    stage = started(RED)
    stage.api.delete(network_ref("red"))
    stage.settle()
    assert stage.exists(network_ref("red"))
    assert "deletionTimestamp" not in stage.get(network_ref("red"))["metadata"]


def test_an_edit_by_hand_is_reported_and_changes_nothing() -> None:
    stage = started(RED)
    red = network_ref("red")
    stage.api.beside("kubectl-edit").patch(red, {"spec": {"subnets": ["10.99.0.0/24"]}})
    stage.settle()
    assert stage.condition(red, "InSync") == ("False", "ConflictWithGit")
    assert stage.condition(SOURCE, "InSync") == ("False", "ConflictWithGit")
    assert stage.state.compilation
    networks = stage.state.compilation.inputs.declarations.networks
    assert [str(one.subnets[0].prefix) for one in networks] == ["10.1.0.0/24"]


def test_a_pod_costs_its_network_a_status_and_nothing_else() -> None:
    stage = started(RED_AND_BLUE, nodes=2)
    writes(stage)
    stage.pod("web", 1, "red")
    stage.turn()
    told = writes(stage)
    assert sorted(one for one in told if "nodenetworks" in one) == ["APPLY nodenetworks.atoll.dev node-1"]
    assert [one for one in told if "blue" in one or "node-2" in one] == []


def test_a_commit_that_changes_one_network_writes_no_other() -> None:
    stage = started(RED_AND_BLUE)
    writes(stage)
    stage.repository.commit(RED_AND_BLUE | {"red.yaml": network("red", "10.1.0.0/16")})
    stage.settle()
    assert [one for one in writes(stage) if "blue" in one] == []


def test_a_refused_commit_is_told_once() -> None:
    stage = started(RED)
    stage.repository.commit(RED | {"red.yaml": BROKEN})
    stage.settle()
    assert stage.condition(SOURCE) == ("False", "CommitRefused")
    assert len(stage.events("CommitRefused")) == 1
    writes(stage)
    for _ in range(3):
        stage.turn()
        stage.seconds += 60
    assert writes(stage) == []


def test_what_is_told_of_objects_is_forgotten_with_them() -> None:
    stage = started(RED)
    for number in range(40):
        ref = stage.declare(f"brief-{number}", f"10.{number + 40}.0.0/24")
        stage.turn()
        stage.api.patch(ref, {"metadata": {"finalizers": []}})
        stage.api.delete(ref)
        stage.turn()
    assert len(stage.teller._told) < 20  # it is what must not grow


def test_an_object_made_anew_is_told_of_anew() -> None:
    stage = started(RED)
    ref = stage.declare("grey", "10.9.0.0/33")
    stage.settle()
    assert len(stage.events("Invalid")) == 1
    stage.api.patch(ref, {"metadata": {"finalizers": []}})
    stage.api.delete(ref)
    stage.declare("grey", "10.9.0.0/33")
    stage.settle()
    assert len(stage.events("Invalid")) == 2


def test_a_commit_in_waves_is_told_wave_by_wave() -> None:
    stage = started(RED, nodes=4, rollout={"readyTimeout": "60s"}, network="red")
    stage.repository.commit(WIDER)
    stage.look()
    stage.turn()
    stage.turn()
    assert stage.condition(SOURCE) == ("False", "RollingOut")
    assert stage.status(SOURCE)["rollout"]["stage"] == "Canary"
    assert stage.status(SOURCE)["rollout"]["released"] == 1
    stage.agents_apply(1)
    stage.turn()
    stage.turn()
    rollout = stage.status(SOURCE)["rollout"]
    assert (rollout["stage"], rollout["released"], rollout["total"]) == ("All", 4, 4)
    stage.agents_apply()
    stage.settle()
    stage.agents_apply()
    stage.settle()
    assert stage.condition(SOURCE) == ("True", "Applied")
    assert "rollout" not in stage.status(SOURCE)


def test_no_network_counts_as_held_when_the_rollout_is_over() -> None:
    """The node that was held never reports: its agent is not there."""
    stage = started(RED, nodes=2, rollout={"readyTimeout": "60s"}, network="red")
    stage.node(3)
    stage.pod("red-3", 3, "red")
    stage.settle()
    stage.repository.commit(WIDER)
    for _ in range(8):
        stage.look()
        stage.turn()
        stage.agents_apply(1, 2)
    stage.settle()
    assert stage.state.rollout is None
    message = stage.status(network_ref("red"))["conditions"][0]["message"]
    assert "rollout" not in message
    assert stage.condition(network_ref("red")) == ("False", "Applying")


def test_a_node_whose_report_is_gone_is_not_ready_any_more() -> None:
    stage = started(RED, network="red")
    assert stage.condition(network_ref("red")) == ("True", "InForce")
    stage.api.delete(node_ref("node-1"))
    stage.settle()
    assert stage.status(SOURCE)["nodes"] == {"ready": 0, "total": 1}
    assert stage.condition(network_ref("red"))[0] == "False"


def test_an_agents_error_is_told_and_its_end_too() -> None:
    stage = started(RED, network="red")
    stage.agent_fails(1, "link vn1: no room")
    stage.settle()
    assert stage.condition(SOURCE) == ("False", "NodesFailed")
    stage.agents_apply()
    stage.settle()
    assert stage.condition(SOURCE) == ("True", "Applied")


def test_after_an_outage_everything_is_told() -> None:
    stage = started(RED)
    stage.repository.commit(RED_AND_BLUE)
    stage.look()
    stage.client.outage = True
    for _ in range(3):
        stage.turn()
        stage.seconds += 1
    assert stage.status(SOURCE)["lastAppliedRevision"] != stage.state.seen
    stage.client.outage = False
    stage.seconds += 60
    stage.settle()
    stage.agents_apply()
    stage.settle()
    assert stage.status(SOURCE)["lastAppliedRevision"] == stage.state.seen
    assert stage.exists(network_ref("blue"))


@pytest.mark.parametrize("lost", [1, 2, 3, 5, 8])
def test_answers_that_are_lost_lose_nothing(lost: int) -> None:
    stage = started(RED, nodes=2, network="red")
    stage.repository.commit(RED_AND_BLUE)
    stage.look()
    stage.client.lost_answers = lost
    for _ in range(10):
        try:
            stage.turn()
        except Deposed:  # a record that may be another's, as far as it can know
            stage.restart()
            stage.watch()
        stage.seconds += 60
    stage.agents_apply()
    stage.settle(40)
    assert stage.exists(network_ref("blue"))
    assert stage.condition(SOURCE) == ("True", "Applied")


def test_the_configuration_of_the_cluster_has_a_status_too() -> None:
    stage = started(RED)
    assert stage.condition(CONFIG) == ("True", "InForce")


def test_a_router_tells_what_it_connects() -> None:
    stage = started(RED_AND_BLUE)
    stage.join("mesh")
    stage.settle()
    assert stage.condition(router_ref("mesh")) == ("True", "InForce")
    assert stage.status(router_ref("mesh"))["networks"] == 2


def test_pods_that_must_wait_are_told_why() -> None:
    stage = started({"cluster.yaml": CLUSTER})
    stage.pod("web", 1, "nowhere")
    stage.settle()
    assert stage.events("AwaitingNetwork") == ["web"]


def test_pods_that_ask_for_an_address_in_vain_are_told_why() -> None:
    stage = started(RED)
    stage.pod("first", 1, "red", address="10.1.0.200")
    stage.pod("second", 1, "red", address="10.1.0.200")
    stage.pod("wrong", 1, "red", address="ten")
    stage.settle()
    assert sorted(stage.events("AwaitingNetwork")) == ["second", "wrong"]
    assert stage.blocks_on(1) == ["10.1.0.0/28", "10.1.0.200/32"]


def test_a_node_that_needs_more_addresses_than_its_pods_gets_another_block() -> None:
    stage = started(RED, network="red")
    assert stage.blocks_on(1) == ["10.1.0.0/28"]
    stage.agent_wants(1, "red", 16)
    stage.settle()
    assert stage.blocks_on(1) == ["10.1.0.0/28", "10.1.0.16/28"]
    stage.agent_wants(1, "red", 0)
    stage.settle()
    assert stage.blocks_on(1) == ["10.1.0.0/28", "10.1.0.16/28"]


def test_a_network_without_addresses_says_so_and_so_do_its_pods_once_each() -> None:
    stage = started({"cluster.yaml": CLUSTER, "red.yaml": network("red", "10.1.0.0/28")}, network="red")
    stage.pod("late", 1, "red")
    stage.agent_wants(1, "red", 16)
    stage.settle()
    assert stage.condition(network_ref("red"), "AddressesAvailable") == ("False", "AddressesExhausted")
    assert sorted(stage.events("AddressesExhausted")) == ["late", "red", "red-1"]
    stage.agent_wants(1, "red", 17)
    stage.settle()
    assert len(stage.events("AddressesExhausted")) == 3
    stage.repository.commit({"cluster.yaml": CLUSTER, "red.yaml": network("red", "10.1.0.0/24")})
    stage.settle()
    assert stage.condition(network_ref("red"), "AddressesAvailable") == ("", "")


def network_status_of(stage: Stage, name: str) -> str | None:
    found = stage.get(pod_ref(name))["metadata"].get("annotations", {}).get(NETWORK_STATUS)
    assert found is None or isinstance(found, str)
    return found


def test_a_pod_of_a_network_is_told_of_its_interface_once_it_has_addresses() -> None:
    stage = started(RED, network="red")
    assert network_status_of(stage, "red-1") is None
    stage.pod_runs("red-1", "10.1.0.1")
    stage.settle()
    assert json.loads(network_status_of(stage, "red-1") or "") == [
        {"name": "team-a/red", "interface": "eth0", "ips": ["10.1.0.1"], "default": True, "dns": {}}
    ]
    writes(stage)
    stage.pod_runs("red-1", "10.1.0.1")
    stage.settle()
    assert [one for one in writes(stage) if "pods" in one] == []


def test_what_a_meta_plugin_has_written_is_left_as_it_is() -> None:
    stage = started(RED, network="red")
    stage.api.beside("multus").patch(pod_ref("red-1"), {"metadata": {"annotations": {NETWORK_STATUS: "[]"}}})
    stage.pod_runs("red-1", "10.1.0.1")
    stage.settle()
    assert network_status_of(stage, "red-1") == "[]"


def test_a_pod_of_the_default_network_is_told_nothing() -> None:
    stage = started(RED)
    stage.api.create(
        PODS, {"metadata": {"name": "plain"}, "spec": {"nodeName": "node-1"}}, namespace="team-a"
    )
    stage.pod_runs("plain", "10.244.0.7")
    stage.settle()
    assert network_status_of(stage, "plain") is None


def test_many_pods_are_told_over_several_turns() -> None:
    stage = started({"cluster.yaml": CLUSTER, "red.yaml": network("red", "10.1.0.0/16")})
    for number in range(150):
        stage.pod(f"red-{number}", 1, "red")
        stage.pod_runs(f"red-{number}", f"10.1.0.{number + 1}")
    stage.turn()
    told = [network_status_of(stage, f"red-{number}") is not None for number in range(150)]
    assert sum(told) == 100
    assert stage.teller.pause() == 0.0
    stage.settle()
    assert all(network_status_of(stage, f"red-{number}") for number in range(150))


def test_a_new_object_is_guarded_in_the_turn_in_which_it_is_seen() -> None:
    """Its status is written in the same turn, and must not come in between."""
    stage = started(RED)
    for number in range(10):
        stage.declare(f"n{number}", f"10.{number + 40}.0.0/24")
    stage.turn()
    for number in range(10):
        metadata = stage.get(network_ref(f"n{number}"))["metadata"]
        assert metadata["finalizers"] == ["atoll.dev/in-use"]
