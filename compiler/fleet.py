"""The plans of all nodes, and which of them a change concerns.

Each plan has parts: networks and remotes, services, pods, and what all nodes share. A change makes
the parts anew that it can concern, on the nodes that it can concern; a part that comes out equal
stays the same object, and so does a plan all of whose parts do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from compiler.inputs import Delta
from compiler.names import NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.narrowing import Viewpoint, services_seen
from compiler.network_table import Surface, WholeNetwork, whole_network, zones_of
from compiler.offerings import Basis, Offerings, Reoffered
from compiler.plan import (
    Datapath,
    IsolatedService,
    NetworkPlan,
    NodePlan,
    PodBinding,
    RemoteNode,
    ServicePlan,
)
from compiler.planning import NetworkPlanner, bindings_of, datapath_of, remote_table, remotes_in
from compiler.resolve import Resolution
from compiler.settlement import Resettled


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    networks: Mapping[NetworkNumber, WholeNetwork] = field(default_factory=dict)
    zones: Mapping[ObjectName, NetworkNumber] = field(default_factory=dict)
    present: Mapping[NodeName, frozenset[NetworkNumber]] = field(default_factory=dict)
    plans: Mapping[NodeName, NodePlan] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What plans follow from."""

    basis: Basis
    resolution: Resolution
    offerings: Offerings


@dataclass(frozen=True, kw_only=True, slots=True)
class Replanned:
    """What a change did to the fleet."""

    networks: frozenset[ObjectName]
    """Whose allocation or plan may be another."""
    nodes: frozenset[NodeName]
    """Whose plan is another, or is gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stale:
    """Nodes, by the part of their plan that is to be made anew."""

    changed: frozenset[NetworkNumber]
    """The networks that differ."""
    presence: Mapping[NodeName, frozenset[NetworkNumber]]
    """The networks that are newly present on a node, or no longer."""
    networks: set[NodeName]
    services: set[NodeName]
    pods: set[NodeName]
    shared: set[NodeName]

    def any(self) -> set[NodeName]:
        return self.networks | self.services | self.pods | self.shared


def replan(
    previous: Fleet,
    before: Outlook,
    after: Outlook,
    delta: Delta,
    changes: tuple[Resettled, Reoffered],
) -> tuple[Fleet, Replanned]:
    """The fleet after a change."""
    resettled, reoffered = changes
    zones = previous.zones
    if after.resolution is not before.resolution or delta.networks:
        zones = zones_of(after.resolution, after.basis.settlement.numbers)
    names = delta.networks | resettled.networks | reoffered.access
    names |= _rejoined(before.resolution, after.resolution, previous.zones, zones)
    networks, changed = _networks(previous, before, after, zones, names)
    present, arrived = _present(previous, after, networks, resettled)
    remade = Fleet(networks=networks, zones=zones, present=present, plans=previous.plans)
    stale = _stale(previous, remade, before, after, changed, arrived, changes)
    plans, replanned = _plans(remade, after, stale)
    fleet = Fleet(networks=networks, zones=zones, present=present, plans=plans)
    return fleet, Replanned(networks=frozenset(names), nodes=replanned)


def _rejoined(
    before: Resolution,
    after: Resolution,
    zones_before: Mapping[ObjectName, NetworkNumber],
    zones: Mapping[ObjectName, NetworkNumber],
) -> frozenset[ObjectName]:
    """Networks whose peers or zone are others."""
    if before is after:
        return frozenset()
    return frozenset(
        name
        for name, peers in after.peers.items()
        if before.peers.get(name) != peers or zones_before.get(name) != zones[name]
    )


def _networks(
    previous: Fleet,
    before: Outlook,
    after: Outlook,
    zones: Mapping[ObjectName, NetworkNumber],
    names: Iterable[ObjectName],
) -> tuple[Mapping[NetworkNumber, WholeNetwork], frozenset[NetworkNumber]]:
    """The networks' own values, and the numbers of those that differ."""
    settlement = after.basis.settlement
    surface = Surface(
        resolution=after.resolution, numbers=settlement.numbers, node_numbers=settlement.node_numbers
    )
    networks, changed = dict(previous.networks), set()
    for name in names:
        old_number = before.basis.settlement.numbers.get(name)
        declared = after.basis.inputs.networks.get(name)
        if declared is None:
            if old_number in networks:
                del networks[old_number]
                changed.add(old_number)
            continue
        entry = settlement.allotment.allocations.networks[name]
        whole = whole_network(declared, entry, after.offerings.access[name], zones[name], surface)
        if networks.get(entry.number) != whole:
            networks[entry.number] = whole
            changed.add(entry.number)
    return networks, frozenset(changed)


