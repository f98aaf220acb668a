"""The agent's whole process against the real API server, with the identity that its pod would have.

Kernel and nftables are simulated: packets are the affair of tests/kernel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.datapath import Datapath
from agent.fake_kernel import FakeKernel
from agent.fake_nft import FakeNft
from agent.identity import as_node
from agent.process import Process
from agent.settings import Settings
from agent.twin import NoEvents
from cli.lab.control_plane import Binaries, ControlPlane
from compiler.plan import NodePlan
from kube.api import Api, ApiError, ObjectRef
from kube.kinds import NODE_NETWORK_PARTS, NODE_NETWORKS
from tests.agent.cluster import body_of, condition_of, ready
from tests.cluster.chart import installed, require_tools
from tests.cluster.nodes import ONE, Nodes
from tests.compiler.sample_plans import GREEN, node_plan

ALL, LESS = node_plan(name=ONE), node_plan(GREEN, name=ONE)
REF = ObjectRef(resource=NODE_NETWORKS, name=ONE)
SECONDS = 90.0
Status = Mapping[str, Any]


@pytest.fixture(scope="module")
def nodes(binaries: Binaries, control_plane: ControlPlane) -> Iterator[Nodes]:
    require_tools(binaries)
    with installed(control_plane):
        yield Nodes.made_on(control_plane)


class Agent:
    """`start` after `stop` is a new process on the files of the former one, on a node just booted."""

    def __init__(self, nodes: Nodes, folder: Path) -> None:
        self._folder = folder
        self._connect = nodes.mounted(folder, ONE)
        self._thread: threading.Thread | None = None
        self._stop = -1
        self.kernel = FakeKernel()

    def start(self) -> None:
        self.kernel = FakeKernel()
        datapath = Datapath(kernel=self.kernel, nft=FakeNft(), monitor=NoEvents, warnings=())
        settings = Settings(
            node=ONE,
            socket=self._folder / "agent.sock",
            state=self._folder,
            api=as_node(self._connect(), ONE),
            grace=0.0,
        )
        stopped, self._stop = os.pipe()
        self._thread = threading.Thread(target=Process(settings, datapath, stopped).run)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            os.write(self._stop, b"\0")
            self._thread.join(SECONDS)
            assert not self._thread.is_alive()
            self._thread = None

    @property
    def vrfs(self) -> set[str]:
        return {name for name in self.kernel.links if name.startswith("vn")}


@pytest.fixture
def agent(nodes: Nodes, tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(nodes, tmp_path)
    yield agent
    agent.stop()
    nodes.admin.delete(REF)


def publish(nodes: Nodes, plan: NodePlan, *, revision: str, generation: int = 1, parts: int = 0) -> int:
    """Returns metadata.generation."""
    body, rest = body_of(plan, revision=revision, generation=generation, parts=parts)
    for part in rest:
        metadata: Any = part["metadata"]
        ref = ObjectRef(resource=NODE_NETWORK_PARTS, name=metadata["name"])
        nodes.admin.apply(ref, part, field_manager="atoll-controller", force=True)
    applied: Any = json.loads(nodes.admin.apply(REF, body, field_manager="atoll-controller", force=True))
    return int(applied["metadata"]["generation"])


def until(nodes: Nodes, condition: Callable[[Status], bool], what: str) -> Status:
    """The NodeNetwork's status, once it fulfils the condition: by a watch, opened again where it breaks."""
    end = time.monotonic() + SECONDS
    seen: Status = {}
    while time.monotonic() < end:
        try:
            for seen in _statuses(nodes.admin):
                if condition(seen):
                    return seen
        except ApiError:
            time.sleep(0.2)  # the server is away
    raise AssertionError(f"{what} did not come within {SECONDS:g} s: {seen}")


def _statuses(api: Api) -> Iterator[Status]:
    field = f"metadata.name={ONE}"
    listed: Any = json.loads(api.list(NODE_NETWORKS, field_selector=field))
    for item in listed["items"]:
        yield item.get("status", {})
    version = listed["metadata"]["resourceVersion"]
    with api.watch(
        NODE_NETWORKS, resource_version=version, field_selector=field, timeout_seconds=5
    ) as events:
        for line in events:
            event: Any = json.loads(line)
            if event["type"] == "MODIFIED":
                yield event["object"].get("status", {})


def until_ready(nodes: Nodes, revision: str) -> Status:
    def condition(status: Status) -> bool:
        return ready(status) == "True" and status["applied"]["revision"] == revision

    return until(nodes, condition, f"ready with {revision}")


