"""Pods get seats, networks and nodes get numbers, seats get addresses.

Two of these depend on each other: a running pod's address tells its network by the block it is in,
and blocks follow from where pods of a network are. So seats are taken by the blocks before, blocks
are granted, and pods are seated again where that changed whose block their address is in. If a
count then differs, the next compilation looks at that place again; nothing oscillates, for blocks
are never taken back from a demand that shrinks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from compiler.allocate import Allotment, Touched, reallocate
from compiler.allocations import Allocations, NetworkAllocation
from compiler.asked import Asked, Surroundings, claims_of, settled
from compiler.demand import Demand, Place
from compiler.inputs import Delta, Inputs
from compiler.inventory import Pod
from compiler.ledger import holdings_of, span
from compiler.model import Address, Prefix
from compiler.names import NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.owners import Owners
from compiler.placement import Circumstances, Moved, Placement, Seat, place, seat
from compiler.plan import RemoteNode
from compiler.ranges import Ranges
from compiler.underlay import Underlay, underlay_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    allotment: Allotment
    placement: Placement = field(default_factory=Placement)
    underlay: Underlay = field(default_factory=Underlay)
    numbers: Mapping[ObjectName, NetworkNumber] = field(default_factory=dict)
    """Of declared networks."""
    remotes: Mapping[NodeName, RemoteNode] = field(default_factory=dict)
    """Nodes that take part, as the others see them."""
    node_numbers: Mapping[NodeName, NodeNumber] = field(default_factory=dict)
    """The same nodes'."""
    node_addresses: frozenset[Address] = frozenset()
    """All that nodes report, the underlay's and others."""
    asked: Asked = field(default_factory=Asked)
    unsettled: frozenset[Place] = frozenset()
    """Where seats changed after blocks were granted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resettled:
    """What a change did to the settlement."""

    networks: frozenset[ObjectName]
    """Whose allocation is another."""
    pods: frozenset[ObjectName]
    """Whose seat is another."""
    nodes: frozenset[NodeName]
    """Whose seats are others."""
    remotes: frozenset[NodeName]
    """Nodes come, gone, or with another number or address."""


def unsettled(allocations: Allocations) -> Settlement:
    """Nothing but earlier allocations."""
    return Settlement(allotment=Allotment(allocations=allocations, holdings=holdings_of(allocations)))


def resettle(
    previous: Settlement, before: Inputs, after: Inputs, delta: Delta
) -> tuple[Settlement, Resettled]:
    """The settlement after a change, at a cost in proportion to what the change concerns."""
    pods = after.inventory.pods
    underlay = underlay_of(after.inventory.nodes) if delta.nodes else previous.underlay
    owners = _owners(previous.allotment, after)
    placement, moved = place(
        previous.placement,
        before.inventory.pods,
        pods,
        _circumstances(after, owners),
        pods=delta.pods,
        namespaces=delta.namespaces,
        networks=delta.networks,
    )
    asking = _asking(previous.asked.pods, pods, delta)
    claims = None
    if asking and _may_claim_otherwise(previous, asking, moved, delta):
        claims = claims_of(asking, pods, _surroundings(after, placement, owners))
    places = claims.places if claims else previous.asked.places if asking else {}
    allotment = _allotted(previous, placement, moved, underlay, after, delta, places)
    changed, regrounded = _differences(previous.allotment.allocations, allotment.allocations)
    now, strayed = _owners(allotment, after), _strayed(placement, pods, regrounded)
    placement, again = seat(placement, placement.groups, pods, pods, _circumstances(after, now), strayed)
    asked = previous.asked if asking and claims is None else Asked()
    if claims is not None:
        asked = settled(asking, claims, pods, allotment.unmet)
    if not asking.isdisjoint(again.pods):
        asked = replace(asked, reseated=True)
    settlement = _settled(previous, allotment, placement, underlay, after, delta, again, asked)
    return settlement, Resettled(
        networks=changed,
        pods=moved.pods | again.pods,
        nodes=moved.nodes | again.nodes | _answered_otherwise(previous.asked, asked, pods),
        remotes=_changed_remotes(previous.remotes, settlement.remotes),
    )


def _allotted(
    previous: Settlement,
    placement: Placement,
    moved: Moved,
    underlay: Underlay,
    inputs: Inputs,
    delta: Delta,
    asked: Mapping[Place, frozenset[Address]],
) -> Allotment:
    demand = Demand(
        networks=inputs.networks,
        nodes=underlay.addresses.keys(),
        pods=placement.by_network,
        config=inputs.declarations.config,
        asked=asked,
        wanted=inputs.inventory.wanted,
        runs=_Running(placement, inputs.inventory.pods),
    )
    touched = Touched(
        networks=delta.networks,
        nodes=_come_or_gone(previous.allotment.allocations, underlay) if delta.nodes else (),
        places={
            *moved.places,
            *previous.unsettled,
            *_differing(previous.asked.places, asked),
            *_places_of_wishes(inputs, delta),
            *_readdressed(placement, inputs.inventory.pods, delta.pods),
        },
    )
    return reallocate(previous.allotment, demand, touched)


def _settled(
    previous: Settlement,
    allotment: Allotment,
    placement: Placement,
    underlay: Underlay,
    inputs: Inputs,
    delta: Delta,
    again: Moved,
    asked: Asked,
) -> Settlement:
    entries = allotment.allocations.networks
    numbers, remotes, node_numbers = previous.numbers, previous.remotes, previous.node_numbers
    if delta.networks:
        numbers = {name: entries[name].number for name in inputs.networks if name in entries}
    addresses = previous.node_addresses
    if delta.nodes:
        addresses = frozenset(a for node in inputs.inventory.nodes.values() for a in node.addresses)
    if delta.nodes or previous.allotment.unnumbered:
        remotes = _remotes(underlay, allotment)
        node_numbers = {name: remote.number for name, remote in remotes.items()}
    return Settlement(
        allotment=allotment,
        placement=placement,
        underlay=underlay,
        numbers=numbers,
        remotes=remotes,
        node_numbers=node_numbers,
        node_addresses=addresses,
        asked=asked,
        unsettled=again.places,
    )


def _come_or_gone(allocations: Allocations, underlay: Underlay) -> Collection[NodeName]:
    numbered = {name for name, entry in allocations.nodes.items() if entry.retired_in is None}
    return numbered ^ underlay.addresses.keys()


def _owners(allotment: Allotment, inputs: Inputs) -> Owners:
    return Owners(allotment.allocations, allotment.holdings, inputs.networks)


def _asking(
    before: frozenset[ObjectName], pods: Mapping[ObjectName, Pod], delta: Delta
) -> frozenset[ObjectName]:
    """The bound pods that ask for an address; the same set where none of them changed."""
    now = {name for name in delta.pods if (pod := pods.get(name)) and pod.node and pod.asked is not None}
    if not now and before.isdisjoint(delta.pods):
        return before
    return (before - delta.pods) | now


def _may_claim_otherwise(
    previous: Settlement, asking: frozenset[ObjectName], moved: Moved, delta: Delta
) -> bool:
    return bool(
        asking is not previous.asked.pods
        or delta.networks
        or delta.nodes
        or previous.allotment.unmet
        or previous.asked.reseated
        or not asking.isdisjoint(moved.pods)
    )


def _surroundings(inputs: Inputs, placement: Placement, owners: Owners) -> Surroundings:
    def seat_of(pod: Pod) -> Seat | None:
        return placement.seats.get(pod.node, {}).get(pod.name) if pod.node is not None else None

    return Surroundings(networks=inputs.networks, seat_of=seat_of, owner_of=owners.owner_of)


def _answered_otherwise(before: Asked, after: Asked, pods: Mapping[ObjectName, Pod]) -> frozenset[NodeName]:
    """Nodes with pods that are told of another address, or of another reason to wait."""
    if before is after:
        return frozenset()
    names = before.pods | after.pods
    return frozenset(
        node
        for name in names
        if before.granted.get(name) != after.granted.get(name)
        or before.refusals.get(name) != after.refusals.get(name)
        if name in pods and (node := pods[name].node) is not None
    )


def _differing(
    before: Mapping[Place, frozenset[Address]], after: Mapping[Place, frozenset[Address]]
) -> Iterator[Place]:
    if before is not after:
        yield from (place for place in {**before, **after} if before.get(place) != after.get(place))


def _places_of_wishes(inputs: Inputs, delta: Delta) -> Iterator[Place]:
    for node in delta.wanted:
        for network in inputs.inventory.wanted.get(node, ()):
            yield Place(network, node)


def _readdressed(
    placement: Placement, pods: Mapping[ObjectName, Pod], changed: Collection[ObjectName]
) -> Iterator[Place]:
    """Where pods run whose addresses may be others: what they ran with may be free."""
    for name in changed:
        pod = pods.get(name)
        if pod is not None and pod.node is not None:
            network = placement.seats[pod.node][name].membership.network
            if network is not None:
                yield Place(network, pod.node)


@dataclass(frozen=True, slots=True)
class _Running:
    """Whether a pod of a node runs with an address: looks at all of the node's."""

    placement: Placement
    pods: Mapping[ObjectName, Pod]

    def __call__(self, node: NodeName, address: Address) -> bool:
        return any(address in self.pods[name].addresses for name in self.placement.seats.get(node, ()))


