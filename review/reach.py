"""Who reaches whom otherwise than before: networks and their pods, Services, consents, connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from compiler.model import VirtualNetwork
from compiler.names import ObjectName
from compiler.network_table import zones_of
from compiler.reachability import NetworkReach, Reachability, ReachabilityChange
from compiler.routers import Waiting
from review.bonds import Differing
from review.lines import Comparison
from review.members import Members
from review.model import Arrival, Bearing, Consent, ConsentKind, Cut, Line, Reacher, Setting, Side
from review.settings import left
from review.side import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """The two states and what was made out of them so far."""

    base: State
    head: State
    change: ReachabilityChange
    comparison: Comparison
    differing: Differing
    before: Members
    after: Members

    @property
    def counts_services(self) -> bool:
        """Whether Services are known on both sides."""
        return all(state.compilation and not state.compilation.refused for state in (self.base, self.head))


def arrivals(scene: Scene) -> tuple[Arrival, ...]:
    declared = _declared(scene.head)
    return tuple(
        _arrival(declared[name], scene.after, scene.comparison) for name in scene.change.networks_added
    )


def departures(scene: Scene) -> tuple[Arrival, ...]:
    declared = _declared(scene.base)
    return tuple(
        _arrival(declared[name], scene.before, scene.comparison) for name in scene.change.networks_removed
    )


def _declared(state: State) -> Mapping[ObjectName, VirtualNetwork]:
    networks = state.declarations.networks if state.declarations else ()
    return {network.name: network for network in networks}


def _arrival(network: VirtualNetwork, members: Members, comparison: Comparison) -> Arrival:
    return Arrival(
        network=str(network.name),
        subnets=tuple(str(subnet.prefix) for subnet in network.subnets),
        pods=members.pods(network.name),
        lines=comparison.lines(f"VirtualNetwork {network.name}"),
    )


def reachers(scene: Scene) -> tuple[Reacher, ...]:
    """Every network whose reach differs, by name."""
    old, new = _by_name(scene.base.reachability), _by_name(scene.head.reachability)
    gains, loses = _partners(scene.change, gained=True), _partners(scene.change, gained=False)
    found = []
    for name in sorted({**old, **new}):
        answered, answering = _services(old.get(name)), _services(new.get(name))
        if not scene.counts_services:
            answered = answering = frozenset()
        if name in gains or name in loses or answered != answering:
            members = scene.after if name in new else scene.before
            found.append(
                Reacher(
                    network=str(name),
                    pods=members.pods(name),
                    namespaces=members.shares(name),
                    gains=tuple(sorted(gains.get(name, ()))),
                    loses=tuple(sorted(loses.get(name, ()))),
                    services_gained=tuple(sorted(answering - answered)),
                    services_lost=tuple(sorted(answered - answering)),
                )
            )
    return tuple(found)


def concerned(base: Reachability, head: Reachability, change: ReachabilityChange) -> frozenset[ObjectName]:
    """Networks whose pods a reader will ask for."""
    old, new = _by_name(base), _by_name(head)
    return frozenset(
        (
            *change.networks_added,
            *change.networks_removed,
            *(name for pair in (*change.gained, *change.lost) for name in (pair.left, pair.right)),
            *(name for name in {**old, **new} if _services(old.get(name)) != _services(new.get(name))),
            *(altered.network for altered in change.altered),
        )
    )


def _by_name(reachability: Reachability) -> Mapping[ObjectName, NetworkReach]:
    return {network.name: network for network in reachability.networks}


def _services(network: NetworkReach | None) -> frozenset[str]:
    return frozenset(map(str, network.services)) if network else frozenset()


def _partners(change: ReachabilityChange, *, gained: bool) -> Mapping[ObjectName, list[str]]:
    partners: dict[ObjectName, list[str]] = {}
    for pair in change.gained if gained else change.lost:
        partners.setdefault(pair.left, []).append(str(pair.right))
        partners.setdefault(pair.right, []).append(str(pair.left))
    return partners


def consents(scene: Scene) -> tuple[Consent, ...]:
    change = scene.change
    kinds = (
        (ConsentKind.ASKED, change.newly_waiting),
        (ConsentKind.GIVEN, change.consents_given),
        (ConsentKind.WITHDRAWN, change.consents_withdrawn),
        (ConsentKind.NO_LONGER_ASKED, change.no_longer_waiting),
    )
    told = [_consent(kind, some, scene) for kind, waiting in kinds for some in waiting]
    return (*told, *_at_once(scene))


def _at_once(scene: Scene) -> Iterator[Consent]:
    """Given, or taken back, by both in one change: nobody has waited for it, or waits now.

    Of routers that are new or gone nobody asks who agreed to what.
    """
    old, new = (set(map(frozenset, side.reachability.agreed)) for side in (scene.base, scene.head))
    begun = _one_sided(scene.base.reachability)
    left_over = _one_sided(scene.head.reachability)
    staying = _router_names(scene.base) & _router_names(scene.head)
    for kind, pairs in (
        (ConsentKind.GIVEN, new - old - begun),
        (ConsentKind.WITHDRAWN, old - new - left_over),
    ):
        for importer, awaited in sorted(map(sorted, pairs)):
            if importer in staying and awaited in staying:
                names = (importer, awaited)
                lines = tuple(line for name in names for line in _lines_of_router(scene, name))
                yield Consent(kind=kind, importer=str(importer), awaited=str(awaited), lines=lines)


def _one_sided(reachability: Reachability) -> set[frozenset[ObjectName]]:
    return {frozenset((some.importer, some.awaited)) for some in reachability.waiting}


def _router_names(state: State) -> set[ObjectName]:
    return {router.name for router in state.declarations.routers} if state.declarations else set()


def _lines_of_router(scene: Scene, name: ObjectName) -> tuple[Line, ...]:
    differs = name in scene.differing.routers
    return scene.comparison.lines(f"VirtualNetworkRouter {name}") if differs else ()


def _consent(kind: ConsentKind, waiting: Waiting, scene: Scene) -> Consent:
    return Consent(
        kind=kind,
        importer=str(waiting.importer),
        awaited=str(waiting.awaited),
        lines=tuple(_consent_lines(kind, waiting, scene)),
    )


def _consent_lines(kind: ConsentKind, waiting: Waiting, scene: Scene) -> Iterator[Line]:
    found = [line for name in (waiting.importer, waiting.awaited) for line in _lines_of_router(scene, name)]
    yield from found
    if not found and kind is ConsentKind.ASKED:
        subject = f"VirtualNetworkRouter {waiting.importer}"
        yield Line(side=Side.HEAD, path=waiting.origin.path, line=waiting.origin.line, object=subject)


def rezoned(base: State, head: State) -> tuple[ObjectName, ...]:
    """Networks that ask Services and whose connections are tracked apart from now on, by name.

    A domain's zone is its smallest number: routers that join or part domains give some of them another one,
    where a connection that a Service translated is not known: it meets any backend (docs/datapath.md).
    """
    old, new = base.accepted, head.accepted
    if old is None or new is None or old.resolution is new.resolution:
        return ()
    asks = _by_name(base.reachability)
    before, after = (zones_of(one.resolution, one.numbers) for one in (old, new))
    return tuple(
        name
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name] and _services(asks.get(name))
    )


def cuts(scene: Scene, changed: tuple[Setting, ...]) -> tuple[Cut, ...]:
    """What ends at once: of networks that go, of pairs, of what was open to the outside."""
    gone = frozenset(scene.change.networks_removed)
    return (
        *(
            Cut(what=f"everything that pods of {name} hold", pods=scene.before.pods(name))
            for name in scene.change.networks_removed
        ),
        *(
            Cut(
                what=f"between {pair.left} and {pair.right}",
                pods=scene.before.pods(pair.left) + scene.before.pods(pair.right),
            )
            for pair in scene.change.lost
            if pair.left not in gone and pair.right not in gone
        ),
        *_cuts_of(scene, changed),
        *(
            Cut(
                what=f"some from {name} through Services: its routing domain is another",
                pods=scene.before.pods(name),
            )
            for name in rezoned(scene.base, scene.head)
        ),
    )


def network_of(setting: Setting) -> ObjectName:
    """Of the cluster's settings, a name that no network has."""
    return ObjectName.parse(setting.object.rpartition(" ")[2], default_namespace="")