def _present(
    previous: Fleet,
    after: Outlook,
    networks: Mapping[NetworkNumber, WholeNetwork],
    resettled: Resettled,
) -> tuple[Mapping[NodeName, frozenset[NetworkNumber]], Mapping[NodeName, frozenset[NetworkNumber]]]:
    """The networks with pods on each node, and on each new or different node the difference."""
    settlement = after.basis.settlement
    present, changed = dict(previous.present), {}
    for node in resettled.nodes | resettled.remotes:
        names = settlement.placement.by_node.get(node, ()) if node in settlement.remotes else ()
        numbers = frozenset(settlement.numbers[name] for name in names)
        if node not in settlement.remotes:
            present.pop(node, None)
        elif node not in present or present[node] != numbers:
            changed[node] = present.get(node, frozenset()) ^ numbers
            present[node] = numbers
    return present, changed


def _stale(
    previous: Fleet,
    fleet: Fleet,
    before: Outlook,
    after: Outlook,
    changed: frozenset[NetworkNumber],
    arrived: Mapping[NodeName, frozenset[NetworkNumber]],
    changes: tuple[Resettled, Reoffered],
) -> _Stale:
    resettled, reoffered = changes
    finder = _Finder(previous=previous, fleet=fleet, outlook=after)
    networks, services = {*arrived}, {*arrived}
    networks.update(finder.nodes_holding(changed.union(*arrived.values())))
    for number in changed:
        networks.update(finder.nodes_that_see(number))
        old, new = previous.networks.get(number), fleet.networks.get(number)
        if (old.peers if old else None) != (new.peers if new else None):
            services.update(finder.nodes_with(number))
    for name in reoffered.services:
        services.update(finder.nodes_offered(name, before.offerings, after.offerings))
    services.update(finder.nodes_of_users(before.offerings, after.offerings))
    everyone = set(after.basis.settlement.remotes)
    if resettled.remotes:
        networks |= everyone
    shared = everyone if _shared_by_all(before) != _shared_by_all(after) else set()
    return _Stale(
        changed=changed,
        presence=arrived,
        networks=networks,
        services=services,
        pods=set(resettled.nodes),
        shared=shared,
    )


def _shared_by_all(outlook: Outlook) -> tuple[Datapath, tuple[IsolatedService, ...]]:
    return datapath_of(outlook.basis.inputs.declarations.config), outlook.offerings.services.isolated


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finder:
    """Nodes that a change of something concerns. Where presence itself changed is known already."""

    previous: Fleet
    fleet: Fleet
    outlook: Outlook

    def nodes_with(self, number: NetworkNumber) -> Iterable[NodeName]:
        """Where the network is present."""
        whole = self.fleet.networks.get(number)
        return self.outlook.basis.settlement.placement.by_network.get(whole.plan.name, ()) if whole else ()

    def nodes_that_see(self, number: NetworkNumber) -> Iterator[NodeName]:
        """Where the network is present or carried, or was."""
        yield from self.nodes_with(number)
        for fleet in (self.previous, self.fleet):
            if number in fleet.networks:
                for peer in fleet.networks[number].peers:
                    yield from self.nodes_with(peer)

    def nodes_holding(self, numbers: Iterable[NetworkNumber]) -> Iterator[NodeName]:
        """Where one of the networks or of their peers has a block, or had."""
        nodes, some = 0, frozenset(numbers)
        if not some:
            return
        for networks in (self.previous.networks, self.fleet.networks):
            planner = NetworkPlanner(networks)
            nodes |= planner.nodes(planner.visible_from(some & networks.keys()))
        for name, number in self.outlook.basis.settlement.node_numbers.items():
            if nodes >> number & 1:
                yield name

    def nodes_offered(self, name: ObjectName, *offerings: Offerings) -> Iterator[NodeName]:
        """Where a client may ask the Service, or might."""
        for some in offerings:
            if name in some.services.mixed:
                yield from self.outlook.basis.settlement.remotes
            offer = some.services.offers.get(name)
            for number in offer.networks if offer else ():
                yield from self.nodes_that_see(number)
            for number in some.users.get(name, ()):
                yield from self.nodes_with(number)

    def nodes_of_users(self, before: Offerings, after: Offerings) -> Iterator[NodeName]:
        """Where a network's infrastructure list is another."""
        if before.users is after.users:
            return
        for name in {**before.users, **after.users}:
            old, new = before.users.get(name, {}), after.users.get(name, {})
            if old is not new:
                for number in old.keys() ^ new.keys():
                    yield from self.nodes_with(number)


