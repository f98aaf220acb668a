"""What Services mean to those who ask them, from Services and EndpointSlices alone.

A client in network U is answered by the endpoints in U and in networks that U may talk to, and by those in
the default network where U lists the Service as infrastructure. Ready endpoints answer; where a client
sees none, those that still serve while they terminate (KEP-1669). A Service with any endpoint in a
network, ready or not, is closed to everyone else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from compiler.inventory import Endpoint, EndpointSlice, Inventory, Service, ServicePort
from compiler.model import Address, Declarations
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, NodeNumber, ObjectName
from verifier.seating import Outside, Seating


class Place(NamedTuple):
    """Where a connection goes. `protocol` is "TCP", "UDP" or "SCTP"."""

    address: Address
    protocol: str
    port: int

    def __str__(self) -> str:
        address = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.protocol} {address}:{self.port}"


class Backing(NamedTuple):
    """One endpoint behind one port."""

    network: NetworkNumber
    """DEFAULT_NETWORK outside networks."""
    address: Address
    port: int
    node: NodeName | None
    ready: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferedPort:
    """One port of one Service in one family, for everyone who may ask."""

    service: ObjectName
    places: tuple[Place, ...]
    backings: tuple[Backing, ...]
    local_only: bool

    def seen_by(
        self, networks: Collection[NetworkNumber], node: NodeName | None
    ) -> frozenset[tuple[Address, int]]:
        """Over which places it balances for a client on the node that may reach these networks."""
        seen = [
            backing
            for backing in self.backings
            if backing.network in networks and (not self.local_only or backing.node == node)
        ]
        ready = [backing for backing in seen if backing.ready]
        return frozenset((backing.address, backing.port) for backing in ready or seen)


@dataclass(frozen=True, kw_only=True, slots=True)
class Closure:
    """An address of Services of networks, as everyone else meets it."""

    services: tuple[ObjectName, ...]
    mixed: tuple[bool, ...]
    """Of each, whether endpoints of the default network are behind it as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceMeaning:
    ports: tuple[OfferedPort, ...]
    """By Service, port name, protocol and family: where two share a place, the first that answers does."""
    closed: Mapping[Address, Closure]
    closed_ports: Mapping[tuple[str, int], tuple[ObjectName, ...]]
    """Node ports that lead into networks only."""
    outside: Mapping[ObjectName, frozenset[Place]]
    """Endpoints of the default network: what a Service opens as infrastructure."""
    by_network: Mapping[NetworkNumber, tuple[int, ...]]
    """Positions in `ports` of those with endpoints in a network, DEFAULT_NETWORK among them."""
    local_only: bool
    """Whether any port answers by endpoints of the client's own node alone."""


def service_meaning(
    declarations: Declarations,
    inventory: Inventory,
    seats: Seating,
    numbers: Mapping[ObjectName, NetworkNumber],
    node_numbers: Mapping[NodeName, NodeNumber],
) -> ServiceMeaning:
    reader = _Reader(
        inventory=inventory,
        seats=seats,
        numbers=numbers,
        node_numbers=node_numbers,
        node_addresses=frozenset(a for node in inventory.nodes.values() for a in node.addresses),
        is_taken=_taken(declarations),
    )
    slices: dict[ObjectName, list[EndpointSlice]] = {}
    for some in inventory.slices.values():
        slices.setdefault(some.service, []).append(some)
    read = [
        reader.read(inventory.services[name], slices.get(name, ())) for name in sorted(inventory.services)
    ]
    closed: dict[Address, Closure] = {}
    closed_ports: dict[tuple[str, int], tuple[ObjectName, ...]] = {}
    for one in read:
        for address in one.closes:
            before = closed.get(address, Closure(services=(), mixed=()))
            closed[address] = Closure(
                services=(*before.services, one.name), mixed=(*before.mixed, one.is_mixed)
            )
        for port in one.closes_ports:
            closed_ports[port] = (*closed_ports.get(port, ()), one.name)
    ports = tuple(port for one in read for port in one.ports)
    return ServiceMeaning(
        ports=ports,
        closed=closed,
        closed_ports=closed_ports,
        outside={one.name: one.outside for one in read if one.outside},
        by_network=_by_network(ports),
        local_only=any(port.local_only for port in ports),
    )


