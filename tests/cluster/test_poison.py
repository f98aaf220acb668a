"""Poisoned objects among good ones: each costs itself, and nobody else anything."""

from __future__ import annotations

import pytest

from controller.publication import PublicationError
from kube.api import Json, ObjectRef
from kube.kinds import CONFIG_MAPS, ENDPOINT_SLICES, NODE_NETWORKS, NODES
from tests.cluster.chart import NAMESPACE
from tests.cluster.stage import (
    SOURCE,
    TEAM,
    Stage,
    applied,
    condition_of,
    in_force,
    is_ready,
    network_ref,
    node_ref,
    reason_of,
    status_of,
)
from tests.cluster.watching import Document, stays
from tests.controller.files import RED, RED_AND_BLUE


def started(stage: Stage) -> str:
    """Two nodes with a pod each in network red; returns the commit."""
    nodes = stage.nodes(2)
    for name in nodes:
        stage.pod(f"web-{name}", name, "red")
    first = stage.repository.commit(RED)
    stage.follow()
    stage.controller()
    for name in nodes:
        stage.twin(name)
    stage.until_applied(first, *nodes)
    return first


def until_pods(stage: Stage, number: int) -> None:
    stage.until(network_ref("red"), lambda it: status_of(it).get("pods") == number, f"with {number} pods")


def endpoint_slice(name: str, service: str) -> Json:
    metadata = {"name": name, "namespace": TEAM, "labels": {"kubernetes.io/service-name": service}}
    return {
        **Stage.body(ENDPOINT_SLICES, name, TEAM),
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.0.9"]}],
    }


# What the compiler cannot use.


def test_a_node_whose_address_is_none_keeps_what_was_known_of_it(stage: Stage) -> None:
    started(stage)
    address = {"type": "InternalIP", "address": "not an address"}
    stage.api.patch(
        ObjectRef(resource=NODES, name="node-1"), {"status": {"addresses": [address]}}, subresource="status"
    )
    source = stage.until(SOURCE, lambda it: status_of(it).get("problemCount") == 1, "with a problem")
    (problem,) = source["status"]["problems"]
    assert (problem["code"], problem["severity"]) == ("ATL702", "warning")
    assert problem["subject"] == "Node node-1"
    assert is_ready(source)
    for name in ("node-1", "node-2"):
        stage.pod(f"more-{name}", name, "red")
    until_pods(stage, 4)
    assert stage.get(node_ref("node-1"))["spec"]["address"] == "192.0.2.1"
    mended = {"type": "InternalIP", "address": "192.0.2.1"}
    stage.api.patch(
        ObjectRef(resource=NODES, name="node-1"), {"status": {"addresses": [mended]}}, subresource="status"
    )
    stage.until(SOURCE, lambda it: not status_of(it).get("problemCount"), "without the problem")


def test_an_endpoint_slice_that_is_of_no_possible_service_is_left_out(stage: Stage) -> None:
    started(stage)
    stage.api.create(ENDPOINT_SLICES, endpoint_slice("bad", "Not_A_Name"), namespace=TEAM)
    stage.until(
        SOURCE,
        lambda it: (
            [one["subject"] for one in status_of(it).get("problems", ())] == [f"EndpointSlice {TEAM}/bad"]
        ),
        "with a problem",
    )
    stage.until_applied(stage.push(RED_AND_BLUE), "node-1", "node-2")


def test_pods_with_senseless_annotations_are_told_so_alone(stage: Stage) -> None:
    started(stage)
    senseless = ["Not/A/Name", "..", "x" * 5000, "\n", "red\tblue"]
    odd = [stage.pod(f"odd-{n}", "node-1", network) for n, network in enumerate(senseless)]
    stage.pod("good", "node-1", "red")
    until_pods(stage, 3)
    for pod in odd:
        assert stage.until_told(pod, "AwaitingNetwork").startswith("The pod waits for its network: ")


# What the API server lets pass and the compiler does not.


