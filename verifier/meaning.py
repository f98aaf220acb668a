"""What may be, from declarations, inventory and the written rules; of allocations only numbers and blocks.

Nothing here knows how it is done: no plan, no device, no rule. Quadratic where that is plainer. The judge
compares what packets do with this, and tests compare it with the compiler's own understanding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.allocations import Allocations
from compiler.inventory import Inventory, Node
from compiler.model import (
    Address,
    ClusterConfig,
    Declarations,
    Egress,
    InfrastructureKeyword,
    InfrastructurePlace,
    Prefix,
    VirtualNetwork,
)
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.problem import Origin
from verifier.seating import Blocks, Seating, blocks_by_node, seating
from verifier.service_meaning import Place, ServiceMeaning, service_meaning
from verifier.talking import Talking, talking

MOST_BACKENDS = 1024
"""Of more, a Service balances over this many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeantNetwork:
    number: NetworkNumber
    declared: VirtualNetwork
    peers: frozenset[NetworkNumber]
    """Networks that it may talk to, itself not among them."""
    domain: frozenset[NetworkNumber]
    """Its routing domain, itself among them."""
    blocks: Mapping[NodeName, tuple[Prefix, ...]]
    infrastructure: frozenset[Place]
    """What it reaches of the default network, in its own families."""
    services: frozenset[ObjectName]
    """The Services on its infrastructure list."""

    @property
    def name(self) -> ObjectName:
        return self.declared.name

    @property
    def reach(self) -> frozenset[NetworkNumber]:
        return self.peers | {self.number}

    @property
    def may_leave(self) -> bool:
        return self.declared.egress is Egress.SNAT

    @property
    def versions(self) -> frozenset[int]:
        return frozenset(subnet.prefix.version for subnet in self.declared.subnets)


@dataclass(frozen=True, kw_only=True, slots=True)
class MeantNode:
    name: NodeName
    number: NodeNumber
    underlay: Address
    """By which the other nodes reach it."""
    addresses: tuple[Address, ...]
    present: frozenset[NetworkNumber]
    """Networks with a pod here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a Service is for one client."""

    service: ObjectName
    backends: frozenset[tuple[Address, int]]


Answers = Mapping[Place, Answer]


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    declarations: Declarations
    talking: Talking
    seats: Seating
    networks: Mapping[NetworkNumber, MeantNetwork]
    nodes: Mapping[NodeName, MeantNode]
    """Those that take part."""
    services: ServiceMeaning
    _answers: dict[tuple[NodeName | None, NetworkNumber], Answers] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def config(self) -> ClusterConfig:
        return self.declarations.config

    def host_links(self, family: int) -> Prefix:
        """Network N has the addresses 2N, outside its VRF, and 2N + 1, inside, from the first one."""
        return self.config.host_links_v4 if family == 4 else self.config.host_links_v6

    def visible(self, node: NodeName) -> frozenset[NetworkNumber]:
        """The networks whose packets the node has to do with: those present, and whom they may talk to."""
        present = self.nodes[node].present
        return present.union(*(self.networks[number].peers for number in present))

    def known_to(self, node: NodeName) -> frozenset[NodeName]:
        """The other nodes that have blocks of a network visible here."""
        return frozenset(
            other
            for number in self.visible(node)
            for other in self.networks[number].blocks
            if other != node and other in self.nodes
        )

    def takers_of(self, node: NodeName) -> frozenset[NodeName]:
        """The other nodes that take VXLAN packets of this one: it has blocks of a network visible there."""
        held = (number for number, network in self.networks.items() if node in network.blocks)
        reach = frozenset().union(*(self.networks[number].reach for number in held))
        return frozenset(
            name for name, other in self.nodes.items() if name != node and not reach.isdisjoint(other.present)
        )

    def answers(self, node: NodeName, client: NetworkNumber) -> Answers:
        """Every place of a Service that answers the clients of a network on a node.

        DEFAULT_NETWORK asks only Services that have endpoints there and in networks, at their cluster
        addresses: the others are none of ours.
        """
        key = (node if self.services.local_only else None, client)
        if key not in self._answers:
            self._answers[key] = self._answers_of(node, client)
        return self._answers[key]

    def _answers_of(self, node: NodeName, client: NetworkNumber) -> Answers:
        found: dict[Place, Answer] = {}
        network = self.networks[client] if client != DEFAULT_NETWORK else None
        within = network.reach if network else frozenset((DEFAULT_NETWORK,))
        also = within | {DEFAULT_NETWORK}
        by_network = self.services.by_network
        for at in sorted({at for number in also for at in by_network.get(number, ())}):
            port = self.services.ports[at]
            asked = also if network and port.service in network.services else within
            backends = port.seen_by(asked, node)
            for place in port.places if backends else ():
                if network or self._is_for_outsiders(place.address, port.service):
                    found.setdefault(place, Answer(service=port.service, backends=backends))
        return found

    def _is_for_outsiders(self, address: Address, service: ObjectName) -> bool:
        closure = self.services.closed.get(address)
        mixed = closure is not None and (service, True) in zip(closure.services, closure.mixed, strict=True)
        return mixed and any(address in prefix for prefix in self.config.service_ranges)

    def origins(self, *networks: NetworkNumber) -> tuple[Origin, ...]:
        """Where these networks are declared, and the routers between every two of them."""
        known = [self.networks[number] for number in networks if number in self.networks]
        found = [network.declared.origin for network in known]
        for one in known:
            for other in known:
                found += [router.origin for router in self.talking.routers_between(one.name, other.name)]
        return tuple(dict.fromkeys(found))