_OF_THE_OVERLAY: Final = frozenset({"vxlanPort", "numberBase"})
"""What two nodes must have alike to understand each other."""


def _cuts_of(scene: Scene, changed: tuple[Setting, ...]) -> Iterator[Cut]:
    for setting in changed:
        if setting.object == "ClusterConfig" and setting.what in _OF_THE_OVERLAY:
            plans = scene.base.accepted.plans.values() if scene.base.accepted else ()
            pods = sum(bool(pod.network) for plan in plans for pod in plan.pods)
            yield Cut(what=f"between nodes, until all of them have the new {setting.what}", pods=pods)
        kind, _, text = setting.object.partition(" ")
        if setting.bearing not in (Bearing.CUTS, Bearing.BOTH) or kind != "VirtualNetwork":
            continue
        pods = scene.before.pods(network_of(setting))
        if setting.what == "egress":
            yield Cut(what=f"from {text} out of the cluster", pods=pods)
        if setting.what == "infrastructure":
            lost = [entry for entry in setting.before if entry not in setting.after]
            yield Cut(what=f"from {text} to {', '.join(lost)} of the default network", pods=pods)
        if setting.what == "subnets":
            gone = ", ".join(left(setting.before, setting.after))
            yield Cut(what=f"from {text} at addresses of {gone}, which is its subnet no more", pods=pods)
