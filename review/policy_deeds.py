"""What a change does to each network, in the words of guards.

A network that is new is compared with the narrowest one: no peers, no egress, no other namespaces, and
the infrastructure that every network has. Where narrower cannot be proved, it counts as wider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from compiler.addresses import overlap
from compiler.model import (
    DEFAULT_INFRASTRUCTURE,
    ClusterConfig,
    Declarations,
    Egress,
    InfrastructureKeyword,
    InfrastructurePlace,
    LabelSelector,
    Prefix,
    VirtualNetwork,
)
from compiler.names import ObjectName
from compiler.problem import Origin
from compiler.reachability import Pair, ReachabilityChange
from review.policy import Guarded


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """One thing that a change does to one network."""

    kind: Guarded
    network: ObjectName
    what: str
    """As it follows the network's name: `may newly talk to team-b/blue`."""
    origins: tuple[Origin, ...]
    """Of what causes it, in the later commit; of what went, in the earlier."""


_UNKNOWN = "if the labels of namespaces are so, which no inventory says"
Networks = Mapping[ObjectName, VirtualNetwork]


def deeds(
    before: Declarations,
    after: Declarations,
    change: ReachabilityChange,
    uncertain: Iterable[Pair] = (),
) -> Iterator[Deed]:
    """Everything that guards can refuse, by kind, then by name. `uncertain` pairs count as gained."""
    old = {network.name: network for network in before.networks}
    new = {network.name: network for network in after.networks}
    yield from _peers(Guarded.NEW_PEERS, "may newly talk to", change.gained)
    yield from _peers(Guarded.NEW_PEERS, f"may newly talk, {_UNKNOWN}, to", uncertain)
    yield from _peers(Guarded.LOST_PEERS, "no longer talks to", change.lost)
    yield from _egress(before.config, after.config, old, new)
    yield from _infrastructure(before.config, after.config, old, new)
    yield from _namespaces(old, new)
    for name in change.networks_removed:
        yield Deed(kind=Guarded.REMOVAL, network=name, what="is removed", origins=(old[name].origin,))


def _peers(kind: Guarded, verb: str, pairs: Iterable[Pair]) -> Iterator[Deed]:
    for pair in pairs:
        origins = tuple(sorted({origin for cause in pair.causes for origin in cause.origins}))
        for one, other in ((pair.left, pair.right), (pair.right, pair.left)):
            yield Deed(kind=kind, network=one, what=f"{verb} {other}", origins=origins)


def _egress(before: ClusterConfig, after: ClusterConfig, old: Networks, new: Networks) -> Iterator[Deed]:
    bared = [prefix for prefix in _closed(before) if not _within(prefix, _closed(after))]
    for network in new.values():
        if network.egress is Egress.NONE:
            continue
        earlier = old.get(network.name)
        if earlier is None or earlier.egress is Egress.NONE:
            what, origin = "may newly leave the cluster", network.origin
        elif bared:
            ranges = ", ".join(map(str, bared))
            what, origin = f"may leave to {ranges}, no longer a range of the cluster", after.origin
        else:
            continue
        yield Deed(kind=Guarded.EGRESS, network=network.name, what=what, origins=(origin,))


def _closed(config: ClusterConfig) -> tuple[Prefix, ...]:
    """What egress never leads to."""
    return (*config.pod_ranges, *config.service_ranges, *config.node_ranges)


def _within(prefix: Prefix, ranges: Iterable[Prefix]) -> bool:
    return any(one.prefixlen <= prefix.prefixlen and overlap(one, prefix) for one in ranges)


def _infrastructure(
    before: ClusterConfig, after: ClusterConfig, old: Networks, new: Networks
) -> Iterator[Deed]:
    moved = {
        keyword
        for keyword, was, is_now in (
            (InfrastructureKeyword.DNS, before.dns, after.dns),
            (InfrastructureKeyword.API, before.api, after.api),
        )
        if not _narrower(is_now, was)
    }
    for network in new.values():
        earlier = old.get(network.name)
        had = frozenset(earlier.infrastructure if earlier else DEFAULT_INFRASTRUCTURE)
        for entry in network.infrastructure:
            if entry not in had:
                what, origin = f"newly reaches {entry} of the default network", network.origin
            elif entry in moved and earlier is not None:
                what, origin = f"reaches {entry} at another place", after.origin
            else:
                continue
            yield Deed(kind=Guarded.INFRASTRUCTURE, network=network.name, what=what, origins=(origin,))


def _narrower(after: InfrastructurePlace, before: InfrastructurePlace) -> bool:
    """Also true of equal places."""
    if after.service not in (before.service, None):
        return False
    return frozenset(after.addresses) <= frozenset(before.addresses) and (
        frozenset(after.ports) <= frozenset(before.ports)
    )


def _namespaces(old: Networks, new: Networks) -> Iterator[Deed]:
    for network in new.values():
        earlier = old.get(network.name)
        allowed = network.allowed_namespaces
        if allowed is None or _admits_no_more(allowed, earlier.allowed_namespaces if earlier else None):
            continue
        what = "may admit pods of more namespaces"
        yield Deed(kind=Guarded.NAMESPACES, network=network.name, what=what, origins=(network.origin,))


def _admits_no_more(after: LabelSelector, before: LabelSelector | None) -> bool:
    """Requirements are joined by `and`: with all of the earlier ones it admits no more."""
    return before is not None and frozenset(after.requirements) >= frozenset(before.requirements)