def meaning_of(declarations: Declarations, inventory: Inventory, allocations: Allocations) -> Meaning:
    """`allocations` must hold a number for every declared network: those that a compilation returns do."""
    numbers = {network.name: allocations.networks[network.name].number for network in declarations.networks}
    blocks = blocks_by_node(declarations, allocations)
    seats = seating(declarations, inventory, blocks)
    node_numbers = _node_numbers(inventory.nodes, allocations)
    services = service_meaning(declarations, inventory, seats, numbers, node_numbers)
    held = _by_network(blocks)
    who = talking(declarations, inventory.namespaces)
    return Meaning(
        declarations=declarations,
        talking=who,
        seats=seats,
        networks={
            numbers[network.name]: _network(
                network, declarations.config, numbers, who, held.get(network.name, {}), services
            )
            for network in declarations.networks
        },
        nodes=_nodes(inventory, node_numbers, seats, numbers),
        services=services,
    )


def _network(
    network: VirtualNetwork,
    config: ClusterConfig,
    numbers: Mapping[ObjectName, NetworkNumber],
    who: Talking,
    blocks: Mapping[NodeName, tuple[Prefix, ...]],
    services: ServiceMeaning,
) -> MeantNetwork:
    listed, places = _infrastructure(network, config)
    for name in listed:
        places |= services.outside.get(name, frozenset())
    families = {subnet.prefix.version for subnet in network.subnets}
    return MeantNetwork(
        number=numbers[network.name],
        declared=network,
        peers=frozenset(numbers[peer] for peer in who.peers[network.name]),
        domain=frozenset(numbers[mate] for mate in who.domains[network.name]),
        blocks=blocks,
        infrastructure=frozenset(place for place in places if place.address.version in families),
        services=listed,
    )


def _by_network(blocks: Blocks) -> Mapping[ObjectName, Mapping[NodeName, tuple[Prefix, ...]]]:
    found: dict[ObjectName, dict[NodeName, tuple[Prefix, ...]]] = {}
    for node, some in blocks.items():
        for prefix, network in some.items():
            held = found.setdefault(network, {})
            held[node] = (*held.get(node, ()), prefix)
    return found


def _infrastructure(
    network: VirtualNetwork, config: ClusterConfig
) -> tuple[frozenset[ObjectName], frozenset[Place]]:
    """The Services on its list, and the plain places that ClusterConfig gives."""
    listed: set[ObjectName] = set()
    plain: set[Place] = set()
    for entry in network.infrastructure:
        if isinstance(entry, ObjectName):
            listed.add(entry)
            continue
        where: InfrastructurePlace = config.dns if entry is InfrastructureKeyword.DNS else config.api
        if where.service is not None:
            listed.add(where.service)
        plain |= {Place(address, *port) for address in where.addresses for port in where.ports}
    return frozenset(listed), frozenset(plain)


def _node_numbers(nodes: Mapping[NodeName, Node], allocations: Allocations) -> Mapping[NodeName, NodeNumber]:
    """Of the nodes that take part: they have a number, and an address by which the others reach them."""
    return {
        name: allocations.nodes[name].number
        for name in _underlay(nodes)
        if name in allocations.nodes and allocations.nodes[name].retired_in is None
    }


def _underlay(nodes: Mapping[NodeName, Node]) -> Mapping[NodeName, Address]:
    """One family for all: IPv6 only where every node has that and not every node has IPv4."""
    first = {
        version: {
            name: next(a for a in node.addresses if a.version == version)
            for name, node in nodes.items()
            if any(a.version == version for a in node.addresses)
        }
        for version in (4, 6)
    }
    reporting = {name for name, node in nodes.items() if node.addresses}
    return first[6] if first[6].keys() == reporting != first[4].keys() else first[4]


def _nodes(
    inventory: Inventory,
    node_numbers: Mapping[NodeName, NodeNumber],
    seats: Seating,
    numbers: Mapping[ObjectName, NetworkNumber],
) -> Mapping[NodeName, MeantNode]:
    underlay = _underlay(inventory.nodes)
    present: dict[NodeName, set[NetworkNumber]] = {name: set() for name in node_numbers}
    for pod in inventory.pods.values():
        seat = seats.seat_of(pod)
        if isinstance(seat, ObjectName) and pod.node in present:
            present[pod.node].add(numbers[seat])
    return {
        name: MeantNode(
            name=name,
            number=number,
            underlay=underlay[name],
            addresses=inventory.nodes[name].addresses,
            present=frozenset(present[name]),
        )
        for name, number in node_numbers.items()
    }