def test_networks_that_the_compiler_refuses_stop_no_others(stage: Stage) -> None:
    started(stage)
    bad = {
        "in-pods": ["10.244.7.0/24"],
        "in-services": ["10.96.7.0/24"],
        "in-nodes": ["192.0.2.128/25"],
    }
    refs = [stage.declare(name, {"subnets": subnets}) for name, subnets in bad.items()]
    good = stage.declare("good", {"subnets": ["10.7.0.0/24"]})
    stage.until(good, is_ready, "ready")
    for ref in refs:
        stage.until(ref, lambda it: reason_of(it) == "Invalid", "invalid")
    second = stage.push(RED_AND_BLUE)
    stage.until_applied(second)
    stage.until(network_ref("blue"), is_ready, "ready")
    source = stage.get(SOURCE)
    assert is_ready(source)
    assert not source["status"].get("problemCount")


# What belongs to the controller and its agents, in other hands.


EDITS: tuple[Json, ...] = (
    {"plan": "H4sIAAAAAAAC/0vOzy0oSi0uTk0BAEi5hqQIAAAA"},
    {"digest": "sha256:" + "0" * 64},
    {"networks": [{"name": "team-a/false", "number": 9, "presence": "present", "blocks": []}]},
    {"address": "192.0.2.99"},
    {"parts": 3},
)


def without_epoch(node: Document) -> Json:
    return {name: value for name, value in node["spec"].items() if name != "epoch"}


def test_a_node_network_that_somebody_edits_is_written_again(stage: Stage) -> None:
    started(stage)
    before = without_epoch(stage.get(node_ref("node-1")))
    for edit in EDITS:
        stage.api.patch(node_ref("node-1"), {"spec": edit})
        stage.until(
            node_ref("node-1"), lambda it: without_epoch(it) == before and in_force(it), "written again"
        )


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: str(*edit))
def test_one_that_was_edited_while_no_controller_worked_is_written_again(stage: Stage, edit: Json) -> None:
    started(stage)
    before = without_epoch(stage.get(node_ref("node-1")))
    stage.end_controller()
    stage.api.patch(node_ref("node-1"), {"spec": edit})
    stage.controller("two")
    stage.until(node_ref("node-1"), lambda it: without_epoch(it) == before and in_force(it), "written again")


def test_a_node_network_that_somebody_deletes_is_made_again(stage: Stage) -> None:
    started(stage)
    before = stage.get(node_ref("node-1"))
    stage.api.delete(node_ref("node-1"))
    after = stage.until(
        node_ref("node-1"),
        lambda it: (
            bool(it) and it["metadata"]["uid"] != before["metadata"]["uid"] and is_ready(it) and in_force(it)
        ),
        "made again",
    )
    assert after["spec"]["digest"] == before["spec"]["digest"]
    assert after["spec"]["networks"] == before["spec"]["networks"]


def test_a_node_network_of_no_node_is_removed(stage: Stage) -> None:
    started(stage)
    spec = {**stage.get(node_ref("node-1"))["spec"], "number": 99}
    body = {**Stage.body(NODE_NETWORKS, "ghost"), "spec": spec}
    stage.api.create(NODE_NETWORKS, body)
    stage.until(node_ref("ghost"), lambda it: not it, "removed")


def test_a_status_of_garbage_deceives_nobody_for_long(stage: Stage) -> None:
    """The controller says its own again; an agent's report counts only for the plan that it names."""
    first = started(stage)
    nonsense: Json = {
        "status": {
            "number": 65000,
            "pods": 12345,
            "lastAppliedRevision": "f" * 40,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "False",
                    "reason": "Garbage",
                    "message": "?",
                    "lastTransitionTime": "1970-01-01T00:00:00Z",
                }
            ],
        }
    }
    stage.api.patch(network_ref("red"), nonsense, subresource="status")
    stage.until(
        network_ref("red"),
        lambda it: is_ready(it) and (it["status"]["number"], it["status"]["pods"]) == (1, 2),
        "as it is",
    )
    assert applied(stage.get(network_ref("red"))) == first


