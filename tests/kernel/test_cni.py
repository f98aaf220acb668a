"""The CNI plugin's binary before a real agent process, by the protocol, on the real kernel.

One node, two networks that may not talk, and a default network of the reference plugins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from benchmarks.cni_socket import Line
from cli.lab.check import Expected
from cli.lab.cni import Answer, Json, Runtime, Sandbox
from cli.lab.lab import LabNamespace, LabPod
from tests.kernel.agent_process import REFERENCE, AgentProcess, sandbox_of
from tests.kernel.process_world import ProcessWorld
from tests.kernel.world import checks_to

NETWORKS = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: a, namespace: left}
spec: {subnets: [10.1.0.0/16, "fd00:1::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: b, namespace: right}
spec: {subnets: [10.2.0.0/16, "fd00:2::/64"]}
"""
LATER = """\
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: late, namespace: left}
spec: {subnets: [10.3.0.0/16, "fd00:3::/64"]}
"""
TRY_AGAIN = 11
NOT_AVAILABLE = 50
NOT_AS_ADDED = 102
HOST_PORT: Json = {"portMappings": [{"hostPort": 8088, "containerPort": 8080, "protocol": "tcp"}]}
MANY = 50
FEW = 8
"""Pods that a test may leave attached."""
AGAIN = 40
"""`python -m benchmarks.cni --cycles 5000` does it longer."""


class RestlessWorld(ProcessWorld):
    """Released addresses are free at once: there are few, and the tests follow each other closely."""

    def __init__(self, folder: Path, *, nodes: int = 2, versions: tuple[int, ...] = (4, 6)) -> None:
        super().__init__(folder, nodes=nodes, versions=versions, options=["--quiet", "0"])


@pytest.fixture(scope="module")
def world(make_world: Callable[..., ProcessWorld]) -> ProcessWorld:
    world = make_world(kind=RestlessWorld, nodes=1)
    namespaces = {"left": LabNamespace(network="a"), "right": LabNamespace(network="b")}
    world.lab.namespaces.update(namespaces)
    world.declare(NETWORKS)
    for name in ("left/a-1", "left/a-2", "right/b-1"):
        world.pod(name, 1)
    world.settle()
    return world


@pytest.fixture
def agent(world: ProcessWorld) -> AgentProcess:
    return world.process(1)


@pytest.fixture
def newcomers(world: ProcessWorld) -> Iterator[Callable[..., list[LabPod]]]:
    """Pods of node 1 that the plan in force knows; they are gone after the test."""
    made: list[LabPod] = []

    def make(*names: str, network: str | None = None) -> list[LabPod]:
        pods = [world.pod(name, 1, network=network) for name in names]
        made.extend(pods)
        world.apply()
        return pods

    yield make
    for pod in made[:FEW]:
        world.process(1).delete(pod)
    world.forget(*made)
    world.apply()


def inside(pod: LabPod, *arguments: str) -> str:
    """What ip(8) tells in the pod."""
    return pod.place.run("ip", *arguments)


def at_once(work: Callable[[Sandbox], Answer], pods: Sequence[LabPod]) -> list[Answer]:
    with ThreadPoolExecutor(max_workers=len(pods)) as threads:
        return list(threads.map(work, map(sandbox_of, pods)))


def settled(answer: Answer) -> Answer:
    assert answer.status == 0, f"{answer.content} {answer.complaint}"
    return answer


def test_pods_that_the_plugin_attached_reach_their_network_and_nobody_else(world: ProcessWorld) -> None:
    pods = world.network_pods()
    world.check(world.pair_checks(pods, pods))


