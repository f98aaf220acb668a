"""Callers of the CNI plugin besides the kubelet: podman, crictl with containerd, and Multus between the two.

One node without a cluster, two networks that may not talk, and a default network of the reference plugins.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from agent.installation import NAME, PLUGIN
from cli.lab import containerd
from cli.lab.check import Expected
from cli.lab.cni import Json, Runtime
from cli.lab.containerd import Containerd
from cli.lab.crictl import Crictl
from cli.lab.kubelet import NoKubelet, binaries_named_by
from cli.lab.lab import LabNamespace, LabPod
from cli.lab.namespace import CommandFailed
from cli.lab.podman import Podman, missing_programs
from tests.kernel.agent_process import REFERENCE, AgentProcess, default_network, plugin_binary, sandbox_of
from tests.kernel.process_world import ProcessWorld
from tests.kernel.world import checks_to

NETWORKS = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: front, namespace: shop}
spec: {subnets: [10.1.0.0/16, "fd00:1::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: books, namespace: ledger}
spec: {subnets: [10.2.0.0/16, "fd00:2::/64"]}
"""
FRONT = ("10.1.0.0/16", "fd00:1::/64")
BOOKS = ("10.2.0.0/16", "fd00:2::/64")
CONTAINERS = {"web": "shop", "client": "shop", "stranger": "ledger"}
"""podman's, and the networks of podman that they are started in, which are called like the namespaces."""
SERVER = ("httpd", "-f", "-p", "8080", "-h", "/www")
PAGE = "busybox\n"


@pytest.fixture(scope="module")
def world(make_world: Callable[..., ProcessWorld]) -> ProcessWorld:
    plugin_binary()  # it may say why it skips
    world = make_world(kind=ProcessWorld, nodes=1)
    world.lab.namespaces |= {"shop": LabNamespace(network="front"), "ledger": LabNamespace(network="books")}
    world.declare(NETWORKS)
    for name, namespace in CONTAINERS.items():
        world.pod(f"{namespace}/{name}", 1)
    for name in ("shop/doubled", "shop/sandbox", "shop/single", "ledger/single", "default/doubled"):
        world.pod(name, 1)
    world.apply()
    return world


@pytest.fixture(scope="module")
def agent(world: ProcessWorld) -> AgentProcess:
    return world.process(1)


@pytest.fixture(scope="module")
def binaries() -> Path:
    try:
        return binaries_named_by(os.environ)
    except NoKubelet as problem:
        pytest.skip(str(problem))


def within(addresses: Iterable[object], subnets: Iterable[str]) -> list[bool]:
    """Of each family one."""
    return [ip_address(str(a)) in ip_network(s) for a, s in zip(addresses, subnets, strict=True)]


# podman names a container in CNI_ARGS, and no namespace: each of its networks says which that is.


@pytest.fixture(scope="module")
def podman(agent: AgentProcess) -> Iterator[Podman]:
    if missing := missing_programs():
        pytest.skip(f"no {' and no '.join(missing)}: run `tools/setup.sh containers`")
    folder = Path(tempfile.mkdtemp(prefix="atoll-podman-", dir="/run"))
    networks = {namespace: network_for_podman(agent, namespace) for namespace in ("shop", "ledger")}
    plugins = (agent.folder / "bin", REFERENCE)
    podman = Podman(folder, agent.node.place, networks=networks, plugins=plugins)
    try:
        podman.load()
        yield podman
    finally:
        podman.close()
        shutil.rmtree(folder, ignore_errors=True)


def network_for_podman(agent: AgentProcess, namespace: str) -> Json:
    """The agent's configuration list, as an administrator copies it."""
    content = agent.configuration()
    plugins = content["plugins"]
    assert isinstance(plugins, list)
    return {**content, "name": namespace, "plugins": [{**plugins[0], "podNamespace": namespace}]}


@pytest.fixture(scope="module")
def links_before(agent: AgentProcess) -> set[str]:
    return agent.links()


@pytest.fixture(scope="module")
def addresses(podman: Podman, links_before: set[str]) -> dict[str, tuple[str, str]]:
    """Of the containers, which run from now on."""
    for name, network in CONTAINERS.items():
        podman.start(name, network, *SERVER)
    return podman.addresses()


