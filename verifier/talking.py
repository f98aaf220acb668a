"""Who may talk to whom, read off the written rules of routers and nothing else.

Two networks talk when one mesh router selects both, or when two routers that import each other select
one each and are mesh and mesh, or hub and spoke. Talking is symmetric and not transitive; a routing
domain is what talking holds together, directly or over others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from compiler.inventory import Namespace
from compiler.model import Declarations, LabelSelector, RouterImport, RouterType, VirtualNetworkRouter
from compiler.names import ObjectName

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that the API server puts on every namespace."""

PAIRS = frozenset(
    {
        (RouterType.MESH, RouterType.MESH),
        (RouterType.HUB, RouterType.SPOKE),
        (RouterType.SPOKE, RouterType.HUB),
    }
)
"""The types of two routers that import each other, where that makes networks talk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Join:
    """One mesh router, or two routers that agreed, and the networks on either side."""

    routers: tuple[VirtualNetworkRouter, ...]
    left: frozenset[ObjectName]
    right: frozenset[ObjectName]

    def connects(self, one: ObjectName, other: ObjectName) -> bool:
        return (one in self.left and other in self.right) or (other in self.left and one in self.right)


@dataclass(frozen=True, kw_only=True, slots=True)
class Talking:
    """Every declared network is a key of `peers` and of `domains`."""

    joins: tuple[Join, ...]
    peers: Mapping[ObjectName, frozenset[ObjectName]]
    """Networks that each may talk to, itself not among them."""
    domains: Mapping[ObjectName, frozenset[ObjectName]]
    """The networks that each is held together with, itself among them."""

    def may_talk(self, one: ObjectName, other: ObjectName) -> bool:
        return one == other or other in self.peers[one]

    def routers_between(self, one: ObjectName, other: ObjectName) -> tuple[VirtualNetworkRouter, ...]:
        """The routers that let the two talk, each once; none where they may not."""
        found = {
            router.name: router
            for join in self.joins
            if one != other and join.connects(one, other)
            for router in join.routers
        }
        return tuple(found[name] for name in sorted(found))


def talking(declarations: Declarations, namespaces: Mapping[str, Namespace]) -> Talking:
    """A namespace that the inventory does not hold has the label of its name and no other."""
    selected = {router.name: _selected(declarations, router) for router in declarations.routers}
    joins = tuple(_joins(declarations.routers, selected, namespaces))
    peers: dict[ObjectName, set[ObjectName]] = {network.name: set() for network in declarations.networks}
    for join in joins:
        for side, far in ((join.left, join.right), (join.right, join.left)):
            for one in side:
                peers[one] |= far
    settled = {name: frozenset(some - {name}) for name, some in peers.items()}
    return Talking(joins=joins, peers=settled, domains=_domains(settled))


def labels_of(namespace: str, namespaces: Mapping[str, Namespace]) -> Mapping[str, str]:
    known = namespaces.get(namespace)
    return {**(known.labels if known else {}), NAME_LABEL: namespace}


def _selected(declarations: Declarations, router: VirtualNetworkRouter) -> frozenset[ObjectName]:
    return frozenset(
        network.name
        for network in declarations.networks
        if network.name.namespace == router.name.namespace and router.network_selector.matches(network.labels)
    )


def _joins(
    routers: Iterable[VirtualNetworkRouter],
    selected: Mapping[ObjectName, frozenset[ObjectName]],
    namespaces: Mapping[str, Namespace],
) -> Iterable[Join]:
    listed = tuple(sorted(routers, key=lambda router: router.name))
    imported = _imported(listed, namespaces)
    for router in listed:
        members = selected[router.name]
        if router.type is RouterType.MESH:
            yield Join(routers=(router,), left=members, right=members)
        for other in listed:
            mutual = other.name in imported[router.name] and router.name in imported[other.name]
            if router.name < other.name and mutual and (router.type, other.type) in PAIRS:
                yield Join(routers=(router, other), left=members, right=selected[other.name])


def _imported(
    routers: tuple[VirtualNetworkRouter, ...], namespaces: Mapping[str, Namespace]
) -> Mapping[ObjectName, frozenset[ObjectName]]:
    """Of each router, those that one of its import entries selects: by their labels, in the right place."""
    by_labels = _answering(lambda wanted: {r.name for r in routers if wanted.matches(r.labels)})
    spaces = {router.name.namespace for router in routers}
    by_space = _answering(
        lambda wanted: {r.name for r in routers if r.name.namespace in _matched(wanted, spaces, namespaces)}
    )
    in_space = {space: {r.name for r in routers if r.name.namespace == space} for space in spaces}

    def consented(router: VirtualNetworkRouter, entry: RouterImport) -> set[ObjectName]:
        wanted = entry.namespace_selector
        within = by_space(wanted) if wanted else in_space[router.name.namespace]
        return by_labels(entry.router_selector) & within

    return {
        router.name: frozenset().union(*(consented(router, entry) for entry in router.imports))
        for router in routers
    }


def _answering(
    ask: Callable[[LabelSelector], set[ObjectName]],
) -> Callable[[LabelSelector], set[ObjectName]]:
    """Selectors repeat: hundreds of spokes import the same hub."""
    known: dict[LabelSelector, set[ObjectName]] = {}

    def answer(selector: LabelSelector) -> set[ObjectName]:
        if selector not in known:
            known[selector] = ask(selector)
        return known[selector]

    return answer


def _matched(
    selector: LabelSelector, spaces: Iterable[str], namespaces: Mapping[str, Namespace]
) -> frozenset[str]:
    return frozenset(space for space in spaces if selector.matches(labels_of(space, namespaces)))


def _domains(
    peers: Mapping[ObjectName, frozenset[ObjectName]],
) -> Mapping[ObjectName, frozenset[ObjectName]]:
    """By walking from each network as far as talking leads."""
    domains: dict[ObjectName, frozenset[ObjectName]] = {}
    for start in peers:
        if start in domains:
            continue
        reached, ahead = {start}, [start]
        while ahead:
            new = peers[ahead.pop()] - reached
            reached |= new
            ahead += new
        domain = frozenset(reached)
        domains.update(dict.fromkeys(reached, domain))
    return domains
