"""Changes while traffic runs: what is taken away ends at once, and nothing else notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cli.lab.lab import LabNamespace, LabNode, LabPod, LabService
from cli.lab.traffic import Conversation, Probe
from tests.kernel.world import World

NETWORK = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: {name}, namespace: {namespace}, labels: {{is: {name}}}}}
spec: {{subnets: [10.{octet}.0.0/16, "fd00:{octet}::/64"]}}
---
"""
BASE = "".join(
    NETWORK.format(name=name, namespace=namespace, octet=octet)
    for name, namespace, octet in (("a", "left", 1), ("b", "right", 2), ("c", "left", 3))
)
ROUTER = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {{name: {namespace}, namespace: {namespace}, labels: {{router: {namespace}}}}}
spec:
  type: mesh
  virtualNetworkSelector: {{}}
  import:
    virtualNetworkRouters:
      - virtualNetworkRouterSelector: {{matchLabels: {{router: {other}}}}}
        namespaceSelector: {{}}
---
"""
LEFT = ROUTER.format(namespace="left", other="right")
RIGHT = ROUTER.format(namespace="right", other="left")
ALONE = ROUTER.format(namespace="right", other="nobody")
AGREED = BASE + LEFT + RIGHT
WITHDRAWN = BASE + LEFT + ALONE


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    world = make_world()
    world.lab.namespaces.update({"left": LabNamespace(), "right": LabNamespace()})
    world.declare(AGREED)
    for name in ("left/a-1", "left/a-2", "right/b-1", "right/b-2", "right/b-3", "left/c-2"):
        network, _dash, number = name.partition("/")[2].partition("-")
        world.pod(name, min(int(number), 2), network=network)
    for index, (service, pods) in enumerate((("svc", ("b-2",)), ("pair", ("b-2", "b-3")))):
        world.lab.add_service(
            LabService(
                name=f"right/{service}",
                addresses=world.lab.service_addresses(20 + index),
                port=80,
                target_port=8080,
                pods=[world.lab.pods[f"right/{pod}"] for pod in pods],
            )
        )
    world.settle()
    return world


@contextmanager
def talking(world: World, *ways: tuple[str, str], version: int = 4) -> Iterator[list[Conversation]]:
    """Open connections, talking all the time; a way ends at a pod or at a Service."""
    conversations: list[Conversation] = []
    try:
        for source, target in ways:
            service = world.lab.services.get(target)
            addresses = service.addresses if service else world.lab.pods[target].addresses
            probe = Probe(
                start=world.lab.pods[source].place,
                address=next(a for a in addresses if a.version == version),
                port=service.port if service else 8080,
                patience=10.0,
            )
            conversations.append(world.lab.traffic.converse(probe))
        yield conversations
    finally:
        for conversation in conversations:
            conversation.close()


def pod_reaches(world: World, source: str, target: str, version: int = 4) -> str:
    probe = Probe(
        start=world.lab.pods[source].place,
        address=world.lab.pods[target].address(version),
        port=8080,
        patience=10.0,
    )
    return str(world.lab.traffic.probe(probe))


@pytest.mark.parametrize("version", [4, 6])
def test_withdrawn_consent_cuts_open_connections_at_once_and_no_others(world: World, version: int) -> None:
    world.declare(AGREED)
    world.apply()
    crossing = (("left/a-1", "right/b-1"), ("left/a-1", "right/b-2"), ("right/b-2", "left/a-1"))
    through = ("left/a-2", "right/svc")
    staying = (("left/a-1", "left/a-2"), ("right/b-1", "right/b-2"), ("left/c-2", "left/a-1"))
    with talking(world, *crossing, through, *staying, version=version) as conversations:
        assert all(one.exchanges_again() for one in conversations)
        world.declare(WITHDRAWN)
        world.apply()
        counts = [one.exchanged for one in conversations[:4]]
        assert [one.is_cut() for one in conversations[:4]] == [True] * 4
        assert [one.exchanged for one in conversations[:4]] == counts
        assert all(one.exchanges_again() for one in conversations[4:])
    assert pod_reaches(world, "left/a-1", "right/b-2", version) == "refused"


def test_given_consent_opens_without_disturbing_anybody(world: World) -> None:
    world.declare(WITHDRAWN)
    world.apply()
    assert pod_reaches(world, "left/a-1", "right/b-1") == "refused"
    with talking(world, ("left/a-1", "left/a-2"), ("right/b-1", "right/b-2")) as conversations:
        world.declare(AGREED)
        world.apply()
        assert all(one.exchanges_again() for one in conversations)
    for source, target in (("left/a-1", "right/b-1"), ("right/b-2", "left/a-1")):
        assert pod_reaches(world, source, target) == f"reached {target}"


@pytest.mark.parametrize("version", [4, 6])
def test_a_domain_that_joins_another_may_lose_what_its_services_translated_and_nothing_else(
    world: World, version: int
) -> None:
    """In its new zone those are not known: the next packet meets any backend, and goes on or ends."""
    world.declare(WITHDRAWN)
    world.apply()
    many = 16  # so many that two backends are not met as before by all
    alone = (("right/b-2", "right/svc"), ("right/b-3", "right/svc"))
    translated = (*(("right/b-1", "right/pair"),) * many, *alone)
    direct = (("right/b-1", "right/b-2"), ("right/b-2", "right/b-1"), ("left/a-1", "left/c-2"))
    with talking(world, *translated, *direct, version=version) as conversations:
        assert all(one.exchanges_again() for one in conversations)
        world.declare(AGREED)
        world.apply()
        by_service, others = conversations[: len(translated)], conversations[len(translated) :]
        assert all(one.exchanges_again() or one.is_cut() for one in by_service)  # none waits in vain
        assert any(one.end for one in by_service)
        assert all(one.exchanges_again() for one in others)
    with talking(world, *translated, version=version) as again:
        assert all(one.exchanges_again() for one in again)


def test_changes_of_others_disturb_no_traffic(world: World) -> None:
    """New networks, pods, Services and their removal, while connections of every kind are open."""
    world.declare(AGREED)
    world.apply()
    ways = (("left/a-1", "left/a-2"), ("left/a-1", "right/b-2"), ("left/a-2", "right/svc"))
    with talking(world, *ways) as conversations:
        for octet in (70, 71):
            extra = NETWORK.format(name="d", namespace="right", octet=octet)
            world.declare(AGREED.replace("virtualNetworkSelector: {}", NOT_D) + extra)
            pod = world.pod("right/d-1", 1, network="d")
            world.settle()
            assert all(one.exchanges_again() for one in conversations)
            world.agents[pod.node.name].delete(pod)
            world.lab.remove_pod(pod.name)
            world.declare(AGREED)
            world.apply()
            assert all(one.exchanges_again() for one in conversations)


NOT_D = "virtualNetworkSelector: {matchExpressions: [{key: is, operator: NotIn, values: [d]}]}"


def test_a_pod_comes_and_goes_without_any_nft_transaction(world: World) -> None:
    world.declare(AGREED)
    world.apply()
    pod = world.pod("left/a-new", 1, network="a")
    world.apply()
    transactions = {name: agent.policy.transactions for name, agent in world.agents.items()}
    agent = world.agents["node-1"]
    agent.add(pod)
    try:
        assert pod_reaches(world, "left/a-2", pod.name) == f"reached {pod.name}"
        assert pod_reaches(world, pod.name, "right/b-2") == "reached right/b-2"
        agent.delete(pod)
        assert {name: agent.policy.transactions for name, agent in world.agents.items()} == transactions
    finally:
        world.lab.remove_pod(pod.name)
    world.apply()


def test_a_deleted_pod_is_gone_at_once(world: World) -> None:
    world.declare(AGREED)
    pod = world.pod("left/a-gone", 2, network="a")
    world.settle()
    address = pod.address(4)
    with talking(world, ("left/a-1", pod.name), ("left/a-1", "left/a-2")) as (going, staying):
        world.agents["node-2"].delete(pod)
        count = going.exchanged
        assert staying.exchanges_again()
        assert going.exchanged <= count + 1
    world.lab.remove_pod(pod.name)
    probe = Probe(start=world.lab.pods["left/a-2"].place, address=address, port=8080)
    assert str(world.lab.traffic.probe(probe)) == "refused"
    world.apply()


def test_an_agent_that_starts_again_adopts_what_it_finds(world: World) -> None:
    world.declare(AGREED)
    compilation = world.apply()
    with talking(world, ("left/a-1", "right/b-2"), ("left/a-2", "right/svc")) as conversations:
        for name, agent in world.agents.items():
            agent.restart()
            assert agent.apply(next(p for n, p in compilation.plans.items() if n == name)) == []
            assert agent.policy.transactions == 0
        assert all(one.exchanges_again() for one in conversations)


def ours(node: LabNode) -> str:
    """Everything of Atoll's that a node's kernel holds."""
    links = node.place.run("ip", "-o", "link", "show")
    names = [line.split(": ")[1].partition("@")[0] for line in links.splitlines()]
    rules = node.place.run("ip", "rule") + node.place.run("ip", "-6", "rule")
    tables = node.place.run("ip", "route", "show", "table", "all", "proto", "65")
    return "\n".join(
        [
            *sorted(name for name in names if name[:2] in ("vn", "vx", "ah", "hh", "at")),
            rules.replace("\t", " "),
            tables,
        ]
    )


def test_a_network_no_longer_declared_is_removed_completely(world: World) -> None:
    world.declare(AGREED)
    world.apply()
    before = [ours(node) for node in world.nodes]
    world.declare(BASE + LEFT + RIGHT + NETWORK.format(name="e", namespace="left", octet=90))
    pods = [world.pod(f"left/e-{node}", node, network="e") for node in (1, 2)]
    world.settle()
    assert all(now != then for now, then in zip([ours(node) for node in world.nodes], before, strict=True))
    remove(world, pods)
    world.declare(AGREED)
    world.apply()
    assert [ours(node) for node in world.nodes] == before


def remove(world: World, pods: list[LabPod]) -> None:
    for pod in pods:
        world.agents[pod.node.name].delete(pod)
        world.lab.remove_pod(pod.name)
