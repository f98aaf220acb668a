"""The reachability of the whole, as a value and as canonical text, and what a change does to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compiler.model import (
    Declarations,
    Egress,
    InfrastructureService,
    LabelSelector,
    Operator,
    Requirement,
    VirtualNetwork,
)
from compiler.names import DEFAULT_NETWORK, NetworkNumber, ObjectName
from compiler.plan import ServicePlan
from compiler.problem import Origin
from compiler.resolve import Resolution
from compiler.routers import Cause, Connection, Waiting


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    name: ObjectName
    causes: tuple[Cause, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkReach:
    """What one network reaches, and who may join it."""

    name: ObjectName
    origin: Origin
    peers: tuple[Peer, ...]
    infrastructure: tuple[str, ...]
    """As declared: "dns", "api" or `namespace/name`."""
    egress: Egress
    allowed_namespaces: str
    """The selector as `kubectl -l` writes it; "" for none but the network's own, "all" for every one."""
    services: tuple[ObjectName, ...] = ()
    """Services that have endpoints it may reach, infrastructure included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reachability:
    networks: tuple[NetworkReach, ...] = ()
    """By name."""
    waiting: tuple[Waiting, ...] = ()
    agreed: tuple[tuple[ObjectName, ObjectName], ...] = ()
    """Routers that import each other with effect, as pairs by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two networks, by name, and why they may talk, or could before."""

    left: ObjectName
    right: ObjectName
    causes: tuple[Cause, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkChange:
    """A property of a network that is not its peers: infrastructure, egress, namespaces."""

    network: ObjectName
    what: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReachabilityChange:
    """What one commit does to reachability; empty tuples where nothing changes."""

    networks_added: tuple[ObjectName, ...] = ()
    networks_removed: tuple[ObjectName, ...] = ()
    gained: tuple[Pair, ...] = ()
    lost: tuple[Pair, ...] = ()
    """With the causes that they had."""
    altered: tuple[NetworkChange, ...] = ()
    newly_waiting: tuple[Waiting, ...] = ()
    consents_given: tuple[Waiting, ...] = ()
    """Was waiting; now the awaited router imports the importer too."""
    consents_withdrawn: tuple[Waiting, ...] = ()
    """The two imported each other; now the awaited router does so no more."""
    no_longer_waiting: tuple[Waiting, ...] = ()
    """Was waiting; now nobody asks."""


def visible_services(
    plans: Iterable[ServicePlan], numbers: Mapping[ObjectName, NetworkNumber], resolution: Resolution
) -> Mapping[ObjectName, tuple[ObjectName, ...]]:
    """For each network, the Services with an endpoint that it may reach."""
    names = {number: name for name, number in numbers.items()}
    asked: dict[ObjectName, set[ObjectName]] = {name: set() for name in numbers}
    for plan in plans:
        behind = {backend.network for backend in plan.backends}
        askers = {names[number] for number in behind - {DEFAULT_NETWORK}}
        askers = askers.union(*(resolution.peers[name] for name in askers))
        if DEFAULT_NETWORK in behind:
            askers.update(names[number] for number in plan.infrastructure_of)
        for name in askers:
            asked[name].add(plan.name)
    return {name: tuple(sorted(services)) for name, services in asked.items()}


def reachability_of(
    declarations: Declarations,
    resolution: Resolution,
    services: Mapping[ObjectName, tuple[ObjectName, ...]] | None = None,
) -> Reachability:
    """`services` as `visible_services` gives them; None where no inventory is at hand."""
    shared: dict[Connection, tuple[Peer, ...]] = {}
    return Reachability(
        networks=tuple(
            NetworkReach(
                name=network.name,
                origin=network.origin,
                peers=_peers(network.name, resolution, shared),
                infrastructure=tuple(sorted(map(_entry_text, network.infrastructure))),
                egress=network.egress,
                allowed_namespaces=_allowed_text(network.allowed_namespaces),
                services=(services or {}).get(network.name, ()),
            )
            for network in sorted(declarations.networks, key=_name_of)
        ),
        waiting=resolution.waiting,
        agreed=resolution.agreed,
    )


def _name_of(network: VirtualNetwork) -> ObjectName:
    return network.name


def _peers(
    network: ObjectName, resolution: Resolution, shared: dict[Connection, tuple[Peer, ...]]
) -> tuple[Peer, ...]:
    connections = resolution.connections.get(network, ())
    if len(connections) == 1 and connections[0].left is connections[0].right:
        return tuple(peer for peer in _mesh(connections[0], shared) if peer.name != network)
    causes: dict[ObjectName, set[Cause]] = {}
    for connection in connections:
        for far in connection.across(network):
            causes.setdefault(far, set()).add(connection.cause)
    causes.pop(network, None)
    return tuple(Peer(name=name, causes=tuple(sorted(causes[name]))) for name in sorted(causes))


def _mesh(connection: Connection, shared: dict[Connection, tuple[Peer, ...]]) -> tuple[Peer, ...]:
    """The networks of one mesh router, as peers: made once, since a mesh may hold very many."""
    if connection not in shared:
        shared[connection] = tuple(
            Peer(name=name, causes=(connection.cause,)) for name in sorted(connection.left)
        )
    return shared[connection]


def _entry_text(entry: InfrastructureService) -> str:
    return str(entry)


def _allowed_text(selector: LabelSelector | None) -> str:
    if selector is None:
        return ""
    return ", ".join(sorted(map(_requirement_text, selector.requirements))) or "all"


def _requirement_text(requirement: Requirement) -> str:
    values = sorted(requirement.values)
    match requirement.operator:
        case Operator.IN if len(values) == 1:
            return f"{requirement.key}={values[0]}"
        case Operator.IN:
            return f"{requirement.key} in ({', '.join(values)})"
        case Operator.NOT_IN:
            return f"{requirement.key} notin ({', '.join(values)})"
        case Operator.EXISTS:
            return requirement.key
        case Operator.DOES_NOT_EXIST:
            return f"!{requirement.key}"


def reachability_text(reachability: Reachability) -> str:
    """Canonical text, one fact a line, ending in a newline; "" for nothing."""
    lines: list[str] = []
    for network in reachability.networks:
        lines.append(f"network {network.name} ({network.origin.place})")
        lines.extend(f"  {line}" for line in _network_lines(network))
    lines.extend(f"waiting: {some}" for some in reachability.waiting)
    return "".join(f"{line}\n" for line in lines)


def _network_lines(network: NetworkReach) -> Iterable[str]:
    if not network.peers:
        yield "talks to no other network"
    for peer in network.peers:
        yield f"talks to {peer.name}: {_why(peer.causes)}"
    for service in network.services:
        yield f"asks service {service}"
    yield f"infrastructure: {_infrastructure_text(network)}"
    yield f"egress: {network.egress}"
    yield f"namespaces: {_namespaces_text(network)}"


def _why(causes: tuple[Cause, ...]) -> str:
    return "; ".join(map(str, causes))


def _infrastructure_text(network: NetworkReach) -> str:
    return ", ".join(network.infrastructure) or "none"


def _namespaces_text(network: NetworkReach) -> str:
    own = network.name.namespace
    match network.allowed_namespaces:
        case "":
            return own
        case "all":
            return "all"
        case selector:
            return f"{own}, and those with {selector}"


def changes(before: Reachability, after: Reachability) -> ReachabilityChange:
    """What `after` has and `before` had not, and the other way round; moved lines are no change."""
    old = {network.name: network for network in before.networks}
    new = {network.name: network for network in after.networks}
    old_pairs, new_pairs = _pairs(old), _pairs(new)
    return ReachabilityChange(
        networks_added=tuple(sorted(new.keys() - old.keys())),
        networks_removed=tuple(sorted(old.keys() - new.keys())),
        gained=_difference(new_pairs, old_pairs),
        lost=_difference(old_pairs, new_pairs),
        altered=tuple(
            change for name in sorted(old.keys() & new.keys()) for change in _altered(old[name], new[name])
        ),
        **_consent_changes(before, after),
    )


_Pairs = Mapping[tuple[ObjectName, ObjectName], tuple[Cause, ...]]


def _pairs(networks: Mapping[ObjectName, NetworkReach]) -> _Pairs:
    return {
        (name, peer.name): peer.causes
        for name, network in networks.items()
        for peer in network.peers
        if name < peer.name
    }


def _difference(these: _Pairs, those: _Pairs) -> tuple[Pair, ...]:
    return tuple(
        Pair(left=left, right=right, causes=these[left, right])
        for left, right in sorted(these.keys() - those.keys())
    )


def _altered(old: NetworkReach, new: NetworkReach) -> Iterable[NetworkChange]:
    views = {
        "infrastructure": _infrastructure_text,
        "egress": lambda network: str(network.egress),
        "namespaces": _namespaces_text,
    }
    for what, view in views.items():
        if view(old) != view(new):
            yield NetworkChange(network=new.name, what=what, before=view(old), after=view(new))


def _consent_changes(before: Reachability, after: Reachability) -> dict[str, tuple[Waiting, ...]]:
    old = {(some.importer, some.awaited): some for some in before.waiting}
    new = {(some.importer, some.awaited): some for some in after.waiting}
    had, have = _both_ways(before.agreed), _both_ways(after.agreed)
    begun = [(pair, new[pair]) for pair in sorted(new.keys() - old.keys())]
    ended = [(pair, old[pair]) for pair in sorted(old.keys() - new.keys())]
    return {
        "newly_waiting": tuple(some for pair, some in begun if pair not in had),
        "consents_withdrawn": tuple(some for pair, some in begun if pair in had),
        "consents_given": tuple(some for pair, some in ended if pair in have),
        "no_longer_waiting": tuple(some for pair, some in ended if pair not in have),
    }


def _both_ways(pairs: Iterable[tuple[ObjectName, ObjectName]]) -> frozenset[tuple[ObjectName, ObjectName]]:
    return frozenset(both for one, other in pairs for both in ((one, other), (other, one)))


def change_lines(change: ReachabilityChange) -> tuple[str, ...]:
    """One line for each change, opened by `+`, `-` or `~`; empty where nothing changed."""
    return (
        *(f"+ network {name}" for name in change.networks_added),
        *(f"- network {name}" for name in change.networks_removed),
        *(f"+ {pair.left} and {pair.right} may talk: {_why(pair.causes)}" for pair in change.gained),
        *(f"- {pair.left} and {pair.right} talk no more; it was {_why(pair.causes)}" for pair in change.lost),
        *(f"~ {one.network} {one.what}: {one.before} -> {one.after}" for one in change.altered),
        *(f"+ consent given by router {some.awaited} to {some.importer}" for some in change.consents_given),
        *(
            f"- consent withdrawn by router {some.awaited} from {some.importer}"
            for some in change.consents_withdrawn
        ),
        *(f"~ {some}" for some in change.newly_waiting),
        *(
            f"~ router {some.importer} no longer waits for {some.awaited}"
            for some in change.no_longer_waiting
        ),
    )
