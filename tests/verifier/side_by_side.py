"""Many small topologies in one cluster: groups of networks that know nothing of each other.

Each group has namespaces of its own and a few networks and routers, drawn until they are valid. Subnets
come from few for all groups together, so that overlap between groups is the rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from random import Random

from compiler.model import Declarations, LabelSelector, VirtualNetwork, VirtualNetworkRouter
from compiler.names import ObjectName
from compiler.problem import Severity
from compiler.resolve import resolve
from tests.compiler.declared import EVERYTHING, declarations, network, router, where

SPACES = ("a", "b")
TIERS = ("web", "db")
KINDS = ("mesh", "mesh", "hub", "spoke")


@dataclass(frozen=True, kw_only=True, slots=True)
class Topology:
    """One group."""

    index: int
    networks: tuple[VirtualNetwork, ...]
    routers: tuple[VirtualNetworkRouter, ...]

    @property
    def names(self) -> tuple[ObjectName, ...]:
        return tuple(network.name for network in self.networks)

    @property
    def namespaces(self) -> tuple[str, ...]:
        return tuple(f"g{self.index}{space}" for space in SPACES)


def drawn(index: int, random: Random, *, most_networks: int = 4) -> Topology:
    """Valid; three of four connect something, the others have what comes."""
    talkative = random.random() < 0.75
    while True:
        topology = _drawn(index, random, most_networks)
        found = resolve(declarations(*topology.networks, *topology.routers), {})
        valid = all(problem.severity is not Severity.ERROR for problem in found.problems)
        if valid and (any(found.peers.values()) or not talkative):
            return topology


def redrawn(topology: Topology, random: Random) -> Topology:
    """The same networks with other labels and other routers, valid as well."""
    talkative = random.random() < 0.75
    for attempt in count():
        networks = tuple(
            replace(one, labels={**one.labels, "tier": random.choice(TIERS)}) for one in topology.networks
        )
        other = Topology(index=topology.index, networks=networks, routers=_routers(topology.index, random))
        found = resolve(declarations(*other.networks, *other.routers), {})
        valid = all(problem.severity is not Severity.ERROR for problem in found.problems)
        # Networks that all overlap can be joined by nothing.
        if valid and (any(found.peers.values()) or not talkative or attempt > 100):
            return other
    raise AssertionError


def _drawn(index: int, random: Random, most_networks: int) -> Topology:
    networks = tuple(_network(index, number, random) for number in range(random.randint(2, most_networks)))
    return Topology(index=index, networks=networks, routers=_routers(index, random))


def _routers(index: int, random: Random) -> tuple[VirtualNetworkRouter, ...]:
    return tuple(_router(index, number, random) for number in range(random.randint(1, 3)))


def _network(index: int, number: int, random: Random) -> VirtualNetwork:
    third = random.randrange(6)
    return network(
        f"g{index}{random.choice(SPACES)}/n{number}",
        f"10.{third}.0.0/16",
        f"fd00:{third}::/64",
        line=1000 * index + 10 * number + 1,
        infrastructure=(),
        tier=random.choice(TIERS),
    )


def _router(index: int, number: int, random: Random) -> VirtualNetworkRouter:
    selectors = (EVERYTHING, EVERYTHING, where(tier="web"), where(tier="db"))
    group = where(group=str(index))
    imports: tuple[tuple[tuple[LabelSelector, LabelSelector | None], ...], ...]
    imports = (((group, EVERYTHING),), ((group, EVERYTHING),), ((group, None),), ())
    return router(
        f"g{index}{random.choice(SPACES)}/r{number}",
        random.choice(KINDS),
        random.choice(selectors),
        imports=random.choice(imports),
        line=1000 * index + 100 + 10 * number,
        group=str(index),
    )


def together(topologies: tuple[Topology, ...]) -> Declarations:
    """All of them in one repository."""
    networks = sorted((n for one in topologies for n in one.networks), key=lambda network: network.name)
    routers = sorted((r for one in topologies for r in one.routers), key=lambda router: router.name)
    return declarations(*networks, *routers)


def many(groups: int, seed: int, *, most_networks: int = 4) -> tuple[Topology, ...]:
    random = Random(seed)
    return tuple(drawn(index, random, most_networks=most_networks) for index in range(groups))


def placed(topologies: tuple[Topology, ...], nodes: int, seed: int) -> Iterator[tuple[ObjectName, int]]:
    """Where each network has pods, nodes from 1: on one, or on two."""
    random = Random(seed)
    for topology in topologies:
        for name in topology.names:
            for node in random.sample(range(1, nodes + 1), random.choice((1, 1, 2))):
                yield name, node
