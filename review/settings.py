"""Properties of objects that are other than before, and whether that opens or cuts.

A network that is new is compared with the narrowest one: no egress, no other namespaces, and of the
infrastructure that every network has no more than it asks for. Where narrower cannot be shown, it counts as
wider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_network
from typing import Final

from compiler.model import (
    DEFAULT_INFRASTRUCTURE,
    ClusterConfig,
    Declarations,
    Egress,
    InfrastructurePlace,
    LabelSelector,
    Limits,
    Prefix,
    VirtualNetwork,
)
from compiler.names import ObjectName
from compiler.reachability import NetworkReach
from review.lines import Comparison
from review.model import Bearing, Setting
from review.side import State

_PLACES: Final = frozenset({"origin", "deletions_origin", "limits_origin"})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sight:
    """A network as declared, and as its reach is told."""

    declared: VirtualNetwork
    told: NetworkReach


def settings(base: State, head: State, comparison: Comparison) -> tuple[Setting, ...]:
    """Of networks by name, then of the cluster; of a network that is gone, nothing."""
    old, new = _sights(base), _sights(head)
    found = [change for name in sorted(new) for change in _of_network(old.get(name), new[name], comparison)]
    if base.declarations is None or head.declarations is None:
        return tuple(found)
    return (*found, *_of_cluster(base.declarations, head.declarations, comparison))


def _sights(state: State) -> Mapping[ObjectName, _Sight]:
    told = {network.name: network for network in state.reachability.networks}
    networks = state.declarations.networks if state.declarations else ()
    return {network.name: _Sight(declared=network, told=told[network.name]) for network in networks}


def _of_network(old: _Sight | None, new: _Sight, comparison: Comparison) -> Iterator[Setting]:
    subject = f"VirtualNetwork {new.declared.name}"
    for what, before, after, bearing in _differences(old, new):
        yield Setting(
            object=subject,
            what=what,
            before=before,
            after=after,
            bearing=bearing,
            lines=comparison.lines(subject),
        )


_Difference = tuple[str, tuple[str, ...], tuple[str, ...], Bearing]


def _differences(old: _Sight | None, new: _Sight) -> Iterator[_Difference]:
    had = old.declared.infrastructure if old else DEFAULT_INFRASTRUCTURE
    before, after = _texts(had), _texts(new.declared.infrastructure)
    if old is None:  # what it never had is not taken away
        before = tuple(entry for entry in before if entry in after)
    if before != after:
        yield "infrastructure", before, after, _widening(before, after)
    egress = old.declared.egress if old else Egress.NONE
    if egress is not new.declared.egress:
        bearing = Bearing.CUTS if new.declared.egress is Egress.NONE else Bearing.OPENS
        yield "egress", (egress.value,), (new.declared.egress.value,), bearing
    admitted = old.declared.allowed_namespaces if old else None
    if admitted != new.declared.allowed_namespaces:
        told = tuple(filter(None, (old.told.allowed_namespaces if old else "",)))
        tells = tuple(filter(None, (new.told.allowed_namespaces,)))
        yield "other namespaces", told, tells, _admits(admitted, new.declared.allowed_namespaces)
    if old:
        ranges, now = _ranges(old.declared), _ranges(new.declared)
        if ranges != now:
            yield "subnets", ranges, now, Bearing.CUTS if left(ranges, now) else Bearing.NEITHER


def left(before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
    """The subnets that are not wholly in one of the later: blocks in the others stay whose they are."""
    kept = [ip_network(text) for text in after]
    return tuple(text for text in before if not any(_is_inside(ip_network(text), other) for other in kept))


def _is_inside(one: Prefix, other: Prefix) -> bool:
    return one.version == other.version and one.prefixlen >= other.prefixlen and one.overlaps(other)


def _ranges(network: VirtualNetwork) -> tuple[str, ...]:
    return tuple(str(subnet.prefix) for subnet in network.subnets)


def _widening(before: Iterable[str], after: Iterable[str]) -> Bearing:
    """Of a list whose entries each open something."""
    old, new = frozenset(before), frozenset(after)
    if old < new:
        return Bearing.OPENS
    return Bearing.CUTS if new < old else Bearing.BOTH


def _admits(before: LabelSelector | None, after: LabelSelector | None) -> Bearing:
    """Requirements are joined by `and`: with all of the earlier ones a selector admits no more."""
    if after is None:
        return Bearing.CUTS
    if before is None:
        return Bearing.OPENS
    old, new = frozenset(before.requirements), frozenset(after.requirements)
    if new >= old:
        return Bearing.CUTS
    return Bearing.OPENS if old >= new else Bearing.BOTH


def _of_cluster(before: Declarations, after: Declarations, comparison: Comparison) -> Iterator[Setting]:
    old, new = _facts(before.config), _facts(after.config)
    leaves = any(network.egress is not Egress.NONE for network in after.networks)
    for what in old:
        if old[what] != new[what]:
            yield Setting(
                object="ClusterConfig",
                what=what,
                before=old[what],
                after=new[what],
                bearing=_of_fact(what, old[what], new[what], leaves=leaves),
                lines=comparison.lines("ClusterConfig"),
            )


_CLOSED: Final = frozenset({"podRanges", "serviceRanges", "nodeRanges"})
"""Where egress never leads."""
_OPEN: Final = frozenset({"dns", "api"})


def _of_fact(what: str, before: tuple[str, ...], after: tuple[str, ...], *, leaves: bool) -> Bearing:
    if what in _CLOSED and leaves:
        return _widening(after, before)
    return _widening(before, after) if what in _OPEN else Bearing.NEITHER


def _facts(config: ClusterConfig) -> Mapping[str, tuple[str, ...]]:
    """Every field but places, as the texts of what it holds."""
    facts: dict[str, tuple[str, ...]] = {}
    for some in fields(config):
        value = getattr(config, some.name)
        if isinstance(value, Limits):
            facts |= {f"limits.{_camel(key.name)}": _texts(getattr(value, key.name)) for key in fields(value)}
        elif some.name not in _PLACES:
            facts[_camel(some.name)] = _texts(value)
    return facts


def _texts(value: object) -> tuple[str, ...]:
    """Sorted, for the order says nothing."""
    if isinstance(value, InfrastructurePlace):
        service = [f"Service {value.service}"] if value.service else []
        ports = [f"{protocol} {port}" for protocol, port in value.ports]
        return (*service, *sorted(map(str, value.addresses)), *sorted(ports))
    if isinstance(value, tuple):
        return tuple(sorted(map(str, value)))
    return (f"{value:g}" if isinstance(value, float) else str(value),)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.upper() if word in ("v4", "v6") else word.capitalize() for word in rest)
