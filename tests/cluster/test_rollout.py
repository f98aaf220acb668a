"""A commit goes out in waves, on a real API server; agents that are away hold it up, as broken ones would."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kube.api import Json
from kube.kinds import EVENTS
from tests.cluster.stage import (
    SOURCE,
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
from tests.cluster.twins import Twin
from tests.cluster.watching import Document, stays, until_listed
from tests.controller.files import RED, network

SMALLER = RED | {"red.yaml": network("red", "10.1.0.0/25")}
"""Concerns every node with a pod in network red."""
THIRD = RED | {"red.yaml": network("red", "10.1.0.0/26")}
PATIENT: Json = {"canary": {"count": 1}, "share": "50%", "readyTimeout": "10m"}
HASTY: Json = {**PATIENT, "readyTimeout": "5s"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    stage: Stage
    first: str
    """The commit in force."""
    twins: dict[str, Twin]

    def revisions(self) -> list[str]:
        """Of the nodes' plans, as published."""
        return [self.stage.get(node_ref(name))["spec"]["revision"] for name in self.twins]

    def until_stage(self, name: str, revision: str) -> Document:
        def is_there(source: Document) -> bool:
            rollout = status_of(source).get("rollout", {})
            return bool((rollout.get("stage"), rollout.get("revision")) == (name, revision))

        return self.stage.until(SOURCE, is_there, f"at stage {name}")["status"]["rollout"]

    def stop(self, *names: str) -> None:
        for name in names:
            self.twins[name].stop()


def begun(stage: Stage, nodes: int, rollout: Json) -> Scene:
    """The first commit is in force everywhere: it has nothing before it to be careful about."""
    names = stage.nodes(nodes)
    for name in names:
        stage.pod(f"web-{name}", name, "red")
    first = stage.repository.commit(RED)
    stage.follow({"rollout": rollout})
    stage.controller()
    twins = {name: stage.twin(name) for name in names}
    stage.until_applied(first, *names)
    return Scene(stage=stage, first=first, twins=twins)


def test_a_canary_goes_first_then_a_share_then_all(stage: Stage) -> None:
    scene = begun(stage, 4, PATIENT)
    first = scene.first
    scene.stop("node-1", "node-2", "node-3", "node-4")
    second = stage.push(SMALLER)

    rollout = scene.until_stage("Canary", second)
    assert (rollout["released"], rollout["total"]) == (1, 4)
    stage.until(node_ref("node-1"), lambda it: it["spec"]["revision"] == second, "published")
    assert scene.revisions() == [second, first, first, first]
    source = stage.get(SOURCE)
    assert reason_of(source) == "RollingOut"
    assert applied(source) == first

    scene.twins["node-1"].start()
    rollout = scene.until_stage("Share", second)
    assert (rollout["released"], rollout["total"]) == (2, 4)
    stage.until(node_ref("node-2"), lambda it: it["spec"]["revision"] == second, "published")
    assert scene.revisions() == [second, second, first, first]

    scene.twins["node-2"].start()
    scene.until_stage("All", second)
    for name in ("node-3", "node-4"):
        stage.until(node_ref(name), lambda it: it["spec"]["revision"] == second, "published")
        scene.twins[name].start()
    stage.until_applied(second, *scene.twins)
    note = f"Stage Canary of commit {second[:12]}: 1 of 4 nodes released"
    until_listed(stage.api, EVENTS, lambda event: event["note"] == note, f"an event: {note}")


def test_nodes_with_a_label_are_preferred_as_canaries(stage: Stage) -> None:
    canary = {"count": 1, "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": "node-3"}}}
    scene = begun(stage, 3, {**PATIENT, "canary": canary})
    scene.stop("node-3")
    second = stage.push(SMALLER)
    scene.until_stage("Canary", second)
    stage.until(node_ref("node-3"), lambda it: it["spec"]["revision"] == second, "published")
    assert scene.revisions() == [scene.first, scene.first, second]


def test_a_node_that_is_away_from_the_start_holds_up_nobody(stage: Stage) -> None:
    names = stage.nodes(2)
    for name in names:
        stage.pod(f"web-{name}", name, "red")
    first = stage.repository.commit(RED)
    stage.follow({"rollout": HASTY})
    stage.controller()
    stage.twin("node-2")
    stage.until(node_ref("node-2"), lambda it: bool(it) and in_force(it), "in force")
    second = stage.push(SMALLER)
    stage.until(SOURCE, lambda it: applied(it) == second, "applied")
    for name in names:
        stage.until(node_ref(name), lambda it: it["spec"]["revision"] == second, "published")
    assert first != second


