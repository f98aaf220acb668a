"""A node's plan on both sides, and how little of it has to be rendered to find the lines that differ.

A network's lines follow from itself and from the networks that it reaches. So of the two plans only those are
kept that differ, that reach one that differs, and that these reach in turn, with the Services that they may
ask. What else the two sides have is the same, and would cancel out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from compiler.names import DEFAULT_NETWORK, NetworkNumber
from compiler.plan import Datapath, NetworkPlan, NodePlan, Presence, ServicePlan


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanPair:
    """A node's plan on both sides; None where the node has none."""

    before: NodePlan | None
    after: NodePlan | None

    @property
    def either(self) -> NodePlan:
        plan = self.after or self.before
        assert plan is not None
        return plan


@dataclass(kw_only=True, slots=True)
class Narrowing:
    """Leaves out of pairs what cannot differ in lines. One for all nodes, for they share Services."""

    _networks: dict[int, frozenset[NetworkNumber]] = field(default_factory=dict)
    """That a Service is about, the default network among them; by identity."""
    _services: list[ServicePlan] = field(default_factory=list)
    """Those, so that nothing else can have one's id meanwhile."""

    def narrowed(self, pair: PlanPair) -> PlanPair:
        if pair.before is None or pair.after is None:
            return pair
        if _shaping_networks(pair.before.datapath) != _shaping_networks(pair.after.datapath):
            return pair
        old, new = _numbered(pair.before), _numbered(pair.after)
        differing = {number for number in {**old, **new} if not _same(old.get(number), new.get(number))}
        differing |= self._of_services(pair.before.services, pair.after.services)
        near = differing | _reached(differing, old) | _reached(differing, new)
        near |= _reaching(differing, old) | _reaching(differing, new)
        included = near | _reached(near, old) | _reached(near, new)
        included |= set(sorted(old.keys() - included)[:1])  # without any there are no routing rules
        alike = pair.before.isolated == pair.after.isolated and not _mixed(pair.after)
        return PlanPair(
            before=self._only(pair.before, included, without_isolated=alike),
            after=self._only(pair.after, included, without_isolated=alike),
        )

    def _of_services(
        self, before: tuple[ServicePlan, ...], after: tuple[ServicePlan, ...]
    ) -> set[NetworkNumber]:
        """Networks that may ask a Service that differs, or that are behind it."""
        if before == after:
            return set()
        # Most are the same objects, and an object is told from others sooner than it is compared.
        objects_before, objects_after = set(map(id, before)), set(map(id, after))
        old = _by_place(service for service in before if id(service) not in objects_after)
        new = _by_place(service for service in after if id(service) not in objects_before)
        return {
            number
            for place in {**old, **new}
            if not _same(one := old.get(place), other := new.get(place))
            for service in (one, other)
            if service is not None
            for number in _networks_of(service)
            if number != DEFAULT_NETWORK
        }

    def _only(self, plan: NodePlan, included: set[NetworkNumber], *, without_isolated: bool) -> NodePlan:
        networks = [network for network in plan.networks if network.number in included]
        here = {network.number for network in networks}
        return replace(
            plan,
            networks=tuple(
                network if here.issuperset(network.peers) else replace(network, peers=_within(network, here))
                for network in networks
            ),
            services=tuple(self._asked_by({*included, DEFAULT_NETWORK}, plan.services)),
            isolated=() if without_isolated else plan.isolated,
        )

    def _asked_by(self, some: set[NetworkNumber], services: tuple[ServicePlan, ...]) -> Iterator[ServicePlan]:
        known = self._networks
        for service in services:
            networks = known.get(id(service))
            if networks is None:
                networks = known[id(service)] = _networks_of(service)
                self._services.append(service)
            if not some.isdisjoint(networks):
                yield service


def _networks_of(service: ServicePlan) -> frozenset[NetworkNumber]:
    return frozenset((*service.infrastructure_of, *(backend.network for backend in service.backends)))


def _shaping_networks(datapath: Datapath) -> Datapath:
    """Without what is told of all networks at once (review.node_lines), or stands in a set of its own."""
    return replace(datapath, mtu=0, vxlan_port=0, cluster_ranges=())


def _same(one: NetworkPlan | ServicePlan | None, other: NetworkPlan | ServicePlan | None) -> bool:
    return one is other or one == other


def _numbered(plan: NodePlan) -> Mapping[NetworkNumber, NetworkPlan]:
    return {network.number: network for network in plan.networks}


def _by_place(services: Iterable[ServicePlan]) -> Mapping[object, ServicePlan]:
    return {(s.name, s.port_name, s.protocol, s.port, s.addresses[0].version): s for s in services}


def _reached(some: Iterable[NetworkNumber], plans: Mapping[NetworkNumber, NetworkPlan]) -> set[NetworkNumber]:
    return {peer for number in some if number in plans for peer in plans[number].peers}


def _reaching(some: set[NetworkNumber], plans: Mapping[NetworkNumber, NetworkPlan]) -> set[NetworkNumber]:
    return {number for number, plan in plans.items() if not some.isdisjoint(plan.peers)}


def _mixed(plan: NodePlan) -> bool:
    return any(service.mixed for service in plan.isolated)


def _within(network: NetworkPlan, here: set[NetworkNumber]) -> tuple[NetworkNumber, ...]:
    return tuple(number for number in network.peers if number in here)


def cost(pair: PlanPair) -> int:
    """About how many lines have to be rendered to find those that differ."""
    return sum(_cost(plan) for plan in (pair.before, pair.after) if plan is not None)


def _cost(plan: NodePlan) -> int:
    blocks = {network.number: len(network.blocks) for network in plan.networks}
    present = [network for network in plan.networks if network.presence is Presence.PRESENT]
    reached = sum(blocks.values()) + sum(blocks[peer] for network in present for peer in network.peers)
    return 3 * reached + 20 * len(plan.networks) + len(plan.services) * len(present)