def _circumstances(inputs: Inputs, owners: Owners) -> Circumstances:
    return Circumstances(
        namespaces=inputs.inventory.namespaces,
        networks=inputs.networks,
        pod_ranges=inputs.declarations.config.pod_ranges,
        owner_of=owners.owner_of,
    )


def _remotes(underlay: Underlay, allotment: Allotment) -> Mapping[NodeName, RemoteNode]:
    numbered = allotment.allocations.nodes
    return {
        name: RemoteNode(number=numbered[name].number, name=name, address=address)
        for name, address in underlay.addresses.items()
        if name in numbered
    }


def _changed_remotes(
    before: Mapping[NodeName, RemoteNode], after: Mapping[NodeName, RemoteNode]
) -> frozenset[NodeName]:
    if before is after:
        return frozenset()
    return frozenset(name for name in {**before, **after} if before.get(name) != after.get(name))


def _differences(
    before: Allocations, after: Allocations
) -> tuple[frozenset[ObjectName], Mapping[NodeName, list[Prefix]]]:
    """Networks whose allocation is another, and the blocks that each node got or lost."""
    changed: set[ObjectName] = set()
    blocks: dict[NodeName, list[Prefix]] = {}
    if before is after:
        return frozenset(), blocks
    for name in {**before.networks, **after.networks}:
        old, new = before.networks.get(name), after.networks.get(name)
        if old is not new:
            changed.add(name)
            for prefix, node in _regrounded(_in_force(old), _in_force(new)):
                blocks.setdefault(node, []).append(prefix)
    return frozenset(changed), blocks


def _in_force(entry: NetworkAllocation | None) -> Mapping[Prefix, NodeName]:
    return entry.blocks if entry is not None and entry.retired_in is None else {}


def _regrounded(
    before: Mapping[Prefix, NodeName], after: Mapping[Prefix, NodeName]
) -> Iterable[tuple[Prefix, NodeName]]:
    if not before or not after:
        return (before or after).items()
    return before.items() ^ after.items()


def _strayed(
    placement: Placement, pods: Mapping[ObjectName, Pod], blocks: Mapping[NodeName, list[Prefix]]
) -> Iterator[ObjectName]:
    """Pods whose address is in a block that their node got or lost."""
    for node, prefixes in blocks.items():
        ranges = {
            version: Ranges(sorted(span(prefix) for prefix in prefixes if prefix.version == version))
            for version in (4, 6)
        }
        for name in placement.seats.get(node, ()):
            for address in pods[name].addresses:
                value = int(address)
                if ranges[address.version].end_of_overlap(value, value) is not None:
                    yield name