def test_containers_of_podman_have_addresses_of_their_networks(
    podman: Podman, addresses: dict[str, tuple[str, str]]
) -> None:
    inside = podman.run("exec", "web", "ip", "-oneline", "address", "show", "dev", "eth0")
    assert [f" {address}/" in inside for address in addresses["web"]] == [True, True]
    subnets = {"shop": FRONT, "ledger": BOOKS}
    seen = {name: within(addresses[name], subnets[network]) for name, network in CONTAINERS.items()}
    assert seen == {"web": [True, True], "client": [True, True], "stranger": [True, True]}


def test_a_container_of_podman_reaches_its_network(
    podman: Podman, addresses: dict[str, tuple[str, str]]
) -> None:
    assert podman.run("exec", "client", *fetching(addresses["web"])) == PAGE * 2


def test_a_container_of_podman_does_not_reach_another_network(
    podman: Podman, addresses: dict[str, tuple[str, str]]
) -> None:
    with pytest.raises(CommandFailed) as caught:
        podman.run("exec", "stranger", *fetching(addresses["web"]))
    assert str(caught.value).count("wget: can't connect to remote host") == 2


def fetching(addresses: tuple[str, str]) -> tuple[str, ...]:
    """Without wget's -T, at which Debian's busybox ends by a segmentation fault."""
    v4, v6 = addresses
    return ("sh", "-c", "; ".join(f"wget -q -O - http://{host}:8080/" for host in (v4, f"[{v6}]")))


def test_removed_containers_of_podman_leave_nothing_on_the_node(
    podman: Podman, agent: AgentProcess, addresses: dict[str, tuple[str, str]], links_before: set[str]
) -> None:
    assert len(agent.links() - links_before) == len(addresses)
    podman.run("rm", "--all", "--force", "--time=0")
    assert agent.links() == links_before


# crictl asks containerd for a pod's sandbox as a kubelet does, without one.


@pytest.fixture(scope="module")
def crictl(agent: AgentProcess, binaries: Path) -> Iterator[Crictl]:
    if missing := containerd.missing_programs():
        pytest.skip(f"no {' and no '.join(missing)}: run `tools/setup.sh containers`")
    folder = Path(tempfile.mkdtemp(prefix="atoll-crictl-", dir="/run"))
    network = default_network(agent.node, folder)
    runtime = Containerd(folder / "containerd", agent.node.place, network=network, plugins=REFERENCE)
    (runtime.networks / NAME).write_text(json.dumps(agent.configuration()))
    (runtime.plugins / PLUGIN).symlink_to(agent.folder / "bin" / PLUGIN)
    try:
        runtime.start()
        yield Crictl(binary=binaries / "crictl", runtime=runtime, folder=folder)
    finally:
        runtime.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_sandbox_of_crictl_is_on_the_network_of_its_pod_until_it_is_removed(
    world: ProcessWorld, agent: AgentProcess, crictl: Crictl
) -> None:
    friend, stranger = (world.lab.pods[name] for name in ("shop/single", "ledger/single"))
    for pod in (friend, stranger):
        agent.add(pod)
    before = agent.links()
    sandbox = sandbox_of(world.lab.pods["shop/sandbox"])
    identifier = crictl.start(sandbox, {"atoll.dev/network": "ledger/books"})  # the API's word counts
    addresses = crictl.addresses(identifier)
    assert within(addresses, FRONT) == [True, True]
    ping = partial(checks_to, addresses=addresses, port=0, protocols=["ICMP"])
    world.check(ping(friend.place, "shop/single -> sandbox", expected=Expected.REACHED))
    world.check(ping(stranger.place, "ledger/single -> sandbox", expected=Expected.REFUSED))
    crictl.end(identifier)
    assert agent.links() == before
    for pod in (friend, stranger):
        agent.delete(pod)


# Multus hands each pod to its delegates, of which the plugin is the first: the pod's eth0 is the plugin's.


