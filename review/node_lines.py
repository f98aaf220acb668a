"""The lines that differ on one node: of its layout and of its ruleset, rendered only as far as they can.

A network's lines follow from itself and from the networks that it reaches. So of the two plans only those are
rendered that differ, that reach one that differs, and that these reach in turn; what is the same cancels out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from compiler.layering import layout_of, overlay_mtu, union
from compiler.layout import Layout, Link
from compiler.layout_text import layout_text
from compiler.names import DEFAULT_NETWORK, NetworkNumber
from compiler.plan import Datapath, NetworkPlan, NodePlan, Presence, ServicePlan
from compiler.rendering import ruleset_of
from compiler.ruleset import Elements, Ruleset, element_text
from compiler.sets import SETS, SetSpec
from review.model import Hunk

_MEANINGS: Mapping[str, str] = {
    "links": "VRFs, VXLANs and host links",
    "addresses": "addresses of host links",
    "neighbours": "where next hops are",
    "forwarding": "behind which node a VXLAN's next hop is",
    "routes": "where a network's packets go",
    "rules": "which table is asked",
    "chains": "the same on every node",
}


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


@dataclass(frozen=True, kw_only=True, slots=True)
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
        included |= set(
            sorted(old.keys() - included)[:1]
        )  # without networks there are no routing rules either
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
    """Without what is told of all networks at once (_of_every_network), or stands in a set of its own."""
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


def hunks_of(pair: PlanPair) -> tuple[Hunk, ...]:
    """What differs, by section of the layout, then by set of the ruleset."""
    return (*_layout_hunks(pair), *_ruleset_hunks(pair))


def _layout_hunks(pair: PlanPair) -> Iterator[Hunk]:
    before, after = _layout(pair.before), _layout(pair.after)
    told = _of_every_network(pair)
    old, new = _sections(_beyond(before, after, told)), _sections(_beyond(after, before, told))
    for title, meaning in _MEANINGS.items():
        lines = _difference(old.get(title, ()), new.get(title, ()))
        if title == "links":
            lines = (*told, *lines)
        if lines:
            yield Hunk(title=title, meaning=meaning, lines=lines)


def _of_every_network(pair: PlanPair) -> tuple[str, ...]:
    """What differs on every link of a kind, once: a line for each link would be the same line."""
    if pair.before is None or pair.after is None or not (pair.before.networks and pair.after.networks):
        return ()
    return _difference(_link_facts(pair.before), _link_facts(pair.after))


def _link_facts(plan: NodePlan) -> tuple[str, ...]:
    overlay = overlay_mtu(plan.datapath, plan.address)
    return (
        f"ip link set vx{{network}} mtu {overlay}    # of every network here",
        f"ip link add vx{{network}} type vxlan dstport {plan.datapath.vxlan_port}    # of every network here",
        f"ip link set ah{{network}} mtu {plan.datapath.mtu}    # of every network with pods here, both ends",
        f"ip link set {{port}} mtu {overlay}    # of every pod that starts from then on, both ends",
    )


def _layout(plan: NodePlan | None) -> Layout:
    return layout_of(plan, ()) if plan is not None else union(())


def _beyond(this: Layout, that: Layout, told: tuple[str, ...]) -> Layout:
    """What the other has not, and `told` does not say: only that is worth putting into words."""
    links = this.links - that.links
    return Layout(
        links=frozenset(_other_links(links, that.links)) if told else links,
        addresses=this.addresses - that.addresses,
        routes=this.routes - that.routes,
        neighbours=this.neighbours - that.neighbours,
        forwarding=this.forwarding - that.forwarding,
        rules=this.rules - that.rules,
    )


def _other_links(links: Iterable[Link], those: Iterable[Link]) -> Iterator[Link]:
    """Links that differ in more than facts of every network."""
    named = {link.name: link for link in those}
    for link in links:
        twin = named.get(link.name)
        if twin is None or replace(link, mtu=twin.mtu, port=twin.port) != twin:
            yield link


def _sections(layout: Layout) -> Mapping[str, tuple[str, ...]]:
    """The lines of a layout by the comment above them."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in layout_text(layout).splitlines():
        if line.startswith("# "):
            title = line[2:]
            found[title] = []
        else:
            found[title].append(line)
    return {name: tuple(lines) for name, lines in found.items()}


def _ruleset_hunks(pair: PlanPair) -> Iterator[Hunk]:
    old, new = _ruleset(pair.before), _ruleset(pair.after)
    chains = _difference(_chains(old), _chains(new))
    if chains and old and new:
        yield Hunk(title="chains", meaning=_MEANINGS["chains"], lines=chains)
    for spec in SETS:
        lines = _difference(_elements(old, spec), _elements(new, spec))
        if lines:
            yield Hunk(title=f"set {spec.name}", meaning=spec.meaning, lines=lines)


def _ruleset(plan: NodePlan | None) -> Ruleset | None:
    return ruleset_of(plan) if plan is not None else None


def _chains(ruleset: Ruleset | None) -> tuple[str, ...]:
    return tuple(line.strip() for line in ruleset.chains.splitlines()) if ruleset else ()


def _elements(ruleset: Ruleset | None, spec: SetSpec) -> tuple[str, ...]:
    elements: Elements = ruleset.sets[spec.name] if ruleset else {}
    return tuple(element_text(key, element) for key, element in elements.items())


def _difference(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    """Lines are facts whose order says nothing."""
    if before == after:
        return ()
    old, new = frozenset(before), frozenset(after)
    return (
        *(f"- {line}" for line in before if line not in new),
        *(f"+ {line}" for line in after if line not in old),
    )
