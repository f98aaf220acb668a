"""Services: which backends answer whom, how one is chosen, and what is open of the default network's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from cli.lab.check import Check, Expected
from cli.lab.lab import API_PORT, LabPod, LabService
from cli.lab.traffic import Probe
from compiler.device_names import host_link_address
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
spec: {subnets: [10.2.0.0/16, "fd02::/64"], infrastructure: {services: [dns]}}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: green, namespace: team-a}
spec: {subnets: [10.1.0.0/16, "fd01::/64"], infrastructure: {services: []}}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: wide, namespace: team-a}
spec: {subnets: [10.4.0.0/16, "fd04::/64"], infrastructure: {services: [dns, default/store]}}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: mesh, namespace: team-a}
spec: {type: mesh, virtualNetworkSelector: {matchLabels: {mesh: a}}}
"""
PODS = ("red-1", "red-2", "blue-1", "blue-2", "green-1", "green-2", "wide-1", "wide-2")
TRIES = 48
"""So many that three backends at random all come up but once in a hundred million runs."""

SERVICES: dict[str, tuple[int, tuple[str, ...]]] = {
    "team-a/web": (20, ("team-a/red-1", "team-a/red-2", "team-a/blue-2")),
    "team-a/split": (21, ("team-a/red-2", "team-a/green-1", "team-a/green-2")),
    "team-a/mixed": (22, ("team-a/red-1", "default/plain-2")),
    "team-a/sticky": (23, ("team-a/red-1", "team-a/red-2", "team-a/blue-2")),
    "team-a/local": (24, ("team-a/red-1", "team-a/red-2")),
    "team-a/closing": (25, ("team-a/red-1", "team-a/red-2")),
    "team-a/last": (26, ("team-a/red-1",)),
    "team-a/empty": (27, ()),
    "team-a/self": (28, ("team-a/red-1",)),
    "default/store": (29, ("default/plain-1", "default/plain-2")),
}


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    world = make_world()
    world.declare(NETWORKS)
    for name in PODS:
        network, _dash, node = name.partition("-")
        world.pod(f"team-a/{name}", int(node), network=network)
    for name, (index, pods) in SERVICES.items():
        world.lab.add_service(
            LabService(
                name=name,
                addresses=world.lab.service_addresses(index),
                port=80,
                target_port=8080,
                pods=[world.lab.pods[pod] for pod in pods],
                client_affinity=name == "team-a/sticky",
                internal_local=name == "team-a/local",
                terminating={
                    "team-a/closing": ("team-a/red-2",),
                    "team-a/last": ("team-a/red-1",),
                }.get(name, ()),
            )
        )
    world.settle()
    return world


def answers(
    world: World, client: str, service: str, version: int, *, protocol: str = "TCP", tries: int = TRIES
) -> Counter[str]:
    """How often each backend answered; refusals count as "refused"."""
    address = next(a for a in world.lab.services[service].addresses if a.version == version)
    probe = Probe(
        start=world.lab.pods[client].place, address=address, port=80, protocol=protocol, patience=10.0
    )
    outcomes = world.lab.traffic.probe_all([probe] * tries)
    return Counter(outcome.by or str(outcome) for outcome in outcomes)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("client", ["team-a/red-1", "team-a/blue-1"])
def test_a_service_is_spread_over_all_its_backends(
    world: World, client: str, protocol: str, version: int
) -> None:
    seen = answers(world, client, "team-a/web", version, protocol=protocol)
    assert set(seen) == {"team-a/red-1", "team-a/red-2", "team-a/blue-2"}


@pytest.mark.parametrize("version", [4, 6])
def test_a_client_meets_only_backends_that_its_network_may_talk_to(world: World, version: int) -> None:
    """One Service over two overlapping networks is two Services."""
    assert set(answers(world, "team-a/red-1", "team-a/split", version)) == {"team-a/red-2"}
    assert set(answers(world, "team-a/blue-2", "team-a/split", version)) == {"team-a/red-2"}
    green = {"team-a/green-1", "team-a/green-2"}
    assert set(answers(world, "team-a/green-1", "team-a/split", version)) == green
    assert set(answers(world, "team-a/wide-1", "team-a/split", version, tries=4)) == {"refused"}