@pytest.fixture(scope="module")
def multus(agent: AgentProcess, binaries: Path, request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """A runtime of a CNI version; the agent finds Multus' file, of that version, before its own."""
    version: str = getattr(request, "param", "1.0.0")
    file = agent.folder / "net.d" / "00-multus.conf"
    file.write_text(json.dumps({"cniVersion": version, "name": "multus", **above(agent)}))
    agent.until(lambda: newest_version(agent) == version, f"configuration of no newer version than {version}")
    yield Runtime(
        place=agent.node.place,
        folders=(binaries, agent.folder / "bin", REFERENCE),
        configuration={"cniVersion": version, "name": "multus", "plugins": [above(agent)]},
        version=version,
    )
    file.unlink()


def newest_version(agent: AgentProcess) -> str:
    versions = agent.configuration()["cniVersions"]
    assert isinstance(versions, list)
    return str(versions[-1])


def above(agent: AgentProcess) -> Json:
    """Without an API server to ask, so that the delegates alone say which interfaces a pod has."""
    ranges = [[{"subnet": "192.168.50.0/24"}]]
    ipam = {"type": "host-local", "dataDir": str(agent.folder / "second"), "ranges": ranges}
    second = {"cniVersion": "1.0.0", "name": "second", "type": "bridge", "bridge": "second", "ipam": ipam}
    return {
        "type": "multus",
        "cniDir": str(agent.folder / "multus"),
        "binDir": str(agent.folder / "bin"),
        "delegates": [agent.configuration(), second],
    }


@pytest.fixture
def doubled(world: ProcessWorld, multus: Runtime) -> Iterator[Callable[[str], LabPod]]:
    """Attaches a pod that waits; it is detached after the test."""
    made: list[LabPod] = []

    def attach(name: str) -> LabPod:
        pod = world.lab.pods[name]
        made.append(pod)
        answer = multus.add(sandbox_of(pod))
        assert answer.status == 0, f"{answer.content} {answer.complaint}"
        assert answer.result.cni_version == multus.version
        pod.addresses = answer.addresses
        return pod

    yield attach
    for pod in made:
        multus.delete(sandbox_of(pod))
        pod.addresses = ()


@pytest.mark.parametrize("multus", ["1.0.0", "1.1.0"], indirect=True)
def test_under_multus_the_primary_interface_of_a_pod_is_that_of_its_network(
    doubled: Callable[[str], LabPod],
) -> None:
    pod = doubled("shop/doubled")
    assert within(pod.addresses, FRONT) == [True, True]
    assert f" {pod.addresses[0]}/32 " in pod.place.run("ip", "address", "show", "dev", "eth0")
    assert " 192.168.50." in pod.place.run("ip", "address", "show", "dev", "net1")
    assert "dev eth0 " in pod.place.run("ip", "route", "show", "default")


def test_under_multus_a_pod_reaches_its_network_and_no_other(
    world: ProcessWorld, agent: AgentProcess, doubled: Callable[[str], LabPod]
) -> None:
    others = [world.lab.pods[name] for name in ("shop/single", "ledger/single")]
    for other in others:
        agent.add(other)
    pod = doubled("shop/doubled")
    world.check([*world.pair_checks([pod], others), *world.pair_checks(others, [pod])])
    for other in others:
        agent.delete(other)


def test_under_multus_a_pod_of_the_default_network_has_its_primary_interface_of_that(
    world: ProcessWorld, agent: AgentProcess, doubled: Callable[[str], LabPod]
) -> None:
    pod = doubled("default/doubled")
    assert within(pod.addresses, map(str, agent.node.pod_ranges)) == [True, True]
    from_node = partial(checks_to, agent.node.place, "from the node", by=pod.name)
    world.check(from_node(pod.addresses, port=8080, expected=Expected.REACHED))


def test_what_multus_detaches_leaves_nothing_on_the_node(
    world: ProcessWorld, agent: AgentProcess, multus: Runtime
) -> None:
    before = agent.links() | {"second"}  # a bridge stays when its last port has gone
    sandbox = sandbox_of(world.lab.pods["shop/doubled"])
    for call in (multus.add, multus.delete, multus.delete):
        answer = call(sandbox)
        assert answer.status == 0, f"{answer.content} {answer.complaint}"
    assert agent.links() == before
