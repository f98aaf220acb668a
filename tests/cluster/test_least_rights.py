"""The whole way once more with the chart's rights, and with identities as pods and nodes have them."""

from __future__ import annotations

import json

import pytest

from agent.identity import as_node
from cli.lab.control_plane import Binaries
from compiler.names import NodeName
from tests.cluster.chart import AGENTS, NAMESPACE, manifest, rendered, require_tools
from tests.cluster.nodes import Nodes
from tests.cluster.stage import (
    SOURCE,
    TEAM,
    Stage,
    applied,
    in_force,
    is_ready,
    network_ref,
    node_ref,
    pod_ref,
    reason_of,
    status_of,
)
from tests.controller.files import BROKEN, RED, RED_AND_BLUE


@pytest.fixture
def nodes(binaries: Binaries, stage: Stage) -> Nodes:
    """Under the chart's rights and policies; the definitions are there already."""
    require_tools(binaries)
    stage.cluster.plane.kubectl(
        "apply", "--server-side", "-f", "-", input=manifest(rendered(stage.cluster.plane))
    )
    return Nodes(plane=stage.cluster.plane, admin=stage.cluster.api)


def test_the_charts_rights_suffice_for_controller_and_agents(stage: Stage, nodes: Nodes) -> None:
    """From commit to status, deletions, refusals and events; agents exchange their own tokens."""
    one, two = stage.nodes(2)
    stage.pod("web", one, "red")
    stage.pod("db", two, "red")
    first = stage.repository.commit(RED)
    stage.follow()
    token = nodes.admin_token(NAMESPACE, "atoll-controller")
    replica = stage.controller(kubeconfig=stage.cluster.plane.bearer("the controller", token))
    for name in (one, two):
        folder = stage.folder / f"mounted-{name}"
        folder.mkdir()
        stage.twin(name, as_node(nodes.mounted(folder, NodeName(name))(), NodeName(name)))
    stage.until_applied(first, one, two)
    red = stage.until(network_ref("red"), lambda it: is_ready(it) and it["status"]["pods"] == 2, "ready")
    assert red["status"]["nodes"] == {"needed": 2, "ready": 2}

    second = stage.push(RED_AND_BLUE)
    stage.pod("blue", two, "blue")
    stage.until_applied(second, one, two)
    stage.until(network_ref("blue"), lambda it: status_of(it).get("pods") == 1, "with its pod")

    green = stage.declare("green", {"subnets": ["10.7.0.0/24"]})
    stage.until(green, lambda it: is_ready(it) and "finalizers" in it["metadata"], "ready")
    stage.cluster.plane.kubectl("delete", "vn", "green", "-n", TEAM, "--wait=false")
    stage.until(green, lambda it: not it, "gone")
    stage.pod("lost", one, "nowhere")
    stage.until_told(pod_ref("lost"), "AwaitingNetwork")

    stage.push(RED | {"worse.yaml": BROKEN})
    stage.until(SOURCE, lambda it: reason_of(it) == "CommitRefused" and applied(it) == second, "refused")
    stage.cluster.kubelets.remove_pod(pod_ref("blue"))
    stage.until_applied(stage.push(RED), one, two)
    stage.until(network_ref("blue"), lambda it: not it, "pruned")

    stage.cluster.kubelets.remove_node(two)
    stage.until(node_ref(two), lambda it: not it, "withdrawn")
    stage.until(node_ref(one), lambda it: is_ready(it) and in_force(it), "in force")
    assert replica.story.events("not-written") == []
    assert replica.story.events("identities-failed") == []
    assert replica.story.events("watch-broken") == []
    assert _writers(stage, network_ref("red").path()) == {"atoll-controller"}
    assert json.loads(stage.cluster.plane.kubectl("get", "pods", "-n", AGENTS, "-o", "json"))["items"]


def _writers(stage: Stage, path: str) -> set[str]:
    found = json.loads(stage.cluster.api.request_raw("GET", path))
    return {one["manager"] for one in found["metadata"]["managedFields"] if not one.get("subresource")}
