"""Declarations by other hands than Git's, beside a commit or without any, and deletions that must wait."""

from __future__ import annotations

from tests.cluster.stage import (
    CONFIG,
    SOURCE,
    TEAM,
    Stage,
    applied,
    condition_of,
    is_ready,
    network_ref,
    node_ref,
    pod_ref,
    reason_of,
    status_of,
)
from tests.cluster.watching import Document, stays
from tests.controller.files import CLUSTER, RED, RED_AND_BLUE, network

FLUX = "kustomize-controller"
"""How Flux calls itself; Argo CD is `argocd-controller`. Both apply server-side."""
CAREFUL = {"cluster.yaml": CLUSTER.replace(b"maxDeletedShare: 1.0", b"maxDeletedShare: 0.3")}
IN_THE_POD_RANGE = {"subnets": ["10.244.9.0/24"]}
"""The API server cannot know that it is."""
FOUR = {f"net-{n}.yaml": network(f"net-{n}", f"10.{n}.0.0/24") for n in range(1, 5)}


def confirming(*names: str) -> bytes:
    listed = ", ".join(f"{TEAM}/{name}" for name in names)
    return CAREFUL["cluster.yaml"] + f"  confirmDeletionOf: [{listed}]\n".encode()


def started(stage: Stage, files: dict[str, bytes] = RED) -> str:
    (node,) = stage.nodes(1)
    first = stage.repository.commit(files)
    stage.follow()
    stage.controller()
    stage.twin(node)
    stage.until_applied(first)
    return first


def delete(stage: Stage, *names: str) -> None:
    """As a person does who does not wait for the end."""
    stage.cluster.plane.kubectl("delete", "vn", "-n", TEAM, "--wait=false", *names)


def names_on(node: Document) -> list[str]:
    return [one["name"].removeprefix(f"{TEAM}/") for one in node["spec"].get("networks", ())]


def gone(document: Document) -> bool:
    return not document


def is_held(document: Document, reason: str) -> bool:
    return "deletionTimestamp" in document["metadata"] and reason_of(document) == reason


# What others declare.


def test_networks_come_into_force_without_any_repository(stage: Stage) -> None:
    (node,) = stage.nodes(1)
    stage.declare_cluster()
    stage.declare("red", {"subnets": ["10.1.0.0/24"]})
    stage.pod("web", node, "red")
    stage.controller()
    stage.twin(node)
    red = stage.until(network_ref("red"), lambda it: is_ready(it) and it["status"]["pods"] == 1, "ready")
    assert red["status"]["number"] == 1
    assert condition_of(red)["message"] == "In force on 1 of 1 node"
    assert "InSync" not in [one["type"] for one in red["status"]["conditions"]]
    stage.until(CONFIG, is_ready, "ready")
    assert names_on(stage.get(node_ref(node))) == ["red"]


def test_another_engine_can_apply_its_network_as_often_as_it_likes(stage: Stage) -> None:
    started(stage)
    spec = {"subnets": ["10.7.0.0/24"]}
    ref = stage.declare("green", spec, manager=FLUX)
    stage.until(ref, is_ready, "ready")
    before = stage.until(ref, lambda it: "finalizers" in it["metadata"], "guarded")
    stage.declare("green", spec, manager=FLUX)
    after = stage.get(ref)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert is_ready(after)
    stage.declare("green", {"subnets": ["10.7.0.0/24", "10.8.0.0/24"]}, manager=FLUX)
    shown = stage.until(ref, lambda it: is_ready(it) and len(it["status"]["addresses"]) == 2, "extended")
    assert shown["status"]["number"] == before["status"]["number"]


def test_a_network_with_an_error_is_left_out_alone(stage: Stage) -> None:
    started(stage)
    wrong = stage.declare("wrong", IN_THE_POD_RANGE)
    green = stage.declare("green", {"subnets": ["10.7.0.0/24"]})
    stage.until(green, is_ready, "ready")
    found = stage.until(wrong, lambda it: reason_of(it) == "Invalid", "invalid")
    assert condition_of(found, "Stalled")["status"] == "True"
    assert "10.244.0.0/16" in condition_of(found)["message"]
    assert is_ready(stage.get(SOURCE))