def test_a_plan_comes_into_force_under_the_pods_own_identity(nodes: Nodes, agent: Agent) -> None:
    generation = publish(nodes, ALL, revision="abc1234")
    agent.start()
    status = until_ready(nodes, "abc1234")
    assert agent.vrfs == {"vn1", "vn2", "vn3"}
    assert status["observedGeneration"] == generation
    assert condition_of(status)["reason"] == "Applied"
    assert status["addresses"] == [
        {"network": "team-a/red", "used": 0},
        {"network": "team-b/green", "used": 0},
    ]


def test_a_plan_in_parts_is_read_with_the_nodes_own_rights(nodes: Nodes, agent: Agent) -> None:
    publish(nodes, ALL, revision="abc1234", parts=3)
    agent.start()
    until_ready(nodes, "abc1234")
    assert agent.vrfs == {"vn1", "vn2", "vn3"}


def test_a_restart_of_the_api_server_is_lived_through(nodes: Nodes, agent: Agent) -> None:
    publish(nodes, ALL, revision="abc1234")
    agent.start()
    until_ready(nodes, "abc1234")
    before = list(agent.kernel.history)
    nodes.plane.restart_api_server()
    assert agent.kernel.history == before
    generation = publish(nodes, LESS, revision="def5678", generation=2)
    status = until_ready(nodes, "def5678")
    assert status["observedGeneration"] == generation


def test_a_reboot_without_the_api_server_brings_the_last_good_plan_and_later_the_newest(
    nodes: Nodes, agent: Agent
) -> None:
    publish(nodes, ALL, revision="abc1234")
    agent.start()
    until_ready(nodes, "abc1234")
    agent.stop()
    publish(nodes, LESS, revision="def5678", generation=2)
    nodes.plane.stop_api_server()
    try:
        agent.start()
        assert agent.vrfs == {"vn1", "vn2", "vn3"}
    finally:
        nodes.plane.start_api_server()
    until_ready(nodes, "def5678")
    assert agent.vrfs == {"vn3"}


def test_a_history_that_was_compacted_loses_nothing(nodes: Nodes, agent: Agent) -> None:
    publish(nodes, ALL, revision="abc1234")
    agent.start()
    until_ready(nodes, "abc1234")
    nodes.plane.stop_api_server()
    nodes.plane.compact_etcd()
    nodes.plane.start_api_server()
    publish(nodes, LESS, revision="def5678")
    until_ready(nodes, "def5678")


def test_a_node_without_its_object_waits_and_is_not_disturbed_by_its_deletion(
    nodes: Nodes, agent: Agent
) -> None:
    agent.start()
    publish(nodes, ALL, revision="abc1234")
    until_ready(nodes, "abc1234")
    before = list(agent.kernel.history)
    nodes.admin.delete(REF)
    publish(nodes, ALL, revision="abc1234")
    until_ready(nodes, "abc1234")
    assert agent.kernel.history == before


def test_a_plan_that_does_not_fit_its_digest_is_told_by_kubectl(nodes: Nodes, agent: Agent) -> None:
    publish(nodes, ALL, revision="abc1234")
    agent.start()
    until_ready(nodes, "abc1234")
    nodes.admin.patch(REF, {"spec": {"digest": f"sha256:{'0' * 64}"}})
    until(nodes, lambda status: ready(status) == "False", "the refusal")
    said = nodes.plane.kubectl("get", "nodenetwork", ONE, "-o", "wide")
    assert "False" in said
    described = nodes.plane.kubectl("describe", "nodenetwork", ONE)
    assert "its plan is not the one of digest" in described
    assert "the plan of commit abc1234 (generation 1) stays in force." in described


def test_the_twin_is_a_process_that_says_what_it_is(nodes: Nodes, agent: Agent, tmp_path: Path) -> None:
    publish(nodes, ALL, revision="abc1234")
    kubeconfig = nodes.plane.bearer("the node itself", nodes.node_token(ONE)())
    state = tmp_path / "twin"
    command = [
        *(sys.executable, "-c", "from cli.main import main; main()", "agent", "--twin", "--node", ONE),
        *("--kubeconfig", str(kubeconfig), "--state", str(state), "--socket", str(state / "agent.sock")),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            status = until_ready(nodes, "abc1234")
        finally:
            process.terminate()
        _, log = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert condition_of(status)["reason"] == "Twin"
    assert "nothing is enforced" in status["warnings"][0]
    assert "this agent is the kernel-free twin" in log
