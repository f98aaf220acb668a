"""Which pods of which networks are on which nodes.

Pods that stand in one namespace with the same annotation choose alike: they are one group, whose
choice is made once. A pod's seat is the choice settled by where its address says that it runs.
A change reseats only the pods that it can concern.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rpds import HashTrieSet

from compiler.demand import Place
from compiler.draft import Draft
from compiler.inventory import Namespace, Pod
from compiler.membership import Membership, join_as, settle
from compiler.model import Address, Prefix, VirtualNetwork
from compiler.names import NodeName, ObjectName
from compiler.problem import Problem


class Claim(NamedTuple):
    """What decides a pod's choice: its namespace and its annotation as written."""

    namespace: str
    annotation: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The pods that make one claim, bound or not."""

    target: ObjectName | None
    """The network named, declared or not; None for the default network."""
    chosen: Membership
    pods: HashTrieSet[ObjectName]


class Seat(NamedTuple):
    """A bound pod. A tuple, for there may be 50,000."""

    uid: str
    membership: Membership


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    groups: Mapping[Claim, Group] = field(default_factory=dict)
    seats: Mapping[NodeName, Mapping[ObjectName, Seat]] = field(default_factory=dict)
    by_network: Mapping[ObjectName, Mapping[NodeName, int]] = field(default_factory=dict)
    """How many pods of a network are bound to a node."""
    by_node: Mapping[NodeName, Mapping[ObjectName, int]] = field(default_factory=dict)
    """The same, turned about."""
    doubts: Mapping[ObjectName, Problem] = field(default_factory=dict)
    """By pod: where it runs is not what it names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """What seats depend on, beside the pods."""

    namespaces: Mapping[str, Namespace]
    networks: Mapping[ObjectName, VirtualNetwork]
    pod_ranges: tuple[Prefix, ...]
    owner_of: Callable[[NodeName, Iterable[Address]], ObjectName | None]
    """The declared network whose block on the node holds one of the addresses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """What a change did to the placement."""

    places: frozenset[Place] = frozenset()
    """Where the number of a network's pods is another."""
    pods: frozenset[ObjectName] = frozenset()
    """Whose seat is another, or is gone or new."""
    nodes: frozenset[NodeName] = frozenset()
    """Whose seats are others."""


def place(
    previous: Placement,
    before: Mapping[ObjectName, Pod],
    after: Mapping[ObjectName, Pod],
    circumstances: Circumstances,
    *,
    pods: Collection[ObjectName],
    namespaces: Collection[str],
    networks: Collection[ObjectName],
) -> tuple[Placement, Moved]:
    """Seat the pods that changed, and those whose namespace or network did."""
    groups = _Groups(previous.groups, circumstances)
    for name in pods:
        old, new = before.get(name), after.get(name)
        if old is not None and (new is None or claim_of(old) != claim_of(new)):
            groups.leave(old)
        if new is not None and (old is None or claim_of(old) != claim_of(new)):
            groups.join(new)
    reseated = {*pods, *groups.review(frozenset(namespaces), frozenset(networks))}
    reseated.update(_seated_on(previous, networks))
    return seat(previous, groups.finished(), before, after, circumstances, reseated)


def _seated_on(placement: Placement, networks: Iterable[ObjectName]) -> Iterator[ObjectName]:
    """Some run on a network that they no longer name."""
    for network in networks:
        for node in placement.by_network.get(network, ()):
            for pod, taken in placement.seats[node].items():
                if taken.membership.network == network:
                    yield pod


def seat(
    previous: Placement,
    groups: Mapping[Claim, Group],
    before: Mapping[ObjectName, Pod],
    after: Mapping[ObjectName, Pod],
    circumstances: Circumstances,
    pods: Iterable[ObjectName],
) -> tuple[Placement, Moved]:
    """Settle these pods anew."""
    seating = _Seating(previous)
    for name in pods:
        old, new = before.get(name), after.get(name)
        problem = None
        if old is not None and old.node is not None and (new is None or new.node != old.node):
            seating.vacate(old.node, name)
        if new is not None and new.node is not None:
            membership, problem = _settled(new, new.node, groups[claim_of(new)], circumstances)
            seating.take(new.node, name, Seat(new.uid, membership))
        seating.doubt(name, problem)
    return seating.finished(groups)


def claim_of(pod: Pod) -> Claim:
    return Claim(pod.name.namespace, pod.network)


def _settled(
    pod: Pod, node: NodeName, group: Group, circumstances: Circumstances
) -> tuple[Membership, Problem | None]:
    if not pod.addresses:
        return group.chosen, None
    network = circumstances.networks.get(group.chosen.network) if group.chosen.network else None
    return settle(
        pod,
        group.chosen,
        owner=circumstances.owner_of(node, pod.addresses),
        subnets=[subnet.prefix for subnet in network.subnets] if network else (),
        pod_ranges=circumstances.pod_ranges,
    )


