"""The API server away, restarted, forgetful, or behind a network that cuts watches."""

from __future__ import annotations

import time
from pathlib import Path

from agent.status_file import AgentStatus
from kube.candidate import Terms
from tests.cluster.replicas import SHORT
from tests.cluster.stage import (
    SOURCE,
    TEAM,
    Stage,
    is_ready,
    network_ref,
    node_ref,
    pod_ref,
    status_of,
)
from tests.cluster.twins import Twin
from tests.cluster.watching import SECONDS
from tests.cluster.wire import Wire
from tests.controller.files import RED, RED_AND_BLUE

STEADFAST = Terms(lease=600, renew=500, retry=1)
"""Of a leader that no outage of a test deposes."""


def started(stage: Stage, terms: Terms = STEADFAST, kubeconfig: Path | None = None) -> dict[str, Twin]:
    """Two nodes with a pod each in network red."""
    nodes = stage.nodes(2)
    for name in nodes:
        stage.pod(f"web-{name}", name, "red")
    first = stage.repository.commit(RED)
    stage.follow({"interval": "5s"})
    stage.controller(terms=terms, kubeconfig=kubeconfig)
    twins = {name: stage.twin(name) for name in nodes}
    stage.until_applied(first, *nodes)
    until_pods(stage, 2)
    return twins


def until_pods(stage: Stage, number: int) -> None:
    stage.until(
        network_ref("red"),
        lambda it: status_of(it).get("pods") == number and is_ready(it),
        f"ready with {number} pods",
    )


def until_reported(twin: Twin, revision: str) -> AgentStatus:
    """What the agent says of itself on its node, once it has this commit's plan in force."""
    end = time.monotonic() + SECONDS
    while (report := twin.report()) is None or report.revision != revision:
        assert time.monotonic() < end, report
        time.sleep(0.05)
    return report


def test_a_restarted_api_server_costs_nothing_but_time(stage: Stage) -> None:
    started(stage)
    stage.cluster.plane.stop_api_server()
    second = stage.repository.commit(RED_AND_BLUE)
    stage.cluster.plane.start_api_server()
    stage.pod("more", "node-2", "red")
    stage.until_applied(second, "node-1", "node-2")
    until_pods(stage, 3)
    assert not stage.only_controller().story.events("deposed")


def test_agents_work_on_and_even_start_without_an_api_server(stage: Stage) -> None:
    twins = started(stage)
    revision = stage.get(SOURCE)["status"]["lastAppliedRevision"]
    digest = stage.get(node_ref("node-1"))["spec"]["digest"]
    twins["node-1"].stop()
    twins["node-1"].forget_report()
    stage.cluster.plane.stop_api_server()
    twins["node-1"].start()
    report = until_reported(twins["node-1"], revision)
    assert (report.digest, report.ready, report.errors) == (digest, True, ())
    stage.cluster.plane.start_api_server()
    second = stage.push(RED_AND_BLUE)
    stage.until_applied(second, "node-1", "node-2")


def test_an_outage_longer_than_the_lease_ends_the_leader_and_the_next_one_goes_on(stage: Stage) -> None:
    started(stage, SHORT)
    numbers = {name: entry.number for name, entry in stage.allocations().networks.items()}
    stage.cluster.plane.stop_api_server()
    stage.only_controller().story.until("deposed")
    stage.cluster.plane.start_api_server()
    stage.replace_controller()
    second = stage.push(RED_AND_BLUE)
    stage.until_applied(second, "node-1", "node-2")
    after = {name: entry.number for name, entry in stage.allocations().networks.items()}
    assert {name: after[name] for name in numbers} == numbers


def test_what_changed_unseen_before_a_compaction_is_found(stage: Stage) -> None:
    """The watch cannot be resumed (410), so that everything is listed again: also what is gone."""
    started(stage)
    plane = stage.cluster.plane
    plane.stop_api_server()
    plane.etcd.delete([f"/registry/pods/{TEAM}/web-node-1"])
    plane.compact_etcd()
    plane.start_api_server()
    until_pods(stage, 1)
    stage.pod("more", "node-2", "red")
    until_pods(stage, 2)
    stage.until_applied(stage.push(RED_AND_BLUE), "node-1", "node-2")


def test_watches_that_are_cut_lose_nothing(stage: Stage, wire: Wire) -> None:
    started(stage, kubeconfig=wire.kubeconfig)
    for number in range(20):
        stage.pod(f"more-{number}", f"node-{1 + number % 2}", "red")
        if number % 4 == 0:
            wire.cut()
    until_pods(stage, 22)
    for number in range(0, 20, 2):
        stage.cluster.kubelets.remove_pod(pod_ref(f"more-{number}"))
        if number % 4 == 0:
            wire.cut()
    until_pods(stage, 12)
    stage.until_applied(stage.push(RED_AND_BLUE), "node-1", "node-2")


def test_a_leader_that_is_cut_off_ends_before_another_writes(stage: Stage, wire: Wire) -> None:
    """Its connections stay, and nothing arrives: only its own clock can tell it."""
    started(stage, SHORT, kubeconfig=wire.kubeconfig)
    cut_off = stage.only_controller()
    wire.hold()
    second = stage.repository.commit(RED_AND_BLUE)
    other = stage.controller("two")
    other.story.until("leading")
    assert cut_off.story.events("following")
    stage.until_settled(second, "node-1", "node-2")
    before = stage.snapshot()
    wire.release()
    cut_off.story.until("deposed")
    assert stage.snapshot() == before