def test_the_last_good_version_of_a_network_stays_in_force(stage: Stage) -> None:
    started(stage)
    stage.pod("web", "node-1", "green")
    green = stage.declare("green", {"subnets": ["10.7.0.0/24"]})
    good = stage.until(green, lambda it: is_ready(it) and it["status"]["pods"] == 1, "ready")
    stage.declare("green", IN_THE_POD_RANGE)
    bad = stage.until(green, lambda it: reason_of(it) == "Invalid", "invalid")
    assert "its last good version stays in force" in condition_of(bad)["message"]
    assert bad["status"]["number"] == good["status"]["number"]
    assert "green" in names_on(stage.get(node_ref("node-1")))


def test_git_takes_over_what_was_declared_by_hand(stage: Stage) -> None:
    started(stage)
    blue = stage.declare("blue", {"subnets": ["10.2.0.0/24"]})
    before = stage.until(blue, is_ready, "ready")
    second = stage.push(RED_AND_BLUE)
    after = stage.until(
        blue, lambda it: applied(it) == second and "annotations" in it["metadata"], "declared by Git"
    )
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["number"] == before["status"]["number"]
    assert after["metadata"]["annotations"]["atoll.dev/origin"] == "blue.yaml:1"


# Conflicts with Git.


def test_a_conflict_with_git_is_reported_and_not_forced(stage: Stage) -> None:
    first = started(stage)
    digest = stage.get(node_ref("node-1"))["spec"]["digest"]
    red = stage.until(network_ref("red"), is_ready, "ready")
    stage.api.apply(
        network_ref("red"),
        {**Stage.body(network_ref("red").resource, "red", TEAM), "spec": {"egress": "snat"}},
        field_manager=FLUX,
        force=True,
    )
    red = stage.until(
        network_ref("red"), lambda it: reason_of(it, "InSync") == "ConflictWithGit", "in conflict"
    )
    assert condition_of(red, "InSync")["message"] == (
        "Git says otherwise, and rules: .spec.egress is owned by kustomize-controller. "
        "Take the field out of what `kustomize-controller` applies, or change it in Git"
    )
    assert is_ready(red)
    assert ".spec.egress is owned by kustomize-controller" in stage.until_told(
        network_ref("red"), "ConflictWithGit"
    )
    source = stage.until(SOURCE, lambda it: reason_of(it, "InSync") == "ConflictWithGit", "in conflict")
    assert "team-a/red" in condition_of(source, "InSync")["message"]
    stays(stage.api, network_ref("red"), lambda it: it["spec"]["egress"] == "snat", "as Flux says", seconds=1)
    assert applied(source) == first
    assert stage.get(node_ref("node-1"))["spec"]["digest"] == digest


def test_a_conflict_ends_when_git_says_the_same(stage: Stage) -> None:
    started(stage)
    stage.until(network_ref("red"), is_ready, "ready")
    stage.api.patch(network_ref("red"), {"spec": {"egress": "snat"}})
    stage.until(network_ref("red"), lambda it: reason_of(it, "InSync") == "ConflictWithGit", "in conflict")
    agreeing = RED["red.yaml"].replace(b"spec: {", b"spec: {egress: snat, ")
    second = stage.push(RED | {"red.yaml": agreeing})
    stage.until(
        network_ref("red"),
        lambda it: applied(it) == second and reason_of(it, "InSync") == "MatchesGit",
        "as Git says",
    )


def test_a_declared_network_that_somebody_deletes_comes_back(stage: Stage) -> None:
    started(stage)
    stage.pod("web", "node-1", "red")
    before = stage.until(network_ref("red"), lambda it: status_of(it).get("pods") == 1, "with a pod")
    delete(stage, "red")
    stage.until(
        network_ref("red"),
        lambda it: bool(it) and it["metadata"]["uid"] != before["metadata"]["uid"] and is_ready(it),
        "there again",
    )
    assert names_on(stage.get(node_ref("node-1"))) == ["red"]


# Deletions.


def test_a_network_that_pods_use_goes_when_they_have_gone(stage: Stage) -> None:
    started(stage)
    green = stage.declare("green", {"subnets": ["10.7.0.0/24"]})
    web = stage.pod("web", "node-1", "green")
    stage.until(
        green,
        lambda it: is_ready(it) and it["status"]["pods"] == 1 and "finalizers" in it["metadata"],
        "guarded, with a pod",
    )
    delete(stage, "green")
    held = stage.until(green, lambda it: is_held(it, "InUse"), "held")
    assert condition_of(held)["message"] == (
        "Deletion waits while 1 pod uses it: team-a/web; delete them, "
        "or name it in spec.confirmDeletionOf of the ClusterConfig"
    )
    assert "1 pod uses it: team-a/web" in stage.until_told(green, "InUse")
    assert "green" in names_on(stage.get(node_ref("node-1")))
    stage.cluster.kubelets.remove_pod(web)
    stage.until(green, gone, "gone")
    stage.until(node_ref("node-1"), lambda it: not names_on(it), "without it")