def _plans(
    fleet: Fleet, outlook: Outlook, stale: _Stale
) -> tuple[Mapping[NodeName, NodePlan], frozenset[NodeName]]:
    remotes = outlook.basis.settlement.remotes
    maker = _Maker(fleet=fleet, outlook=outlook, stale=stale)
    plans, changed = dict(fleet.plans), set()
    for node in stale.any() & remotes.keys():
        plan = maker.plan(node)
        if plan is not fleet.plans.get(node):
            plans[node] = plan
            changed.add(node)
    for node in plans.keys() - remotes.keys():
        del plans[node]
        changed.add(node)
    return plans, frozenset(changed)


class _Maker:
    """Makes plans from new parts and old ones."""

    def __init__(self, *, fleet: Fleet, outlook: Outlook, stale: _Stale) -> None:
        self._fleet = fleet
        self._outlook = outlook
        self._stale = stale
        self._settlement = outlook.basis.settlement
        self._planner = NetworkPlanner(fleet.networks)
        self._seen_by: dict[NetworkNumber, int] = {}
        self._present_on: dict[NetworkNumber, int] = {}
        self._remotes = remote_table(self._settlement.remotes.values())
        self._datapath: Datapath = datapath_of(outlook.basis.inputs.declarations.config)

    def plan(self, node: NodeName) -> NodePlan:
        """The one before, itself, where it is equal."""
        old = self._fleet.plans.get(node)
        me = self._settlement.remotes[node]
        present = self._fleet.present.get(node, frozenset())
        visible = self._planner.visible_from(present)
        viewpoint = Viewpoint(node=me.number, clients=present, visible=visible)
        networks, remotes = self._networks(old, viewpoint, remade=node in self._stale.networks)
        plan = NodePlan(
            name=node,
            number=me.number,
            address=me.address,
            datapath=self._datapath,
            remotes=remotes,
            networks=networks,
            services=old.services if old and node not in self._stale.services else self._services(viewpoint),
            isolated=self._outlook.offerings.services.isolated,
            pods=old.pods if old and node not in self._stale.pods else self._pods(node),
        )
        return old if plan == old else plan

    def _networks(
        self, old: NodePlan | None, viewpoint: Viewpoint, *, remade: bool
    ) -> tuple[tuple[NetworkPlan, ...], tuple[RemoteNode, ...]]:
        if old is not None and not remade:
            return old.networks, old.remotes
        kept = self._kept(old) if old is not None else {}
        networks = self._planner.plans(viewpoint.clients, viewpoint.visible, kept)
        nodes = self._planner.nodes(viewpoint.visible) | self._takers(viewpoint.node)
        return networks, remotes_in(nodes, viewpoint.node, self._remotes)

    def _takers(self, node: NodeNumber) -> int:
        """The nodes that take VXLAN packets of this one, for they see a network with a block here."""
        nodes = 0
        for number, whole in self._fleet.networks.items():
            if whole.nodes >> node & 1:
                nodes |= self._seers(number)
        return nodes

    def _seers(self, number: NetworkNumber) -> int:
        """The nodes with pods of the network, or of one that may talk to it."""
        if number not in self._seen_by:
            nodes = self._nodes_with(number)
            for peer in self._fleet.networks[number].peers:
                nodes |= self._nodes_with(peer)
            self._seen_by[number] = nodes
        return self._seen_by[number]

    def _nodes_with(self, number: NetworkNumber) -> int:
        if number not in self._present_on:
            name = self._fleet.networks[number].plan.name
            placed = self._settlement.placement.by_network.get(name, ())
            nodes = 0
            for node in filter(None, map(self._settlement.node_numbers.get, placed)):
                nodes |= 1 << node
            self._present_on[number] = nodes
        return self._present_on[number]

    def _kept(self, old: NodePlan) -> Mapping[NetworkNumber, NetworkPlan]:
        """What neither a changed network nor a change of presence can concern."""
        moved = self._stale.presence.get(old.name, frozenset())
        touched, networks = self._stale.changed | moved, self._fleet.networks
        return {
            plan.number: plan
            for plan in old.networks
            if plan.number not in touched and networks[plan.number].peers.isdisjoint(moved)
        }

    def _services(self, viewpoint: Viewpoint) -> tuple[ServicePlan, ...]:
        return services_seen(self._outlook.offerings.services, self._outlook.offerings.users, viewpoint)

    def _pods(self, node: NodeName) -> tuple[PodBinding, ...]:
        settlement = self._settlement
        return bindings_of(settlement.placement.seats.get(node, {}), settlement.numbers, settlement.asked)
