"""What routers connect: the table of router types, mutual import, and consents still missing.

Two routers connect their networks when each has an import entry that selects the other and their
types combine. A single mesh router connects its networks by itself. Nothing else makes anyone talk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compiler.catalogue import found
from compiler.inventory import Namespace
from compiler.label_index import LabelIndex, namespace_labels
from compiler.model import LabelSelector, RouterImport, RouterType, VirtualNetwork, VirtualNetworkRouter
from compiler.names import ObjectName
from compiler.problem import Origin, Problem

PARTNER = {
    RouterType.MESH: RouterType.MESH,
    RouterType.HUB: RouterType.SPOKE,
    RouterType.SPOKE: RouterType.HUB,
}
"""The type with which each type connects by mutual import; every other pair has no effect."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Cause:
    """Why two networks may talk: one mesh router, or two routers that import each other."""

    routers: tuple[ObjectName, ...]
    """One or two, by name."""
    types: tuple[str, ...]
    """Of the routers, in their order: "mesh", "hub" or "spoke"."""
    origins: tuple[Origin, ...]
    """Of the routers, in their order."""

    def __str__(self) -> str:
        named = [
            f"{kind} router {name} ({origin.place})"
            for kind, name, origin in zip(self.types, self.routers, self.origins, strict=True)
        ]
        return named[0] if len(named) == 1 else f"{' and '.join(named)}, which import each other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """Every network of `left` may talk to every other one of `right`; the same set for a mesh router."""

    cause: Cause
    left: frozenset[ObjectName]
    right: frozenset[ObjectName]

    def across(self, network: ObjectName) -> frozenset[ObjectName]:
        """Networks on the other side of one of them, itself possibly among them."""
        far: frozenset[ObjectName] = frozenset()
        if network in self.left:
            far = self.right
        if network in self.right and self.left is not far:
            far = far | self.left
        return far


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Waiting:
    """A one-sided import between routers whose types would combine: consent is missing."""

    importer: ObjectName
    awaited: ObjectName
    """The router that does not import `importer`."""
    origin: Origin
    """Of the import entry."""
    awaited_origin: Origin

    def __str__(self) -> str:
        return (
            f"router {self.importer} ({self.origin.place}) waits for the consent of "
            f"router {self.awaited} ({self.awaited_origin.place})"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Interconnection:
    """Everything that the routers of one commit say together."""

    connections: tuple[Connection, ...]
    agreed: tuple[tuple[ObjectName, ObjectName], ...]
    """Routers that import each other and whose types combine, whether or not they have networks."""
    waiting: tuple[Waiting, ...]
    problems: tuple[Problem, ...]


def interconnect(
    routers: Iterable[VirtualNetworkRouter],
    networks: Iterable[VirtualNetwork],
    namespaces: Mapping[str, Namespace],
) -> Interconnection:
    """What the routers connect; every declaration without effect is a warning."""
    by_name = {router.name: router for router in sorted(routers, key=lambda router: router.name)}
    problems: list[Problem] = []
    members = _members(by_name, networks, problems)
    imports = _imports(by_name, namespaces, problems)
    agreed, waiting = _consents(by_name, imports)
    connections = [
        Connection(cause=_cause(router), left=members[name], right=members[name])
        for name, router in by_name.items()
        if router.type is RouterType.MESH and len(members[name]) > 1
    ]
    connections.extend(
        Connection(cause=_cause(by_name[one], by_name[other]), left=members[one], right=members[other])
        for one, other in agreed
        if members[one] and members[other]
    )
    problems.extend(_problem_of_waiting(some) for some in waiting)
    problems.extend(
        problem for router in by_name.values() if (problem := _idle(router, members[router.name]))
    )
    return Interconnection(
        connections=tuple(connections), agreed=agreed, waiting=waiting, problems=tuple(problems)
    )


def _consents(
    routers: Mapping[ObjectName, VirtualNetworkRouter],
    imports: Mapping[ObjectName, Mapping[ObjectName, RouterImport]],
) -> tuple[tuple[tuple[ObjectName, ObjectName], ...], tuple[Waiting, ...]]:
    """Pairs of routers that agreed, each once, and one-sided imports."""
    agreed: list[tuple[ObjectName, ObjectName]] = []
    waiting: list[Waiting] = []
    for name, partners in imports.items():
        for partner, entry in partners.items():
            if name not in imports[partner]:
                waiting.append(_waiting(routers[name], routers[partner], entry))
            elif name < partner:
                agreed.append((name, partner))
    return tuple(sorted(agreed)), tuple(sorted(waiting))


def _members(
    routers: Mapping[ObjectName, VirtualNetworkRouter],
    networks: Iterable[VirtualNetwork],
    problems: list[Problem],
) -> Mapping[ObjectName, frozenset[ObjectName]]:
    by_namespace: dict[str, list[tuple[ObjectName, Mapping[str, str]]]] = {}
    for network in networks:
        by_namespace.setdefault(network.name.namespace, []).append((network.name, network.labels))
    indexes = {namespace: LabelIndex(items) for namespace, items in by_namespace.items()}
    empty: LabelIndex[ObjectName] = LabelIndex(())
    members = {}
    for name, router in routers.items():
        index = indexes.get(name.namespace, empty)
        members[name] = frozenset(index.select(router.network_selector))
        if not members[name]:
            problems.append(_selects_no_network(router))
    return members


def _imports(
    routers: Mapping[ObjectName, VirtualNetworkRouter],
    namespaces: Mapping[str, Namespace],
    problems: list[Problem],
) -> Mapping[ObjectName, Mapping[ObjectName, RouterImport]]:
    """For each router, the others that it imports with effect and the first entry that does."""
    everywhere = LabelIndex((router, router.labels) for router in routers.values())
    inhabited = sorted({name.namespace for name in routers})
    spaces = LabelIndex((space, namespace_labels(space, namespaces)) for space in inhabited)
    imports: dict[ObjectName, dict[ObjectName, RouterImport]] = {}
    for name, router in routers.items():
        partners = imports[name] = {}
        for entry in router.imports:
            within = _namespaces_of(entry.namespace_selector, name.namespace, spaces)
            selected = [
                other for other in everywhere.select(entry.router_selector) if other.name.namespace in within
            ]
            for other in selected:
                if other.type is PARTNER[router.type] and other is not router:
                    partners.setdefault(other.name, entry)
            problems.extend(_judge_import(router, entry, selected))
    return imports


def _namespaces_of(selector: LabelSelector | None, own: str, spaces: LabelIndex[str]) -> frozenset[str]:
    return frozenset((own,)) if selector is None else frozenset(spaces.select(selector))


def _cause(*routers: VirtualNetworkRouter) -> Cause:
    return Cause(
        routers=tuple(router.name for router in routers),
        types=tuple(router.type.value for router in routers),
        origins=tuple(router.origin for router in routers),
    )


def _waiting(router: VirtualNetworkRouter, partner: VirtualNetworkRouter, entry: RouterImport) -> Waiting:
    return Waiting(
        importer=router.name,
        awaited=partner.name,
        origin=entry.origin,
        awaited_origin=partner.origin,
    )


def _subject(router: VirtualNetworkRouter) -> str:
    return f"VirtualNetworkRouter {router.name}"


def _selects_no_network(router: VirtualNetworkRouter) -> Problem:
    return found(
        "ATL311",
        origin=router.origin,
        subject=_subject(router),
        reason=f"its virtualNetworkSelector matches no network of namespace {router.name.namespace}",
    )


def _problem_of_waiting(waiting: Waiting) -> Problem:
    return found(
        "ATL501",
        origin=waiting.origin,
        subject=f"VirtualNetworkRouter {waiting.importer}",
        reason=(
            f"it imports router {waiting.awaited} ({waiting.awaited_origin.place}), which does not import "
            "it: their networks do not talk while that consent is missing"
        ),
        remedy=f"Let {waiting.awaited} import {waiting.importer} too, or remove this import",
    )


_NAMED = 5
"""Of many routers in one message, this many are named."""


def _judge_import(
    router: VirtualNetworkRouter, entry: RouterImport, selected: list[VirtualNetworkRouter]
) -> Iterable[Problem]:
    others = [other for other in selected if other is not router]
    if not others:
        matches = "matches only the router itself" if selected else "matches no router"
        yield found(
            "ATL312",
            origin=entry.origin,
            subject=_subject(router),
            reason=f"its import {matches}, so it has no effect",
        )
    useless = [other for other in others if other.type is not PARTNER[router.type]]
    if useless:
        named = ", ".join(f"{other.type} {other.name}" for other in useless[:_NAMED])
        more = f" and {len(useless) - _NAMED} more" if len(useless) > _NAMED else ""
        yield found(
            "ATL502",
            origin=entry.origin,
            subject=_subject(router),
            reason=(
                f"it is a {router.type} and imports {named}{more}: these types never connect, "
                "so that has no effect"
            ),
            remedy=_advice(router, useless[0]),
        )


def _advice(router: VirtualNetworkRouter, other: VirtualNetworkRouter) -> str | None:
    """A router selects networks of its own namespace, so across namespaces it takes two."""
    if router.type is not other.type:
        return None
    connect = "add a mesh router that selects their networks"
    if router.name.namespace != other.name.namespace:
        connect = (
            "add a mesh router in each of the two namespaces that selects these networks, "
            "and let the two import each other"
        )
    if router.type is RouterType.HUB:
        return f"To let networks of hubs talk, {connect}"
    return f"Spokes reach only hubs: narrow the selector, or {connect}"


def _idle(router: VirtualNetworkRouter, members: frozenset[ObjectName]) -> Problem | None:
    """A router that connects nothing and asks for nothing."""
    if router.imports or not members or (router.type is RouterType.MESH and len(members) > 1):
        return None
    what = f"mesh over the single network {min(members)}" if router.type is RouterType.MESH else router.type
    return found(
        "ATL503",
        origin=router.origin,
        subject=_subject(router),
        reason=f"it is a {what} and imports no router, so it has no effect",
    )
