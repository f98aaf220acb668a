"""Names and selectors become the closed graph of which networks may talk.

Talking is symmetric and never transitive: it exists between two networks of one mesh router, and
between the networks of two routers that import each other and whose types combine (mesh with mesh,
hub with spoke). A routing domain is a connected component of that graph: networks that really
exchange routes, directly or over others. A network that talks to none is a domain of its own; so
are two networks of one hub router that has no spokes, since no packet ever passes between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from compiler.catalogue import found
from compiler.domains import domains_of, overlaps
from compiler.inventory import Namespace
from compiler.label_index import LabelIndex, namespace_labels
from compiler.model import Declarations, VirtualNetwork
from compiler.names import ObjectName
from compiler.problem import Problem, in_reading_order
from compiler.routers import Cause, Connection, Waiting, interconnect


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """The `may_talk` graph of one commit; every declared network is a key of `peers` and `domains`."""

    peers: Mapping[ObjectName, frozenset[ObjectName]]
    """Networks that each may talk to, itself not among them."""
    domains: Mapping[ObjectName, frozenset[ObjectName]]
    """The routing domain of each network, itself among them; one shared set for each domain."""
    waiting: tuple[Waiting, ...] = ()
    problems: tuple[Problem, ...] = ()
    connections: Mapping[ObjectName, tuple[Connection, ...]] = field(default_factory=dict)
    """What the routers connect, by each network that takes part."""
    agreed: tuple[tuple[ObjectName, ObjectName], ...] = ()
    """Routers that import each other and whose types combine, as pairs by name."""

    def may_talk(self, left: ObjectName, right: ObjectName) -> bool:
        return left == right or right in self.peers[left]

    def causes(self, left: ObjectName, right: ObjectName) -> tuple[Cause, ...]:
        """The routers that make two networks talk, sorted; empty where they may not."""
        if left == right:
            return ()
        connecting = self.connections.get(left, ())
        return tuple(sorted({c.cause for c in connecting if right in c.across(left)}))


def resolve(declarations: Declarations, namespaces: Mapping[str, Namespace]) -> Resolution:
    """The graph and every problem of selection, consent and overlap.

    A namespace that the inventory does not know has only its implied name label.
    """
    networks = sorted(declarations.networks, key=lambda network: network.name)
    joined = interconnect(declarations.routers, networks, namespaces)
    connections = _by_network(joined.connections)
    domains = domains_of((network.name for network in networks), joined.connections)
    problems = (
        *joined.problems,
        *overlaps(networks, domains, connections),
        *_idle_permissions(networks, namespaces),
    )
    return Resolution(
        peers={network.name: _peers(network.name, connections) for network in networks},
        domains=domains,
        waiting=joined.waiting,
        problems=in_reading_order(problems),
        connections=connections,
        agreed=joined.agreed,
    )


def _by_network(connections: Iterable[Connection]) -> Mapping[ObjectName, tuple[Connection, ...]]:
    found: dict[ObjectName, list[Connection]] = {}
    for connection in connections:
        sides = connection.left if connection.left is connection.right else connection.left | connection.right
        for network in sides:
            found.setdefault(network, []).append(connection)
    return {network: tuple(some) for network, some in found.items()}


def _peers(
    network: ObjectName, connections: Mapping[ObjectName, tuple[Connection, ...]]
) -> frozenset[ObjectName]:
    far = [connection.across(network) for connection in connections.get(network, ())]
    together = far[0] if len(far) == 1 else frozenset[ObjectName]().union(*far)
    return together - {network}


def _idle_permissions(
    networks: Iterable[VirtualNetwork], namespaces: Mapping[str, Namespace]
) -> Iterable[Problem]:
    """Without an inventory nothing is known of namespaces, so nothing is said."""
    if not namespaces:
        return
    index = LabelIndex((name, namespace_labels(name, namespaces)) for name in sorted(namespaces))
    for network in networks:
        selector = network.allowed_namespaces
        if selector is None or any(name != network.name.namespace for name in index.select(selector)):
            continue
        yield found(
            "ATL313",
            origin=network.origin,
            subject=f"VirtualNetwork {network.name}",
            reason="its allowedNamespaces matches no other namespace of the cluster, so it admits nobody",
        )