class _Groups:
    """Groups under change."""

    def __init__(self, previous: Mapping[Claim, Group], circumstances: Circumstances) -> None:
        self._previous = previous
        self._circumstances = circumstances
        self._joining: dict[Claim, list[ObjectName]] = {}
        self._leaving: dict[Claim, list[ObjectName]] = {}
        self._reviewed: dict[Claim, Group] = {}

    def join(self, pod: Pod) -> None:
        self._joining.setdefault(claim_of(pod), []).append(pod.name)

    def leave(self, pod: Pod) -> None:
        self._leaving.setdefault(claim_of(pod), []).append(pod.name)

    def review(self, namespaces: frozenset[str], networks: frozenset[ObjectName]) -> Iterable[ObjectName]:
        """Choose anew where a namespace or network changed; the pods that it concerns."""
        if not namespaces and not networks:
            return
        for claim, group in self._previous.items():
            if claim.namespace in namespaces or group.target in networks:
                fresh = self._group(claim, group.pods)
                self._reviewed[claim] = fresh
                if fresh.chosen != group.chosen or fresh.chosen.network in networks:
                    yield from group.pods

    def finished(self) -> Mapping[Claim, Group]:
        if not (self._joining or self._leaving or self._reviewed):
            return self._previous
        groups = {**self._previous, **self._reviewed}
        for claim in {**self._leaving, **self._joining}:
            known = groups.get(claim)
            pods: HashTrieSet[ObjectName] = known.pods if known else HashTrieSet()
            for name in self._leaving.get(claim, ()):
                pods = pods.discard(name)
            pods = pods.update(self._joining.get(claim, ()))
            if not pods:
                groups.pop(claim, None)
            elif known is None:
                groups[claim] = self._group(claim, pods)
            else:
                groups[claim] = Group(target=known.target, chosen=known.chosen, pods=pods)
        return groups

    def _group(self, claim: Claim, pods: HashTrieSet[ObjectName]) -> Group:
        namespaces = self._circumstances.namespaces
        home = namespaces.get(claim.namespace)
        named = claim.annotation if claim.annotation is not None else (home.network if home else None)
        return Group(
            target=ObjectName.parse(named, default_namespace=claim.namespace) if named is not None else None,
            chosen=join_as(claim.namespace, claim.annotation, namespaces, self._circumstances.networks),
            pods=pods,
        )


class _Seating:
    """Seats under change, and the counts that follow from them."""

    def __init__(self, previous: Placement) -> None:
        self._previous = previous
        self._seats = Draft(previous.seats)
        self._by_network = Draft(previous.by_network)
        self._by_node = Draft(previous.by_node)
        self._doubts: dict[ObjectName, Problem | None] = {}
        self._places: set[Place] = set()
        self._pods: set[ObjectName] = set()

    def vacate(self, node: NodeName, pod: ObjectName) -> None:
        if pod in self._seats.read(node):
            old = self._seats.open(node).pop(pod)
            self._count(node, old.membership.network, -1)
            self._pods.add(pod)

    def take(self, node: NodeName, pod: ObjectName, seat: Seat) -> None:
        old = self._seats.read(node).get(pod)
        if old == seat:
            return
        self._seats.open(node)[pod] = seat
        self._pods.add(pod)
        if old is not None:
            self._count(node, old.membership.network, -1)
        self._count(node, seat.membership.network, 1)

    def doubt(self, pod: ObjectName, problem: Problem | None) -> None:
        if self._previous.doubts.get(pod) != problem:
            self._doubts[pod] = problem

    def _count(self, node: NodeName, network: ObjectName | None, step: int) -> None:
        if network is None:
            return
        self._places.add(Place(network, node))
        nodes, networks = self._by_network.open(network), self._by_node.open(node)
        number = nodes.get(node, 0) + step
        if number:
            nodes[node] = networks[network] = number
        else:
            del nodes[node], networks[network]

    def finished(self, groups: Mapping[Claim, Group]) -> tuple[Placement, Moved]:
        doubts = self._previous.doubts
        if self._doubts:
            merged = {**doubts, **self._doubts}
            doubts = {pod: problem for pod, problem in merged.items() if problem is not None}
        placement = Placement(
            groups=groups,
            seats=self._seats.finished(),
            by_network=self._by_network.finished(),
            by_node=self._by_node.finished(),
            doubts=doubts,
        )
        return placement, Moved(
            places=frozenset(self._places), pods=frozenset(self._pods), nodes=self._seats.touched
        )