def test_an_inventory_of_garbage_makes_the_controller_delete_nothing(stage: Stage) -> None:
    started(stage)
    mine = stage.declare("mine", {"subnets": ["10.7.0.0/24"]})
    stage.until(mine, is_ready, "ready")
    entries = ["", "nonsense", "VirtualNetwork/a/b/c/d", f"VirtualNetwork/{TEAM}/mine", "Secret/a/b"]
    stage.api.patch(SOURCE, {"status": {"inventory": {"entries": entries}}}, subresource="status")
    stage.until(
        SOURCE,
        lambda it: f"VirtualNetwork/{TEAM}/red" in status_of(it)["inventory"]["entries"],
        "its own inventory",
    )
    stage.until_applied(stage.push(RED_AND_BLUE))
    stays(stage.api, mine, bool, "there", seconds=1)
    assert stage.get(mine)["spec"]["subnets"] == ["10.7.0.0/24"]
    assert is_ready(stage.get(network_ref("red")))


def test_a_report_about_another_plan_moves_no_rollout(stage: Stage) -> None:
    """Only the digest that is published counts, whoever says Ready."""
    nodes = stage.nodes(2)
    for name in nodes:
        stage.pod(f"web-{name}", name, "red")
    first = stage.repository.commit(RED)
    stage.follow()
    stage.controller()
    stage.twin("node-2")
    lie: Json = {
        "status": {
            "observedGeneration": 1,
            "applied": {"revision": first, "generation": 1, "digest": "sha256:" + "0" * 64},
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Applied",
                    "message": "Trust me",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ],
        }
    }
    stage.until(node_ref("node-1"), bool, "published")
    stage.api.patch(node_ref("node-1"), lie, subresource="status")
    stage.until(node_ref("node-2"), lambda it: bool(it) and is_ready(it) and in_force(it), "in force")
    source = stage.until(
        SOURCE, lambda it: status_of(it).get("nodes") == {"ready": 1, "total": 2}, "one of two nodes"
    )
    assert not is_ready(source)
    assert "node-1 is applying" in condition_of(source)["message"]


def test_an_epoch_that_somebody_raises_ends_the_leader_and_the_next_one_writes_again(stage: Stage) -> None:
    """What it takes for a sign of a newer leader."""
    started(stage)
    before = stage.get(node_ref("node-1"))
    stage.api.patch(node_ref("node-1"), {"spec": {"epoch": 1000, "address": "192.0.2.99"}})
    stage.only_controller().story.until("deposed")
    stage.replace_controller()
    after = stage.until(node_ref("node-1"), lambda it: it["spec"]["epoch"] == 1001, "written by the next")
    assert after["spec"]["address"] == before["spec"]["address"]
    stage.until_applied(stage.push(RED_AND_BLUE), "node-1", "node-2")


@pytest.mark.parametrize("record", ["allocations", "commit"])
def test_a_record_that_somebody_damages_stops_a_new_leader_with_the_remedy(stage: Stage, record: str) -> None:
    """Starting without it would renumber every network, or take all of them away."""
    started(stage)
    stage.end_controller()
    ref = ObjectRef(resource=CONFIG_MAPS, name=f"atoll-record-{record}", namespace=NAMESPACE)
    good = stage.get(ref)
    stage.api.patch(ref, {"binaryData": {"content": "bm9uc2Vuc2U="}})
    replica = stage.controller("two")
    said = str(replica.story.until("died")["error"])
    assert f"ConfigMap atoll-system/atoll-record-{record}" in said
    assert "Restore it from a backup of the cluster" in said
    with pytest.raises(PublicationError):
        stage.end_controller()
    stage.api.patch(ref, {"binaryData": good["binaryData"]})
    stage.controller("three")
    stage.until_applied(stage.push(RED_AND_BLUE), "node-1", "node-2")
    assert status_of(stage.get(network_ref("red")))["number"] == 1