def test_add_answers_with_what_the_pod_then_has(
    agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    (pod,) = newcomers("left/told")
    result = settled(agent.runtime.add(sandbox_of(pod))).result
    assert (result.cni_version, result.dns) == ("1.1.0", {})
    host, own = result.interfaces
    assert host.name in agent.links()
    assert (own.name, own.sandbox) == ("eth0", str(pod.place.path))
    link = inside(pod, "address", "show", "dev", "eth0")
    assert f"link/ether {own.mac} " in link
    assert f" mtu {own.mtu} " in link
    assert [f" {ip.address} " in link for ip in result.ips] == [True, True]
    for route, family in zip(result.routes, ("-4", "-6"), strict=True):
        assert f"default via {route.gw} dev eth0 " in inside(pod, family, "route", "show")


def test_an_older_runtime_gets_a_result_of_its_version(
    agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    (pod,) = newcomers("left/older")
    older = Runtime(
        place=agent.runtime.place,
        folders=agent.runtime.folders,
        configuration=agent.configuration(),
        version="0.4.0",
    )
    result = settled(older.add(sandbox_of(pod))).result
    assert result.cni_version == "0.4.0"
    assert [ip.version for ip in result.ips] == ["4", "6"]
    settled(older.check(sandbox_of(pod)))


def test_a_pod_of_the_default_network_gets_what_the_reference_plugins_give(
    world: ProcessWorld, agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    by_us, directly = newcomers("default/by-us", "default/directly", network=None)
    configuration = json.loads((agent.folder / "net.d" / "10-default.conflist").read_text())
    reference = Runtime(
        place=agent.runtime.place, folders=(REFERENCE,), configuration=configuration, version="1.0.0"
    )
    ours = settled(agent.runtime.add(sandbox_of(by_us), asked=HOST_PORT))
    theirs = settled(reference.add(sandbox_of(directly)))
    assert shape(ours) == shape(theirs)
    by_us.addresses, directly.addresses = ours.addresses, theirs.addresses
    from_node = partial(checks_to, agent.node.place, "from the node", by=by_us.name)
    at = agent.node.addresses[:1]
    world.check(from_node(by_us.addresses, port=8080, expected=Expected.REACHED))
    world.check(from_node(at, port=8088, expected=Expected.REACHED, protocols=["TCP"]))
    settled(agent.runtime.delete(sandbox_of(by_us), asked=HOST_PORT))
    settled(reference.delete(sandbox_of(directly)))
    world.check(from_node(at, port=8088, expected=Expected.REFUSED, protocols=["TCP"]))
    assert leased(agent) == []


def shape(answer: Answer) -> object:
    """A result of the reference plugins without what differs from pod to pod, and without its version."""
    result = answer.result
    names = [interface.name for interface in result.interfaces if not interface.name.startswith("veth")]
    return names, [ip.gateway for ip in result.ips], result.routes, result.dns


def leased(agent: AgentProcess) -> list[str]:
    """Addresses that host-local has given away."""
    files = (agent.folder / "ipam" / "default").iterdir()
    return [path.name for path in files if path.name.startswith(("10.", "fd00"))]


def test_an_attachment_ends_with_its_first_del_and_the_second_finds_nothing_to_do(
    agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    (pod,) = newcomers("left/short")
    before = agent.links()
    settled(agent.runtime.add(sandbox_of(pod)))
    assert len(agent.links() - before) == 1
    settled(agent.runtime.delete(sandbox_of(pod)))
    assert agent.links() == before
    settled(agent.runtime.delete(sandbox_of(pod)))


def test_del_of_a_pod_that_was_never_attached_succeeds(
    agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    ours, default = newcomers("left/never", "default/never")
    settled(agent.runtime.delete(sandbox_of(ours)))
    settled(agent.runtime.delete(sandbox_of(default)))


def test_del_succeeds_when_the_pods_namespace_is_gone_already(
    agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    (pod,) = newcomers("left/gone")
    settled(agent.runtime.add(sandbox_of(pod)))
    vanished = Sandbox(container=pod.place.name, netns=Path("/run/netns/lab-vanished"), pod=pod.name)
    settled(agent.runtime.delete(vanished))


def test_check_notices_what_somebody_took_from_the_pod(
    agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    (pod,) = newcomers("left/robbed")
    settled(agent.runtime.add(sandbox_of(pod)))
    settled(agent.runtime.check(sandbox_of(pod)))
    pod.place.run("ip", "-4", "route", "delete", "default")
    robbed = agent.runtime.check(sandbox_of(pod))
    assert robbed.code == NOT_AS_ADDED, robbed
    assert "left/robbed" in robbed.message


def test_a_garbage_collection_frees_what_the_runtime_has_forgotten(
    world: ProcessWorld, agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    kept, leaked, of_default = newcomers("left/kept", "left/leaked", "default/kept")
    before = agent.links()
    for pod in (kept, leaked, of_default):
        settled(agent.runtime.add(sandbox_of(pod)))
    others = [pod for pod in world.network_pods() if pod.addresses]
    settled(agent.runtime.collect([sandbox_of(pod) for pod in (kept, of_default, *others)]))
    settled(agent.runtime.check(sandbox_of(kept)))
    settled(agent.runtime.check(sandbox_of(of_default)))
    settled(agent.runtime.delete(sandbox_of(of_default)))
    assert len(agent.links() - before - {"cni0"}) == 1


def test_status_and_version_are_those_of_a_plugin_that_serves(agent: AgentProcess) -> None:
    settled(agent.runtime.status())
    versions = settled(agent.runtime.supported()).content["supportedVersions"]
    assert versions == ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]


def test_fifty_pods_attach_at_once_and_one_collection_ends_them_all(
    world: ProcessWorld, agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    pods = newcomers(*(f"left/many-{number}" for number in range(MANY)))
    before = agent.links()
    answers = [settled(answer) for answer in at_once(agent.runtime.add, pods)]
    addresses = [address for answer in answers for address in answer.addresses]
    assert len(set(addresses)) == len(addresses) == 2 * MANY
    for pod, answer in zip(pods, answers, strict=True):
        pod.addresses = answer.addresses
    world.check(world.pair_checks(pods[:2], pods[-2:]))
    others = [pod for pod in world.network_pods() if pod.addresses and pod not in pods]
    settled(agent.runtime.collect([sandbox_of(pod) for pod in others]))
    assert agent.links() == before


def test_attaching_again_and_again_leaves_no_descriptor_open(
    agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    sandbox = sandbox_of(*newcomers("left/again"))
    descriptors = Path(f"/proc/{agent.process.pid}/fd")

    def opened() -> int:
        return len(list(descriptors.iterdir()))

    with Line(agent.socket) as line:
        line.ask("ADD", sandbox)
        line.ask("DEL", sandbox)
        before = opened()
        for _time in range(AGAIN):
            line.ask("ADD", sandbox)
            line.ask("DEL", sandbox)
        # The agent may just be looking whether all is as planned, by a socket of its own.
        agent.until(lambda: opened() == before, "as many descriptors as before")


def test_a_pod_whose_network_comes_later_waits_for_it(
    world: ProcessWorld, agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    (pod,) = newcomers("left/early", network="late")
    with ThreadPoolExecutor() as threads:
        adding = threads.submit(agent.runtime.add, sandbox_of(pod))
        world.declare(NETWORKS + LATER)
        world.apply()
        (address, _v6) = settled(adding.result()).addresses
    assert str(address).startswith("10.3.")


def test_an_agent_killed_while_pods_attach_leaves_nothing_behind_and_the_same_calls_succeed_after_it(
    world: ProcessWorld, agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    pods = newcomers(*(f"left/twice-{number}" for number in range(8)))
    before = agent.links()
    with ThreadPoolExecutor(max_workers=len(pods)) as threads:
        calls = [threads.submit(agent.runtime.add, sandbox_of(pod)) for pod in pods]
        calls[0].result()
        agent.kill()
        first = [call.result() for call in calls]
    assert {answer.code for answer in first} <= {0, TRY_AGAIN}
    agent.start()
    agent.await_answering()
    answers = [settled(answer) for answer in at_once(agent.runtime.add, pods)]
    for earlier, answer in zip(first, answers, strict=True):
        assert earlier.status != 0 or earlier.addresses == answer.addresses
    addresses = [address for answer in answers for address in answer.addresses]
    assert len(set(addresses)) == 2 * len(pods)
    for answer in at_once(agent.runtime.check, pods):
        settled(answer)
    for answer in at_once(agent.runtime.delete, pods):
        settled(answer)
    assert agent.links() == before


def test_without_the_agent_no_pod_of_a_network_starts_and_those_known_to_be_default_do(
    world: ProcessWorld, agent: AgentProcess, newcomers: Callable[..., list[LabPod]]
) -> None:
    ours, default = newcomers("left/waits", "default/starts")
    unknown = Sandbox(container="unknown", netns=ours.place.path, pod="default/unknown", uid="uid-unknown")
    agent.kill()
    for sandbox in (sandbox_of(ours), unknown):
        refused = agent.runtime.add(sandbox)
        assert refused.code == TRY_AGAIN, refused
    assert inside(ours, "route", "show") == ""
    assert agent.runtime.status().code == NOT_AVAILABLE
    settled(agent.runtime.add(sandbox_of(default)))
    settled(agent.runtime.delete(sandbox_of(default)))
    agent.start()
    agent.await_answering()
    settled(agent.runtime.status())
    settled(agent.runtime.add(sandbox_of(ours)))
    others = world.network_pods()[:3]
    world.check(world.pair_checks(others, others))