@pytest.mark.parametrize("version", [4, 6])
def test_a_mixed_service_answers_each_side_with_its_own_backends(world: World, version: int) -> None:
    assert set(answers(world, "team-a/red-2", "team-a/mixed", version)) == {"team-a/red-1"}
    assert set(answers(world, "default/plain-1", "team-a/mixed", version)) == {"default/plain-2"}
    assert set(answers(world, "team-a/green-1", "team-a/mixed", version, tries=4)) == {"refused"}


@pytest.mark.parametrize("version", [4, 6])
def test_affinity_keeps_a_client_at_one_backend(world: World, version: int) -> None:
    for client in ("team-a/red-1", "team-a/red-2", "team-a/blue-1"):
        assert len(answers(world, client, "team-a/sticky", version, tries=24)) == 1


@pytest.mark.parametrize("version", [4, 6])
def test_a_local_service_answers_from_the_clients_own_node(world: World, version: int) -> None:
    for node in (1, 2):
        seen = answers(world, f"team-a/blue-{node}", "team-a/local", version, tries=16)
        assert set(seen) == {f"team-a/red-{node}"}


def test_a_terminating_backend_is_used_only_where_no_other_is_ready(world: World) -> None:
    assert set(answers(world, "team-a/blue-1", "team-a/closing", 4)) == {"team-a/red-1"}
    assert set(answers(world, "team-a/blue-1", "team-a/last", 4, tries=8)) == {"team-a/red-1"}


def test_a_service_without_backends_refuses(world: World) -> None:
    for client in ("team-a/red-1", "team-a/green-2"):
        assert set(answers(world, client, "team-a/empty", 4, tries=4)) == {"refused"}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_a_pod_reaches_itself_through_its_service(world: World, protocol: str, version: int) -> None:
    """It sees its network's host link, for an answer to itself would never leave the pod."""
    pod = world.lab.pods["team-a/red-1"]
    address = next(a for a in world.lab.services["team-a/self"].addresses if a.version == version)
    probe = Probe(start=pod.place, address=address, port=80, protocol=protocol, patience=10.0)
    outcome = world.lab.traffic.probe(probe)
    config = world.declarations.config
    links = config.host_links_v4 if version == 4 else config.host_links_v6
    assert world.compilation is not None
    number = world.compilation.numbers[ObjectName(namespace="team-a", name="red")]
    assert (outcome.by, outcome.seen) == ("team-a/red-1", host_link_address(links, number))


def infrastructure(world: World, pod: LabPod, *, dns: bool, api: bool) -> Iterator[Check]:
    lab = world.lab

    def expected(open_: bool) -> Expected:
        return Expected.REACHED if open_ else Expected.REFUSED

    for service, direct, port, allowed, protocols in (
        ("kube-system/kube-dns", lab.pods["kube-system/coredns"].addresses, 53, dns, ("TCP", "UDP")),
        ("default/kubernetes", lab.nodes[0].addresses, API_PORT, api, ("TCP",)),
    ):
        title = f"{pod.name} -> {service}"
        asked = lab.services[service]
        yield from checks_to(
            pod.place,
            title,
            asked.addresses,
            port=asked.port,
            expected=expected(allowed),
            protocols=protocols,
        )
        yield from checks_to(
            pod.place, title, direct, port=port, expected=expected(allowed), protocols=protocols
        )


def test_a_network_reaches_the_infrastructure_it_lists_and_nothing_else(world: World) -> None:
    lists = {"red": (True, True), "blue": (True, False), "green": (False, False), "wide": (True, False)}
    checks: list[Check] = []
    for network, (dns, api) in lists.items():
        for node in (1, 2):
            checks += infrastructure(world, world.lab.pods[f"team-a/{network}-{node}"], dns=dns, api=api)
    world.check(checks)


def test_a_service_of_the_default_network_is_open_to_those_who_list_it(world: World) -> None:
    for node in (1, 2):
        for version in (4, 6):
            for protocol in ("TCP", "UDP"):
                seen = answers(world, f"team-a/wide-{node}", "default/store", version, protocol=protocol)
                assert set(seen) == {"default/plain-1", "default/plain-2"}
    for other in ("red", "blue", "green"):
        assert set(answers(world, f"team-a/{other}-1", "default/store", 4, tries=4)) == {"refused"}


def test_the_default_network_keeps_its_services(world: World) -> None:
    assert set(answers(world, "default/plain-1", "default/store", 4)) == {
        "default/plain-1",
        "default/plain-2",
    }
