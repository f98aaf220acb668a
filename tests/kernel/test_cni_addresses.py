"""Blocks that fill up, subnets that are exhausted, addresses that rest: a small network on one node.

Who gives blocks here is the test, with the compiler, from what the agent reports, as the controller does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from agent.status_file import read_status
from cli.lab.cni import Answer
from cli.lab.lab import LabNamespace, LabPod
from compiler.inventory import Inventory
from compiler.names import NodeName, ObjectName
from tests.kernel.agent_process import AgentProcess, sandbox_of
from tests.kernel.process_world import ProcessWorld

QUIET = 15.0
"""Seconds."""
PATIENCE = 5.0
TRIES = 30
SMALL_BLOCKS = "  blockSizeV4: 30\n  blockSizeV6: 126\n"
NETWORKS = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: small, namespace: team}
spec: {subnets: [10.5.0.0/29]}
"""
"""Two blocks. The subnet's first and last address are nobody's."""


class GivingWorld(ProcessWorld):
    """Nodes get the blocks that their agents ask for."""

    def __init__(self, folder: Path, *, nodes: int = 2, versions: tuple[int, ...] = (4, 6)) -> None:
        options = ["--quiet", str(QUIET), "--patience", str(PATIENCE)]
        super().__init__(folder, nodes=nodes, versions=versions, options=options)

    def inventory(self) -> Inventory:
        wanted = {NodeName(name): wishes_of(agent) for name, agent in self.processes.items()}
        return replace(super().inventory(), wanted=wanted)


def wishes_of(agent: AgentProcess) -> Mapping[ObjectName, int]:
    status = read_status(agent.folder / "bus" / "agents", NodeName(agent.node.name))
    wishes = status.wanted if status is not None else ()
    return {ObjectName.parse(wish.network, default_namespace=""): wish.addresses for wish in wishes}


@pytest.fixture(scope="module")
def world(make_world: Callable[..., GivingWorld]) -> GivingWorld:
    """Three pods fill the first block."""
    world = make_world(kind=GivingWorld, nodes=1, versions=(4,))
    world.cluster += SMALL_BLOCKS
    world.lab.namespaces["team"] = LabNamespace(network="small")
    world.declare(NETWORKS)
    for name in ("a", "b", "lost"):
        world.pod(f"team/{name}", 1)
    world.settle()
    return world


def tried(world: GivingWorld, pod: LabPod) -> Answer:
    """ADD as runtimes do it, again and again, while the controller gives what the agents ask for."""
    runtime = world.process(1).runtime
    with ThreadPoolExecutor() as threads:
        for _attempt in range(TRIES):
            adding = threads.submit(runtime.add, sandbox_of(pod))
            while not adding.done():
                world.apply()
            if adding.result().status == 0:
                return adding.result()
    return adding.result()


def test_a_pod_that_finds_the_block_full_gets_an_address_of_the_next_one(world: GivingWorld) -> None:
    held = {str(address) for pod in world.network_pods() for address in pod.addresses}
    assert held == {"10.5.0.1", "10.5.0.2", "10.5.0.3"}
    del world.lab.pods["team/lost"]  # from the API server by force; its sandbox is still there
    late = world.pod("team/late", 1)
    late.addresses = tried(world, late).addresses
    assert [str(address) for address in late.addresses] == ["10.5.0.4"]


def test_a_network_without_addresses_is_named_in_the_error(world: GivingWorld) -> None:
    last = [world.pod(f"team/{name}", 1) for name in ("e", "f", "g")]
    world.apply()
    for pod in last[:2]:
        world.process(1).add(pod)
    refused = world.process(1).runtime.add(sandbox_of(last[2]))
    assert "network team/small has no free IPv4 address" in refused.message, refused


def test_a_released_address_rests_before_another_pod_gets_it(world: GivingWorld) -> None:
    pod = world.lab.pods["team/f"]
    (address,) = pod.addresses
    started = time.monotonic()
    assert world.process(1).delete(pod).status == 0
    world.forget(pod)
    again = tried(world, world.lab.pods["team/g"])
    assert again.addresses == (address,)
    assert time.monotonic() - started >= QUIET
