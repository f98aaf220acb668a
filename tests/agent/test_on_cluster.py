"""The whole process on simulated API server, kernel and nftables: outages, restarts, newer plans."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.actions import Action
from agent.datapath import Datapath
from agent.fake_kernel import FakeKernel
from agent.fake_nft import FakeNft
from agent.installation import Installation
from agent.process import Process
from agent.settings import Settings
from agent.twin import NoEvents, twin_datapath
from serving.server import Address
from tests.agent.cluster import NODE, REF, SECONDS, Cluster, body_of, condition_of, ready
from tests.compiler.sample_plans import GREEN, RED, node_plan

RED_ALONE = replace(RED, peers=())
ALL, LESS = node_plan(), node_plan(RED_ALONE, GREEN)


class HeldKernel(FakeKernel):
    """Runs actions only while it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def apply(self, actions: Sequence[Action]) -> None:
        assert self.free.wait(SECONDS)
        super().apply(actions)


class Agent:
    """`start` after `stop` is a new process on the files and the kernel of the former one."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder = folder
        self.cluster = cluster
        self.kernel = FakeKernel()
        self.nft = FakeNft()
        self._thread: threading.Thread | None = None

    def start(
        self,
        *,
        twin: bool = False,
        metrics: Address | None = None,
        installation: Installation | None = None,
    ) -> None:
        settings = Settings(
            node=NODE,
            socket=self.folder / "agent.sock",
            state=self.folder,
            api=self.cluster.agent,
            twin=twin,
            metrics=metrics,
            installation=installation,
            grace=0.0,
        )
        simulated = Datapath(kernel=self.kernel, nft=self.nft, monitor=NoEvents, warnings=())
        self._stopped, self._stop = os.pipe()
        process = Process(settings, twin_datapath() if twin else simulated, self._stopped)
        self._thread = threading.Thread(target=process.run)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            os.write(self._stop, b"\0")
            self._thread.join(SECONDS)
            assert not self._thread.is_alive()
            self._thread = None
            os.close(self._stop)
            os.close(self._stopped)

    @property
    def vrfs(self) -> set[str]:
        return {name for name in self.kernel.links if name.startswith("vn")}


def _free_address() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return Address(host="127.0.0.1", port=free.getsockname()[1])


def _get(address: Address, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=SECONDS)
    with closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def agent(tmp_path: Path, cluster: Cluster) -> Iterator[Agent]:
    agent = Agent(tmp_path, cluster)
    yield agent
    agent.stop()


def test_a_plan_comes_into_force_and_is_told(agent: Agent, cluster: Cluster) -> None:
    network = cluster.publish(ALL, revision="abc1234")
    agent.start()
    status = cluster.until_ready("abc1234")
    assert agent.vrfs == {"vn1", "vn2", "vn3"}
    assert status["observedGeneration"] == network.generation
    assert condition_of(status)["reason"] == "Applied"
    assert (status["networks"], status["attachments"], status["errors"]) == (3, 0, [])
    assert status["addresses"] == [
        {"network": "team-a/red", "used": 0},
        {"network": "team-b/green", "used": 0},
    ]


def test_a_newer_plan_takes_over_and_its_generation_is_observed(agent: Agent, cluster: Cluster) -> None:
    cluster.publish(ALL, revision="abc1234")
    agent.start()
    cluster.until_ready("abc1234")
    newer = cluster.publish(LESS, revision="def5678", generation=2)
    status = cluster.until_ready("def5678")
    assert status["observedGeneration"] == newer.generation
    assert status["applied"]["generation"] == 2


def test_a_node_without_a_plan_waits_for_it(agent: Agent, cluster: Cluster) -> None:
    agent.start()
    cluster.publish(ALL, revision="abc1234")
    cluster.until_ready("abc1234")


def test_a_change_of_a_plan_in_force_is_one_patch(agent: Agent, cluster: Cluster) -> None:
    cluster.publish(ALL, revision="abc1234")
    agent.start()
    cluster.until_ready("abc1234")
    before = sum(request.startswith("PATCH") for request in cluster.agent.requests)
    cluster.publish(LESS, revision="def5678")
    cluster.until_ready("def5678")
    after = sum(request.startswith("PATCH") for request in cluster.agent.requests)
    assert after - before == 1


def test_through_an_outage_what_is_in_force_stays_and_afterwards_the_newest_counts(
    agent: Agent, cluster: Cluster
) -> None:
    cluster.publish(ALL, revision="abc1234")
    agent.start()
    cluster.until_ready("abc1234")
    cluster.agent.outage = True
    for number in range(5):
        cluster.publish(ALL if number % 2 else LESS, revision=f"lost{number}", generation=number)
    assert agent.vrfs == {"vn1", "vn2", "vn3"}
    cluster.publish(LESS, revision="def5678", generation=9)
    cluster.agent.outage = False
    cluster.until_ready("def5678")


def test_a_restart_without_the_api_server_brings_the_last_good_plan(agent: Agent, cluster: Cluster) -> None:
    cluster.publish(ALL, revision="abc1234")
    agent.start()
    cluster.until_ready("abc1234")
    agent.stop()
    cluster.agent.outage = True
    agent.kernel, agent.nft = FakeKernel(), FakeNft()  # the node was rebooted
    agent.start()
    assert agent.vrfs == {"vn1", "vn2", "vn3"}
    assert agent.nft.table is not None


def test_after_a_restart_without_the_api_server_a_newer_plan_is_taken_up(
    agent: Agent, cluster: Cluster
) -> None:
    cluster.publish(ALL, revision="abc1234")
    agent.start()
    cluster.until_ready("abc1234")
    agent.stop()
    cluster.agent.outage = True
    cluster.publish(LESS, revision="def5678")
    agent.start()
    cluster.agent.outage = False
    cluster.until_ready("def5678")


def test_flapping_ends_with_the_newest_plan(agent: Agent, cluster: Cluster) -> None:
    cluster.publish(ALL, revision="abc1234")
    agent.start()
    for number in range(20):
        cluster.agent.outage = number % 3 == 0
        cluster.publish(ALL if number % 2 else LESS, revision=f"flap{number}", generation=number)
        cluster.agent.cut_watches()
        if number % 5 == 0:
            cluster.agent.compact()
    cluster.agent.outage = False
    cluster.publish(LESS, revision="def5678", generation=99)
    cluster.until_ready("def5678")


def test_an_object_that_was_deleted_takes_nothing_away(agent: Agent, cluster: Cluster) -> None:
    cluster.publish(ALL, revision="abc1234")
    agent.start()
    cluster.until_ready("abc1234")
    before = list(agent.kernel.history)
    cluster.controller.delete(REF)
    cluster.publish(ALL, revision="abc1234")
    cluster.until_ready("abc1234")
    assert agent.kernel.history == before


def test_parts_that_do_not_fit_are_told_and_the_former_plan_stays(agent: Agent, cluster: Cluster) -> None:
    cluster.publish(ALL, revision="abc1234")
    address = _free_address()
    agent.start(metrics=address)
    cluster.until_ready("abc1234")
    body, parts = body_of(LESS, revision="def5678", generation=2, parts=1)
    network = cluster.put(body)
    status = cluster.until(lambda status: ready(status) == "False", "the missing part")
    assert condition_of(status)["reason"] == "PlanRejected"
    assert condition_of(status)["message"] == (
        "NodeNetwork node-a: its NodeNetworkPart node-a.0 does not exist;"
        " the plan of commit abc1234 (generation 1) stays in force."
    )
    assert status["observedGeneration"] == network.generation
    assert status["applied"]["revision"] == "abc1234"
    assert _get(address, "/readyz") == (
        503,
        "[-]plan failed: NodeNetwork node-a: its NodeNetworkPart node-a.0 does not exist\n"
        "readyz check failed\n",
    )
    cluster.put_part(parts[0])
    cluster.until_ready("def5678")


def test_a_plan_that_the_kernel_refuses_is_told_with_the_object(agent: Agent, cluster: Cluster) -> None:
    cluster.publish(node_plan(RED_ALONE), revision="abc1234")
    agent.start()
    cluster.until_ready("abc1234")
    agent.kernel.refuse = {"create vrf vn3 group 3 (team-b.green) table 1000003"}
    network = cluster.publish(node_plan(RED_ALONE, GREEN), revision="def5678")
    status = cluster.until(lambda status: ready(status) == "False", "the refusal")
    assert condition_of(status)["reason"] == "ApplyFailed"
    assert "create vrf vn3" in condition_of(status)["message"]
    assert status["observedGeneration"] == network.generation
    assert status["applied"]["revision"] == "abc1234"


def test_a_plan_that_takes_its_time_is_announced(agent: Agent, cluster: Cluster) -> None:
    kernel = agent.kernel = HeldKernel()
    kernel.free.set()
    cluster.publish(node_plan(RED_ALONE), revision="abc1234")
    agent.start()
    before = cluster.until_ready("abc1234")
    kernel.free.clear()
    cluster.publish(node_plan(RED_ALONE, GREEN), revision="def5678")
    status = cluster.until(lambda status: ready(status) == "False", "the announcement")
    kernel.free.set()
    assert condition_of(status)["reason"] == "Applying"
    assert condition_of(status, "Reconciling")["status"] == "True"
    assert status["observedGeneration"] == before["observedGeneration"]
    after = cluster.until_ready("def5678")
    assert condition_of(after, "Reconciling") == {}


def test_the_twin_says_that_it_is_one(agent: Agent, cluster: Cluster) -> None:
    cluster.publish(ALL, revision="abc1234")
    agent.start(twin=True)
    status = cluster.until_ready("abc1234")
    assert condition_of(status)["reason"] == "Twin"
    assert status["agentVersion"].endswith("+twin")
    assert "nothing is enforced" in status["warnings"][0]


def test_probes_and_metrics_tell_what_the_status_tells(agent: Agent, cluster: Cluster) -> None:
    address = _free_address()
    cluster.publish(ALL, revision="abc1234")
    cluster.agent.outage = True
    agent.start(metrics=address)
    while not _answers(address):
        time.sleep(0.05)
    assert _get(address, "/healthz") == (200, "[+]loop ok\n[+]socket ok\nhealthz check passed\n")
    assert _get(address, "/readyz") == (503, "[-]plan failed: NoPlan\nreadyz check failed\n")
    cluster.agent.outage = False
    cluster.until_ready("abc1234")
    assert _get(address, "/readyz")[0] == 200
    metrics = _get(address, "/metrics")[1].splitlines()
    assert 'atoll_agent_plan_info{revision="abc1234"} 1.0' in metrics
    assert "atoll_agent_ready 1.0" in metrics
    assert "atoll_agent_networks 3.0" in metrics
    assert "atoll_agent_api_connected 1.0" in metrics
    assert 'atoll_agent_addresses{network="team-a/red",state="free"} 15.0' in metrics
    assert 'atoll_agent_applies_total{outcome="changed"} 1.0' in metrics


def test_an_agent_that_no_plugin_can_reach_any_more_is_to_be_restarted(agent: Agent, tmp_path: Path) -> None:
    address = _free_address()
    agent.start(metrics=address)
    while not _answers(address):
        time.sleep(0.05)
    (tmp_path / "agent.sock").unlink()
    assert _get(address, "/healthz") == (
        503,
        f"[+]loop ok\n[-]socket failed: {tmp_path / 'agent.sock'} is gone\nhealthz check failed\n",
    )


def test_a_node_is_ready_once_there_is_a_default_network_to_hand_pods_to(
    agent: Agent, cluster: Cluster, tmp_path: Path
) -> None:
    conf, plugin = tmp_path / "conf", tmp_path / "atoll-cni"
    conf.mkdir()
    plugin.touch()
    installation = Installation(
        configurations=conf,
        binaries=conf,
        socket=tmp_path / "agent.sock",
        plan=tmp_path / "plan.json",
        binary=plugin,
    )
    address = _free_address()
    cluster.publish(ALL, revision="abc1234")
    agent.start(metrics=address, installation=installation)
    trouble = f"{conf} holds no configuration of a default network yet: install the cluster's CNI"
    cluster.until(lambda status: trouble in status.get("warnings", ()), "the warning")
    cluster.until_ready("abc1234")  # its plan is in force all the same
    assert _get(address, "/readyz") == (503, f"[-]plan failed: {trouble}\nreadyz check failed\n")
    (conf / "10-plain.conf").write_text('{"name": "plain", "type": "ptp"}')
    cluster.until(lambda status: not status.get("warnings"), "no warning")
    assert (conf / "01-atoll.conflist").exists()
    assert _get(address, "/readyz")[0] == 200


def test_an_agent_leaves_the_plugin_installed_when_it_ends(
    agent: Agent, cluster: Cluster, tmp_path: Path
) -> None:
    conf, plugin = tmp_path / "conf", tmp_path / "atoll-cni"
    conf.mkdir()
    plugin.touch()
    (conf / "10-plain.conf").write_text('{"name": "plain", "type": "ptp"}')
    installation = Installation(
        configurations=conf, binaries=conf, socket=tmp_path, plan=tmp_path, binary=plugin
    )
    cluster.publish(ALL, revision="abc1234")
    agent.start(installation=installation)
    cluster.until_ready("abc1234")
    agent.stop()
    assert (conf / "01-atoll.conflist").exists()


def _answers(address: Address) -> bool:
    try:
        return bool(_get(address, "/healthz"))
    except ConnectionRefusedError:
        return False
