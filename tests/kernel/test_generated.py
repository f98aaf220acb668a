"""Generated clusters: what the declarations mean, what the compiler found, and what packets do agree."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from cli.lab.lab import LabNamespace, LabPod
from compiler.parse import parse
from compiler.resolve import resolve
from tests.kernel.meaning import may_talk
from tests.kernel.world import World

SPACES = ("a", "b", "c")
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    world = make_world(nodes=3)
    world.cluster += "  limits: {maxDeletedShare: 1}\n"  # each cluster replaces the one before
    world.lab.namespaces.update({space: LabNamespace(labels={"team": space}) for space in SPACES})
    return world


def network(random: Random, index: int) -> str:
    """Subnets are drawn from few, so that networks overlap often."""
    space, third = random.choice(SPACES), random.randrange(4)
    return f"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: n{index}, namespace: {space}, labels: {{tier: {random.choice(("web", "db"))}}}}}
spec: {{subnets: ["10.{third}.0.0/16", "fd00:{third}::/64"]}}
---
"""


def router(random: Random, index: int) -> str:
    selectors = ("{}", "{matchLabels: {tier: web}}", "{matchLabels: {tier: db}}")
    return f"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {{name: r{index}, namespace: {random.choice(SPACES)}}}
spec:
  type: {random.choice(("mesh", "hub", "spoke"))}
  virtualNetworkSelector: {random.choice(selectors)}
  import: {{virtualNetworkRouters: [{{virtualNetworkRouterSelector: {{}}, namespaceSelector: {{}}}}]}}
---
"""


def drawn(world: World, random: Random) -> str:
    """Declarations that are valid, have routers, and let some pairs talk and some not."""
    while True:
        networks = "".join(network(random, index) for index in range(6))
        text = networks + "".join(router(random, index) for index in range(4))
        parsed = parse({"c.yaml": world.cluster.encode(), "n.yaml": text.encode()}, revision="")
        if parsed.declarations is None:
            continue
        resolution = resolve(parsed.declarations, world.inventory().namespaces)
        talking = sum(len(peers) for peers in resolution.peers.values())
        if not any(problem.severity == "error" for problem in resolution.problems) and 4 <= talking <= 20:
            return text


@pytest.mark.parametrize("seed", SEEDS)
def test_meaning_compiler_and_packets_agree(world: World, seed: int) -> None:
    """One cluster after another in one world: what is left of the former must not matter."""
    random = Random(seed)
    world.declare(drawn(world, random))
    pods = [
        world.pod(f"{name.namespace}/{name.name}-{node}", node, network=name.name)
        for name in (declared.name for declared in world.declarations.networks)
        for node in random.sample((1, 2, 3), 2)
    ]
    compilation = world.settle()
    names = [declared.name for declared in world.declarations.networks]
    for one in names:
        for other in names:
            talk = may_talk(world.declarations, world.labels(), one, other)
            assert (other == one or other in compilation.resolution.peers.get(one, ())) == talk, (one, other)
    world.check(world.pair_checks(pods, pods, protocols=("TCP",)))
    leave(world, pods)


def leave(world: World, pods: list[LabPod]) -> None:
    for pod in pods:
        world.agents[pod.node.name].delete(pod)
        world.lab.remove_pod(pod.name)
