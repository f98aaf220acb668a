"""Who reaches whom: two networks that talk, one that overlaps them, one that may leave the cluster."""

from __future__ import annotations

from collections.abc import Callable
from difflib import unified_diff
from ipaddress import ip_address
from itertools import product

import pytest

from cli.lab.check import Check, Expected, run_checks
from cli.lab.lab import API_PORT, LabPod, LabService
from cli.lab.traffic import Address, Probe
from compiler.device_names import host_link_address, outside_address
from compiler.names import ObjectName
from tests.kernel.world import World, checks_to

NETWORKS = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: red, namespace: team-a, labels: {mesh: a}}
spec: {subnets: [10.1.0.0/16, "fd01::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: blue, namespace: team-a, labels: {mesh: a}}
spec: {subnets: [10.2.0.0/16, "fd02::/64"]}
---
# The same addresses as red.
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: green, namespace: team-b}
spec: {subnets: [10.1.0.0/16, "fd01::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: leaving, namespace: team-b}
spec: {subnets: [10.4.0.0/16, "fd04::/64"], egress: snat}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: mesh, namespace: team-a}
spec: {type: mesh, virtualNetworkSelector: {matchLabels: {mesh: a}}}
"""
PODS = (
    "team-a/red-1",
    "team-a/red-1b",
    "team-a/red-2",
    "team-a/blue-1",
    "team-a/blue-2",
    "team-b/green-1",
    "team-b/green-1b",
    "team-b/green-2",
    "team-b/green-2b",
    "team-b/leaving-1",
    "team-b/leaving-2",
)
"""The digit is the node's."""
NODE_PORT = 30080


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    world = make_world()
    world.declare(NETWORKS)
    for name in PODS:
        network, _dash, place = name.partition("/")[2].partition("-")
        world.pod(name, int(place[0]), network=network)
    behind = ("team-a/red-1", "team-a/red-2", "team-a/blue-2")
    world.lab.add_service(
        LabService(
            name="team-a/web",
            addresses=world.lab.service_addresses(20),
            port=80,
            target_port=8080,
            pods=[world.lab.pods[name] for name in behind],
            node_port=NODE_PORT,
        )
    )
    world.settle()
    return world


@pytest.fixture(scope="module")
def pods(world: World) -> list[LabPod]:
    return world.network_pods()


def network(pod: LabPod) -> str:
    return pod.network or ""


def default_pods(world: World) -> list[LabPod]:
    return [pod for pod in world.lab.pods.values() if world.network_of(pod) is None]


def place_of(world: World, name: str, address: Address, *, port: int = 8080) -> Probe:
    return Probe(start=world.lab.pods[name].place, address=address, port=port)


def test_overlapping_networks_hold_the_same_addresses_on_different_nodes(world: World) -> None:
    red, green = (world.lab.pods[name] for name in ("team-a/red-1", "team-b/green-2"))
    assert red.addresses == green.addresses
    assert [str(address) for address in red.addresses] == ["10.1.0.1", "fd01::"]


def test_pods_reach_whom_their_networks_may_talk_to_and_nobody_else(world: World, pods: list[LabPod]) -> None:
    insiders = [pod for pod in pods if network(pod) != "leaving"]
    world.check(world.pair_checks(insiders, pods))


def test_red_and_blue_talk_and_green_is_alone(world: World) -> None:
    """The key cells once more, as literals."""
    lab = world.lab
    cells = {
        "red to blue": place_of(world, "team-a/red-1", lab.pods["team-a/blue-2"].address(4)),
        "blue to red": place_of(world, "team-a/blue-2", lab.pods["team-a/red-1"].address(6)),
        "green to blue": place_of(world, "team-b/green-1", lab.pods["team-a/blue-2"].address(4)),
        "blue to leaving": place_of(world, "team-a/blue-1", lab.pods["team-b/leaving-1"].address(6)),
        "green at an address of red": place_of(world, "team-b/green-2", lab.pods["team-a/red-2"].address(4)),
    }
    outcomes = lab.traffic.probe_all(list(cells.values()))
    assert dict(zip(cells, map(str, outcomes), strict=True)) == {
        "red to blue": "reached team-a/blue-2",
        "blue to red": "reached team-a/red-1",
        "green to blue": "refused",
        "blue to leaving": "refused",
        "green at an address of red": "reached team-b/green-1",
    }


def test_a_pod_is_seen_at_its_own_address(world: World) -> None:
    for source, target in (("team-a/red-1", "team-a/red-1b"), ("team-a/red-1", "team-a/blue-2")):
        for version in (4, 6):
            pod = world.lab.pods[source]
            outcome = world.lab.traffic.probe(
                place_of(world, source, world.lab.pods[target].address(version))
            )
            assert (outcome.by, outcome.seen) == (target, pod.address(version))


def test_the_default_network_and_networks_do_not_reach_each_other(world: World, pods: list[LabPod]) -> None:
    checks: list[Check] = []
    for pod, plain in product(pods, default_pods(world)):
        if plain.name != "kube-system/coredns":
            title, there = f"{pod.name} -> {plain.name}", plain.addresses
            checks += checks_to(pod.place, title, there, port=8080, expected=Expected.REFUSED)
            checks += checks_to(
                pod.place, title, there, port=0, expected=Expected.REFUSED, protocols=("ICMP",)
            )
        title = f"{plain.name} -> {pod.name}"
        checks += checks_to(plain.place, title, pod.addresses, port=8080, expected=Expected.UNREACHED)
    world.check(checks)


def test_no_pod_reaches_a_node_its_own_or_another(world: World, pods: list[LabPod]) -> None:
    checks: list[Check] = []
    for pod, node in product(pods, world.nodes):
        title = f"{pod.name} -> {node.name}"
        checks += checks_to(pod.place, title, node.addresses, port=8080, expected=Expected.REFUSED)
        checks += checks_to(
            pod.place, title, node.addresses, port=0, expected=Expected.REFUSED, protocols=("ICMP",)
        )
    world.check(checks)


def test_no_pod_reaches_a_host_link_its_own_or_another_networks(world: World, pods: list[LabPod]) -> None:
    checks: list[Check] = []
    config = world.declarations.config
    assert world.compilation is not None
    numbers = sorted(world.compilation.numbers.values())
    for pod, number in product(pods, numbers):
        for links in (config.host_links_v4, config.host_links_v6):
            ends = [outside_address(links, number), host_link_address(links, number)]
            title = f"{pod.name} -> host link of network {number}"
            checks += checks_to(pod.place, title, ends, port=8080, expected=Expected.UNREACHED)
    world.check(checks)


def test_every_network_reaches_dns_and_the_api_server_from_every_node(
    world: World, pods: list[LabPod]
) -> None:
    lab = world.lab
    dns, api = lab.services["kube-system/kube-dns"], lab.services["default/kubernetes"]
    checks: list[Check] = []
    for pod in pods:
        for addresses in (dns.addresses, dns.pods[0].addresses):
            title = f"{pod.name} -> DNS"
            checks += checks_to(pod.place, title, addresses, port=53, expected=Expected.REACHED, by="dns")
        for addresses, port in ((api.addresses, 443), (world.nodes[0].addresses, API_PORT)):
            checks += checks_to(
                pod.place,
                f"{pod.name} -> API server",
                addresses,
                port=port,
                expected=Expected.REACHED,
                by="api",
                protocols=("TCP",),
            )
    world.check(checks)


def test_nothing_else_of_the_infrastructure_is_open(world: World, pods: list[LabPod]) -> None:
    dns = world.lab.pods["kube-system/coredns"]
    checks: list[Check] = []
    for pod in pods:
        title = f"{pod.name} -> another port of DNS"
        checks += checks_to(pod.place, title, dns.addresses, port=8080, expected=Expected.REFUSED)
        title = f"{pod.name} -> the API port of a node without API server"
        checks += checks_to(
            pod.place, title, world.nodes[1].addresses, port=API_PORT, expected=Expected.REFUSED
        )
    world.check(checks)


def test_outside_a_network_nobody_sees_the_addresses_of_its_pods(world: World) -> None:
    """Overlapping ones least of all: DNS sees a host link on its own node, else the node."""
    dns = world.lab.pods["kube-system/coredns"]
    probes = [
        place_of(world, name, dns.address(4), port=53)
        for name in ("team-a/red-1", "team-b/green-1", "team-a/red-2", "team-b/green-2")
    ]
    seen = [str(outcome.seen) for outcome in world.lab.traffic.probe_all(probes)]
    assert world.compilation is not None
    numbers = world.compilation.numbers
    red, green = (
        numbers[ObjectName(namespace=ns, name=n)] for ns, n in (("team-a", "red"), ("team-b", "green"))
    )
    links = world.declarations.config.host_links_v4
    own = {str(host_link_address(links, red)), str(host_link_address(links, green)), "10.244.1.1"}
    assert set(seen[:2]) <= own
    assert seen[2:] == ["172.18.0.2", "172.18.0.2"]


def test_a_service_answers_the_networks_of_its_pods_and_refuses_everyone_else(
    world: World, pods: list[LabPod]
) -> None:
    web = world.lab.services["team-a/web"]
    checks: list[Check] = []
    for pod in pods:
        expected = Expected.REACHED if network(pod) in ("red", "blue") else Expected.REFUSED
        checks += checks_to(pod.place, f"{pod.name} -> web", web.addresses, port=80, expected=expected)
    outsiders = [(pod.name, pod.place) for pod in default_pods(world)]
    outsiders += [(node.name, node.place) for node in world.nodes]
    for name, place in outsiders:
        checks += checks_to(place, f"{name} -> web", web.addresses, port=80, expected=Expected.REFUSED)
    world.check(checks)


def test_the_node_port_of_a_networks_service_is_closed_to_everyone(world: World, pods: list[LabPod]) -> None:
    askers = [(pod.name, pod.place) for pod in (*pods, *default_pods(world))]
    askers += [(node.name, node.place) for node in world.nodes]
    askers.append(("outside", world.lab.underlay))
    checks: list[Check] = []
    for (name, place), node in product(askers, world.nodes):
        title = f"{name} -> node port of {node.name}"
        checks += checks_to(place, title, node.addresses, port=NODE_PORT, expected=Expected.REFUSED)
    world.check(checks)


def test_a_nodes_probes_find_its_pods_at_their_real_addresses(world: World, pods: list[LabPod]) -> None:
    checks: list[Check] = []
    for pod in pods:
        for protocol in ("TCP", "UDP", "ICMP"):
            checks += checks_to(
                pod.node.place,
                f"{pod.node.name} -> {pod.name}",
                pod.addresses,
                port=8080,
                expected=Expected.REACHED,
                by=pod.name,
                protocols=(protocol,),
            )
    world.check(checks)


def test_a_node_finds_no_pod_of_another_node(world: World) -> None:
    """Blue's and leaving's addresses are nobody else's, so nothing answers at all."""
    checks: list[Check] = []
    for pod in (world.lab.pods[name] for name in ("team-a/blue-1", "team-a/blue-2", "team-b/leaving-2")):
        for node in world.nodes:
            if node is not pod.node:
                title = f"{node.name} -> {pod.name}"
                checks += checks_to(node.place, title, pod.addresses, port=8080, expected=Expected.UNREACHED)
    world.check(checks)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("target", ["team-a/red-1b", "team-a/red-2", "team-a/blue-2", "kube-system/coredns"])
def test_a_forged_source_goes_nowhere(world: World, target: str, version: int) -> None:
    lab = world.lab
    forger, victim = lab.pods["team-a/red-1"], lab.pods[target]
    port = 53 if target == "kube-system/coredns" else 8080
    sources = {
        "another pod of the network and node": lab.pods["team-a/red-1b"].address(version),
        "a pod of the network on another node": lab.pods["team-a/red-2"].address(version),
        "a pod of a network that may be reached": lab.pods["team-a/blue-2"].address(version),
        "a pod of another network": lab.pods["team-b/leaving-1"].address(version),
        "the node": next(a for a in forger.node.addresses if a.version == version),
        "a pod of the default network": lab.pods["default/plain-1"].address(version),
        "nobody": ip_address("10.1.255.9" if version == 4 else "fd01::ffff"),
        "far away": lab.outside[version],
    }
    delivered = {
        name: lab.traffic.is_delivered(
            Probe(
                start=forger.place,
                address=victim.address(version),
                port=port,
                protocol="UDP",
                source=source,
                patience=1.0,
            )
        )
        for name, source in sources.items()
        if source != victim.address(version)
    }
    assert not any(delivered.values()), delivered


def test_what_is_not_forged_is_delivered(world: World) -> None:
    """The measure of the test above."""
    pod, victim = (world.lab.pods[name] for name in ("team-a/red-1", "team-a/blue-2"))
    for version in (4, 6):
        probe = Probe(
            start=pod.place,
            address=victim.address(version),
            port=8080,
            protocol="UDP",
            source=pod.address(version),
        )
        assert world.lab.traffic.is_delivered(probe)


def test_large_packets_cross_the_overlay(world: World) -> None:
    """TCP in both directions, UDP below the MTU of the overlay and far above it."""
    checks = [
        Check(
            title=f"{source} -> {target}, {size} bytes",
            probe=Probe(
                start=world.lab.pods[source].place,
                address=address,
                port=8080,
                protocol=protocol,
                size=size,
                patience=10.0,
            ),
            expected=Expected.REACHED,
            by=target,
        )
        for source, target in (("team-a/red-1", "team-a/red-1b"), ("team-a/red-1", "team-a/blue-2"))
        for address in world.lab.pods[target].addresses
        for protocol, size in (("TCP", 1 << 18), ("UDP", 1380), ("UDP", 1472), ("UDP", 8000))
    ]
    world.check(checks)


def test_large_packets_reach_services_and_infrastructure(world: World) -> None:
    """A first datagram may be lost to path MTU discovery (RFC 8201): the way has links of several MTUs."""
    lab = world.lab
    checks = [
        Check(
            title=f"{service}, {protocol}",
            probe=Probe(
                start=lab.pods["team-a/red-2"].place,
                address=address,
                port=lab.services[service].port,
                protocol=protocol,
                size=8000,
                patience=5.0,
            ),
            expected=Expected.REACHED,
        )
        for service in ("team-a/web", "kube-system/kube-dns")
        for address in lab.services[service].addresses
        for protocol in ("TCP", "UDP")
    ]
    run_checks(lab.traffic, checks)
    world.check(checks)


@pytest.mark.parametrize("version", [4, 6])
def test_equal_five_tuples_of_overlapping_networks_live_side_by_side(world: World, version: int) -> None:
    """red-1 to red-2 and green-2 to green-1: the same addresses and ports, tracked on both nodes."""
    lab = world.lab
    ways = (("team-a/red-1", "team-a/red-2"), ("team-b/green-2", "team-b/green-1"))
    probes = [
        Probe(
            start=lab.pods[source].place,
            address=lab.pods[target].address(version),
            port=8080,
            source=lab.pods[source].address(version),
            source_port=45000,
        )
        for source, target in ways
    ]
    assert probes[0].address == probes[1].address
    assert probes[0].source == probes[1].source
    conversations = [lab.traffic.converse(probe) for probe in probes]
    try:
        assert [one.by for one in conversations] == ["team-a/red-2", "team-b/green-1"]
        assert all(one.exchanges_again() for one in conversations)
    finally:
        for one in conversations:
            one.close()


def test_a_network_with_egress_leaves_by_its_nodes_address(world: World) -> None:
    lab = world.lab
    for name, number in (("team-b/leaving-1", 1), ("team-b/leaving-2", 2)):
        for version in (4, 6):
            node = next(a for a in lab.nodes[number - 1].addresses if a.version == version)
            for protocol in ("TCP", "UDP"):
                probe = Probe(
                    start=lab.pods[name].place, address=lab.outside[version], port=8080, protocol=protocol
                )
                outcome = lab.traffic.probe(probe)
                assert (outcome.by, outcome.seen) == ("outside", node)


def test_no_other_network_leaves_the_cluster(world: World, pods: list[LabPod]) -> None:
    checks: list[Check] = []
    for pod in pods:
        if network(pod) != "leaving":
            for protocol in ("TCP", "UDP", "ICMP"):
                checks += checks_to(
                    pod.place,
                    f"{pod.name} -> outside",
                    list(world.lab.outside.values()),
                    port=8080,
                    expected=Expected.REFUSED,
                    protocols=(protocol,),
                )
    world.check(checks)


def test_egress_reaches_no_other_network_and_no_metadata_service(world: World) -> None:
    forbidden = [pod for pod in world.network_pods() if network(pod) != "leaving"]
    checks: list[Check] = []
    for name in ("team-b/leaving-1", "team-b/leaving-2"):
        place = world.lab.pods[name].place
        for pod in forbidden:
            title = f"{name} -> {pod.name}"
            checks += checks_to(place, title, pod.addresses, port=8080, expected=Expected.UNREACHED)
        metadata = [ip_address("169.254.169.254")]
        checks += checks_to(place, f"{name} -> metadata", metadata, port=80, expected=Expected.REFUSED)
    world.check(checks)


def test_applying_again_changes_nothing(world: World) -> None:
    compilation = world.compile()
    for name, plan in compilation.plans.items():
        agent = world.agents[name]
        transactions = agent.policy.transactions
        assert agent.apply(plan) == []
        assert agent.policy.transactions == transactions


def test_what_is_not_atolls_stays_byte_for_byte_as_it_was(world: World) -> None:
    """Tables, links, routes and rules: at the first plan, and through all that came after."""
    for node in world.nodes:
        before, after = world.foreign[node.name]
        assert "table ip kube-proxy" in before
        assert list(unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)) == []
        now = world.lab.foreign_state(node)
        world.agents[node.name].restart()
        world.apply()
        assert world.lab.foreign_state(node) == now