@pytest.fixture
def halted(stage: Stage) -> tuple[Scene, str]:
    """A rollout whose canary did not become ready in time, and its commit."""
    scene = begun(stage, 2, HASTY)
    scene.stop("node-1")
    second = stage.push(SMALLER)
    scene.until_stage("Halted", second)
    scene.twins["node-1"].start()
    return scene, second


def test_a_node_that_does_not_become_ready_halts_the_rollout_and_it_goes_back(
    stage: Stage, halted: tuple[Scene, str]
) -> None:
    scene, second = halted
    source = stage.until(SOURCE, lambda it: reason_of(it) == "RolloutHalted", "halted")
    assert applied(source) == scene.first
    assert condition_of(source, "Stalled")["status"] == "True"
    assert "node node-1 was not ready within 5 s" in condition_of(source)["message"]
    told = stage.until_told(SOURCE, "RolloutHalted")
    assert told.startswith(f"Rollout of commit {second[:12]} halted: node node-1 was not ready within 5 s")
    for name in scene.twins:
        stage.until(node_ref(name), lambda it: it["spec"]["revision"] == scene.first and in_force(it), "back")
    red = stage.until(network_ref("red"), lambda it: it["spec"]["subnets"] == ["10.1.0.0/24"], "back")
    assert red["metadata"]["annotations"]["atoll.dev/revision"] == scene.first


def test_a_halted_commit_stays_in_quarantine_over_a_restart_until_another_comes(
    stage: Stage, halted: tuple[Scene, str]
) -> None:
    scene, second = halted
    stage.until(SOURCE, lambda it: reason_of(it) == "RolloutHalted", "halted")
    stage.replace_controller()
    stays(
        stage.api,
        SOURCE,
        lambda it: applied(it) == scene.first and it["status"]["rollout"]["stage"] == "Halted",
        "in quarantine",
        seconds=3,
    )
    assert scene.revisions() == [scene.first, scene.first]
    third = stage.push(THIRD)
    stage.until_applied(third, *scene.twins)
    assert scene.revisions() == [third, third]
    assert second not in scene.revisions()


def test_a_request_by_name_gives_a_halted_commit_another_chance(
    stage: Stage, halted: tuple[Scene, str]
) -> None:
    scene, second = halted
    for name in scene.twins:
        stage.until(node_ref(name), lambda it: it["spec"]["revision"] == scene.first and in_force(it), "back")
    stage.request(SOURCE)
    stage.until_applied(second, *scene.twins)


def test_a_rollout_begins_anew_with_its_canary_after_a_restart(stage: Stage) -> None:
    scene = begun(stage, 3, PATIENT)
    scene.stop("node-1")
    second = stage.push(SMALLER)
    scene.until_stage("Canary", second)
    stage.until(node_ref("node-1"), lambda it: it["spec"]["revision"] == second, "published")
    stage.replace_controller()
    stays(stage.api, node_ref("node-2"), lambda it: it["spec"]["revision"] == scene.first, "held", seconds=3)
    scene.until_stage("Canary", second)
    scene.twins["node-1"].start()
    stage.until_applied(second, *scene.twins)


def test_a_pod_that_starts_meanwhile_gets_its_network_on_a_node_not_reached(stage: Stage) -> None:
    scene = begun(stage, 3, PATIENT)
    scene.stop("node-1")
    second = stage.push(SMALLER | {"blue.yaml": network("blue", "10.2.0.0/24")})
    scene.until_stage("Canary", second)
    stage.pod("more", "node-3", "red")
    stage.until(network_ref("red"), lambda it: status_of(it).get("pods") == 4, "with the pod")
    early = stage.pod("early", "node-3", "blue")
    assert "has not reached this node yet" in stage.until_told(early, "AwaitingNetwork")
    scene.twins["node-1"].start()
    stage.until_applied(second, *scene.twins)
    stage.until(network_ref("blue"), lambda it: is_ready(it) and it["status"]["pods"] == 1, "with its pod")