def _by_network(ports: tuple[OfferedPort, ...]) -> Mapping[NetworkNumber, tuple[int, ...]]:
    found: dict[NetworkNumber, list[int]] = {}
    for at, port in enumerate(ports):
        for number in {backing.network for backing in port.backings}:
            found.setdefault(number, []).append(at)
    return {number: tuple(positions) for number, positions in found.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    name: ObjectName
    ports: tuple[OfferedPort, ...]
    closes: frozenset[Address]
    closes_ports: frozenset[tuple[str, int]]
    is_mixed: bool
    outside: frozenset[Place]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Behind:
    """An endpoint behind a port, whether or not it takes connections."""

    port: ServicePort
    backing: Backing
    serves: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    inventory: Inventory
    seats: Seating
    numbers: Mapping[ObjectName, NetworkNumber]
    node_numbers: Mapping[NodeName, NodeNumber]
    node_addresses: frozenset[Address]
    is_taken: Callable[[Address], bool]

    def read(self, service: Service, slices: Iterable[EndpointSlice]) -> _Read:
        behind = tuple(self._behind(service, slices))
        answering = self._addresses(service)
        networks = {one.backing.network for one in behind}
        own = answering - self.node_addresses if networks - {DEFAULT_NETWORK} else frozenset()
        return _Read(
            name=service.name,
            ports=tuple(self._ports(service, answering, [one for one in behind if one.serves])),
            closes=own,
            closes_ports=frozenset(_closed_ports(behind)) if service.cluster_addresses else frozenset(),
            is_mixed=DEFAULT_NETWORK in networks,
            outside=frozenset(
                Place(one.backing.address, one.port.protocol, one.backing.port)
                for one in behind
                if one.serves and one.backing.network == DEFAULT_NETWORK
            ),
        )

    def _addresses(self, service: Service) -> frozenset[Address]:
        """Nothing of a headless Service. External ones that belong to somebody are not answered."""
        if not service.cluster_addresses:
            return frozenset()
        external = {address for address in service.external_addresses if not self.is_taken(address)}
        return frozenset({*service.cluster_addresses, *external})

    def _behind(self, service: Service, slices: Iterable[EndpointSlice]) -> Iterator[_Behind]:
        for some in slices:
            for endpoint in some.endpoints:
                network = self._network_of(endpoint)
                if network is None:
                    continue
                for port in service.ports:
                    for name, protocol, number in some.ports:
                        if (name, protocol) == (port.name, port.protocol):
                            yield _Behind(
                                port=port,
                                backing=Backing(
                                    network, endpoint.addresses[0], number, endpoint.node, endpoint.ready
                                ),
                                serves=endpoint.ready or (endpoint.serving and endpoint.terminating),
                            )

    def _network_of(self, endpoint: Endpoint) -> NetworkNumber | None:
        """None: nobody knows, or the pod waits; it then gets no traffic."""
        if not endpoint.addresses:
            return None
        if endpoint.pod is None:
            return DEFAULT_NETWORK
        pod = self.inventory.pods.get(endpoint.pod)
        if pod is None:
            return DEFAULT_NETWORK if endpoint.addresses[0] in self.node_addresses else None
        seat = self.seats.seat_of(pod)
        if isinstance(seat, ObjectName):
            return self.numbers[seat]
        return DEFAULT_NETWORK if seat is Outside.DEFAULT else None

    def _ports(
        self, service: Service, answering: frozenset[Address], serving: list[_Behind]
    ) -> Iterator[OfferedPort]:
        for port in sorted(service.ports, key=lambda port: (port.name, port.protocol)):
            for version in (4, 6):
                places = tuple(
                    Place(address, port.protocol, port.port)
                    for address in sorted((a for a in answering if a.version == version), key=int)
                )
                backings = [
                    one.backing
                    for one in serving
                    if one.port is port and one.backing.address.version == version
                ]
                if places and backings:
                    yield OfferedPort(
                        service=service.name,
                        places=places,
                        backings=self._each_once(backings),
                        local_only=service.internal_local,
                    )

    def _each_once(self, backings: Iterable[Backing]) -> tuple[Backing, ...]:
        """While slices are rewritten an endpoint can be in two: ready counts, then a node that is known."""

        def rank(backing: Backing) -> tuple[bool, int]:
            known = self.node_numbers.get(backing.node) if backing.node else None
            return not backing.ready, 1 << 16 if known is None else known

        best: dict[tuple[NetworkNumber, Address, int], Backing] = {}
        for backing in sorted(backings, key=rank):
            best.setdefault((backing.network, backing.address, backing.port), backing)
        return tuple(best.values())


def _closed_ports(behind: Iterable[_Behind]) -> Iterator[tuple[str, int]]:
    """Node ports with endpoints, and none of them in the default network."""
    networks: dict[tuple[str, int], set[NetworkNumber]] = {}
    for one in behind:
        if one.port.node_port is not None:
            networks.setdefault((one.port.protocol, one.port.node_port), set()).add(one.backing.network)
    return (port for port, some in networks.items() if DEFAULT_NETWORK not in some)


def _taken(declarations: Declarations) -> Callable[[Address], bool]:
    """Whoever writes a Service chooses its external addresses (CVE-2020-8554): not those of others."""
    config = declarations.config
    ranges = [*config.pod_ranges, *config.service_ranges, config.host_links_v4, config.host_links_v6]
    ranges += [subnet.prefix for network in declarations.networks for subnet in network.subnets]
    known: dict[Address, bool] = {}

    def is_taken(address: Address) -> bool:
        if address not in known:
            known[address] = any(address in prefix for prefix in ranges)
        return known[address]

    return is_taken