def test_a_deletion_asked_for_while_no_controller_worked_waits_for_the_pods_too(stage: Stage) -> None:
    started(stage)
    green = stage.declare("green", {"subnets": ["10.7.0.0/24"]})
    web = stage.pod("web", "node-1", "green")
    stage.until(
        green,
        lambda it: status_of(it).get("pods") == 1 and "finalizers" in it["metadata"],
        "guarded, with a pod",
    )
    stage.end_controller()
    delete(stage, "green")
    stage.controller("two")
    stage.until(green, lambda it: is_held(it, "InUse"), "held")
    assert "green" in names_on(stage.get(node_ref("node-1")))
    stage.cluster.kubelets.remove_pod(web)
    stage.until(green, gone, "gone")


def test_many_deletions_at_once_wait_for_a_confirmation(stage: Stage) -> None:
    stage.nodes(1)
    stage.declare_cluster(limits={"maxDeletedShare": 0.3})
    refs = [stage.declare(f"net-{n}", {"subnets": [f"10.{n}.0.0/24"]}) for n in range(1, 5)]
    stage.controller()
    for ref in refs:
        stage.until(ref, lambda it: is_ready(it) and "finalizers" in it["metadata"], "ready")
    delete(stage, "net-1", "net-2", "net-3")
    for ref in refs[:3]:
        stage.until(ref, lambda it: is_held(it, "DeletionUnconfirmed"), "held")
    assert is_ready(stage.get(refs[3]))
    stage.declare_cluster(
        limits={"maxDeletedShare": 0.3}, confirmDeletionOf=[f"{TEAM}/net-{n}" for n in range(1, 4)]
    )
    for ref in refs[:3]:
        stage.until(ref, gone, "gone")
    assert is_ready(stage.get(refs[3]))


def test_a_commit_that_deletes_many_is_refused_until_it_names_them(stage: Stage) -> None:
    first = started(stage, CAREFUL | FOUR)
    left = {"net-4.yaml": FOUR["net-4.yaml"]}
    stage.push(CAREFUL | left)
    refused = stage.until(SOURCE, lambda it: reason_of(it) == "CommitRefused", "refused")
    assert [one["code"] for one in refused["status"]["problems"]] == ["ATL601"]
    assert applied(refused) == first
    third = stage.push(left | {"cluster.yaml": confirming("net-1", "net-2", "net-3")})
    stage.until_applied(third)
    for number in (1, 2, 3):
        stage.until(network_ref(f"net-{number}"), gone, "gone")


def test_a_commit_that_deletes_a_network_in_use_is_refused_until_it_names_it(stage: Stage) -> None:
    first = started(stage, CAREFUL | RED_AND_BLUE)
    stage.pod("web", "node-1", "blue")
    stage.until(network_ref("blue"), lambda it: status_of(it).get("pods") == 1, "with a pod")
    stage.push(RED)
    refused = stage.until(SOURCE, lambda it: reason_of(it) == "CommitRefused", "refused")
    assert [one["code"] for one in refused["status"]["problems"]] == ["ATL602"]
    assert "team-a/web" in refused["status"]["problems"][0]["reason"]
    assert applied(refused) == first
    stage.until_applied(stage.push(RED | {"cluster.yaml": confirming("blue")}))
    stage.until(network_ref("blue"), gone, "gone")
    told = stage.until_told(pod_ref("web"), "AwaitingNetwork")
    assert "team-a/blue" in told


def test_a_refused_commit_comes_into_force_once_the_pods_have_gone(stage: Stage) -> None:
    started(stage, RED_AND_BLUE)
    web = stage.pod("web", "node-1", "blue")
    stage.until(network_ref("blue"), lambda it: status_of(it).get("pods") == 1, "with a pod")
    second = stage.push(RED)
    stage.until(SOURCE, lambda it: reason_of(it) == "CommitRefused", "refused")
    stage.cluster.kubelets.remove_pod(web)
    stage.until_applied(second)
    stage.until(network_ref("blue"), gone, "gone")
