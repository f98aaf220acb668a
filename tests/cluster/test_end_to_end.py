"""From a commit to the agents and back, on a real API server."""

from __future__ import annotations

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
    pod_ref,
    reason_of,
    status_of,
)
from tests.cluster.watching import Document, stays
from tests.controller.files import BROKEN, RED, RED_AND_BLUE


def networks_of(node: Document) -> dict[str, tuple[int, str]]:
    """Numbers and presence in a NodeNetwork, by network."""
    networks = node["spec"]["networks"] if node else ()
    return {one["name"].removeprefix(f"{TEAM}/"): (one["number"], one["presence"]) for one in networks}


def running(stage: Stage) -> str:
    """A node with a pod in network red and a twin, the network declared by the commit returned."""
    (node,) = stage.nodes(1)
    stage.pod("web", node, "red")
    first = stage.repository.commit(RED)
    stage.follow()
    stage.controller()
    stage.twin(node)
    stage.until_applied(first, node)
    return first


def test_commits_reach_two_agents_and_come_back_as_statuses(stage: Stage) -> None:
    """The agents are kernel-free twins, and say so."""
    one, two = stage.nodes(2)
    stage.pod("web", one, "red")
    stage.pod("db", two, "red")
    first = stage.repository.commit(RED)
    stage.follow()
    stage.controller()
    for name in (one, two):
        stage.twin(name)

    stage.until_applied(first, one, two)
    node = stage.get(node_ref(one))
    assert networks_of(node) == {"red": (1, "present")}
    assert node["status"]["applied"]["revision"] == first
    assert reason_of(node) == "Twin"
    assert node["status"]["agentVersion"].endswith("+twin")
    red = stage.until(network_ref("red"), lambda it: is_ready(it) and status_of(it)["pods"] == 2, "ready")
    assert applied(red) == first
    assert red["status"]["number"] == 1
    assert red["status"]["nodes"] == {"needed": 2, "ready": 2}
    assert red["metadata"]["annotations"] == {
        "atoll.dev/origin": "red.yaml:1",
        "atoll.dev/revision": first,
    }

    second = stage.push(RED_AND_BLUE)
    stage.pod("blue", two, "blue")
    stage.until_applied(second, one, two)
    stage.until(
        node_ref(two),
        lambda it: networks_of(it) == {"red": (1, "present"), "blue": (2, "present")} and in_force(it),
        "in force with both networks",
    )
    blue = stage.until(network_ref("blue"), is_ready, "ready")
    assert applied(blue) == second
    source = stage.get(SOURCE)
    assert source["status"]["nodes"] == {"ready": 2, "total": 2}
    assert source["status"]["lastSeenRevision"] == second
    assert condition_of(source)["message"] == f"Commit {second[:12]} in force on 2 of 2 nodes"


def test_a_commit_is_seen_without_anybody_telling_of_it(stage: Stage) -> None:
    first = stage.repository.commit(RED)
    stage.follow({"interval": "5s"})
    stage.controller()
    stage.until_applied(first)
    stage.until_applied(stage.repository.commit(RED_AND_BLUE))


def test_a_request_for_a_look_is_echoed_once_it_is_answered(stage: Stage) -> None:
    running(stage)
    second = stage.repository.commit(RED_AND_BLUE)
    stamp = stage.request(SOURCE)
    source = stage.until(
        SOURCE, lambda it: status_of(it).get("lastHandledReconcileAt") == stamp, "the request echoed"
    )
    assert source["status"]["lastSeenRevision"] == second


def test_a_request_to_a_network_is_echoed(stage: Stage) -> None:
    running(stage)
    stamp = stage.request(network_ref("red"))
    stage.until(
        network_ref("red"),
        lambda it: status_of(it).get("lastHandledReconcileAt") == stamp and is_ready(it),
        "the request echoed",
    )


def test_while_suspended_no_commit_is_looked_at(stage: Stage) -> None:
    first = running(stage)
    stage.api.patch(SOURCE, {"spec": {"suspend": True}})
    stage.until(SOURCE, lambda it: reason_of(it) == "Suspended", "suspended")
    asked = stage.host.requests
    second = stage.push(RED_AND_BLUE)
    stays(stage.api, SOURCE, lambda it: applied(it) == first, "at the first commit", seconds=2)
    assert stage.host.requests == asked
    stage.api.patch(SOURCE, {"spec": {"suspend": False}})
    stage.until_applied(second)


def test_the_oldest_of_two_sources_counts_until_it_is_deleted(stage: Stage) -> None:
    first = running(stage)
    other = stage.follow({"ref": {"branch": "other"}}, name="other")
    found = stage.until(other, lambda it: reason_of(it) == "Superseded", "superseded")
    assert condition_of(found, "Stalled")["status"] == "True"
    assert "atoll-system/networks is older" in condition_of(found)["message"]
    assert applied(stage.get(SOURCE)) == first
    second = stage.repository.commit(RED_AND_BLUE, aside=True)
    stage.repository.git("update-ref", "refs/heads/other", second)
    stage.api.delete(SOURCE)
    stage.until(other, lambda it: applied(it) == second and is_ready(it), "in force")


def test_what_is_in_force_stays_when_the_source_is_deleted(stage: Stage) -> None:
    running(stage)
    before = stage.get(node_ref("node-1"))
    stage.until(network_ref("red"), is_ready, "ready")
    stage.api.delete(SOURCE)
    stage.until(network_ref("red"), lambda it: applied(it) == "" and is_ready(it), "its own declaration")
    stage.pod("later", "node-1", "red")
    stage.until(network_ref("red"), lambda it: status_of(it).get("pods") == 2, "with the later pod")
    after = stage.get(node_ref("node-1"))
    assert networks_of(after) == networks_of(before) == {"red": (1, "present")}


def test_a_network_that_git_no_longer_declares_goes(stage: Stage) -> None:
    running(stage)
    stage.until_applied(stage.push(RED_AND_BLUE))
    stage.until(network_ref("blue"), bool, "there")
    stage.until_applied(stage.push(RED))
    stage.until(network_ref("blue"), lambda it: not it, "gone")
    left = ["ClusterConfig/cluster", f"VirtualNetwork/{TEAM}/red"]
    stage.until(SOURCE, lambda it: status_of(it)["inventory"]["entries"] == left, "without it, too")


def test_a_commit_with_an_error_is_refused_as_a_whole_and_the_last_good_one_stays(stage: Stage) -> None:
    first = running(stage)
    bad = stage.push(RED_AND_BLUE | {"worse.yaml": BROKEN})
    source = stage.until(SOURCE, lambda it: reason_of(it) == "CommitRefused", "refused")
    assert applied(source) == first
    assert source["status"]["lastAttemptedRevision"] == bad
    assert [one["path"] for one in source["status"]["problems"]] == ["worse.yaml"]
    assert f"Commit {bad[:12]} is refused: worse.yaml" in stage.until_told(SOURCE, "CommitRefused")
    assert set(networks_of(stage.get(node_ref("node-1")))) == {"red"}
    stage.until_applied(stage.push(RED_AND_BLUE), "node-1")


def test_a_pod_waits_for_its_network_and_an_event_tells_why(stage: Stage) -> None:
    running(stage)
    stage.pod("early", "node-1", "blue")
    told = stage.until_told(pod_ref("early"), "AwaitingNetwork")
    assert told.startswith("The pod waits for its network: ")
    assert f"{TEAM}/blue" in told
    stage.until_applied(stage.push(RED_AND_BLUE))
    stage.until(network_ref("blue"), lambda it: status_of(it).get("pods") == 1, "with its pod")
