"""One Service and its slices become shared plans, one for each port and address family.

A backend carries the network of its pod, so that each client network's view of the Service is a
choice among the backends, made later. Ready backends are kept, and so are those that still serve
while they terminate, which kube-proxy uses only when none is ready (KEP-1669).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from compiler.inventory import Endpoint, EndpointSlice, Service, ServicePort
from compiler.membership import Refusal
from compiler.model import Address
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.plan import Access, Backend, IsolatedService, ServicePlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What the endpoints of a Service refer to."""

    network_of: Callable[[ObjectName], NetworkNumber | Refusal | None]
    """Of a pod; DEFAULT_NETWORK outside networks, None for a pod that the inventory does not hold."""
    node_numbers: Mapping[NodeName, NodeNumber]
    node_addresses: Collection[Address]
    """A pod that the inventory does not hold, at one of these, is on its host's network: default."""
    is_claimed: Callable[[Address], bool]
    """Whether it is a pod's, a cluster address of Services, or a host link's: never an external address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Excluded:
    """A pod behind a Service that gets none of its traffic."""

    pod: ObjectName
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledService:
    name: ObjectName
    plans: tuple[ServicePlan, ...] = ()
    """By port name, protocol and family; none for a headless Service or a port without backends."""
    isolated: IsolatedService | None = None
    """None without endpoints in networks. Readiness does not matter here: it must not open anything."""
    access: tuple[Access, ...] = ()
    """Endpoints in the default network, those of headless Services included."""
    excluded: tuple[Excluded, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    """One endpoint behind one port of the Service."""

    port: ServicePort
    backend: Backend
    usable: bool


def compile_service(
    service: Service,
    slices: Iterable[EndpointSlice],
    surroundings: Surroundings,
    infrastructure_of: tuple[NetworkNumber, ...] = (),
) -> CompiledService:
    """Everything that plans say of the Service; `slices` are its own, in any order."""
    excluded: dict[ObjectName, str] = {}
    targets = tuple(_targets(service, slices, surroundings, excluded))
    usable = tuple(target for target in targets if target.usable)
    answering = _addresses(service, surroundings)
    return CompiledService(
        name=service.name,
        plans=_plans(service, answering, usable, infrastructure_of),
        isolated=_isolated(service, answering, targets, surroundings.node_addresses),
        access=_access(usable),
        excluded=tuple(Excluded(pod=pod, reason=excluded[pod]) for pod in sorted(excluded)),
    )


def _targets(
    service: Service,
    slices: Iterable[EndpointSlice],
    surroundings: Surroundings,
    excluded: dict[ObjectName, str],
) -> Iterator[_Target]:
    """A slice's ports are matched by name and protocol, as the EndpointSlice API pairs them."""
    ports = {(port.name, port.protocol): port for port in service.ports}
    for some in slices:
        matching = [
            (ports[name, protocol], number)
            for name, protocol, number in some.ports
            if (name, protocol) in ports
        ]
        for endpoint in some.endpoints:
            network = _network_of(endpoint, surroundings, excluded)
            if network is None:
                continue
            for port, number in matching:
                yield _target(endpoint, network, port, number, surroundings)


def _target(
    endpoint: Endpoint,
    network: NetworkNumber,
    port: ServicePort,
    number: int,
    surroundings: Surroundings,
) -> _Target:
    node = surroundings.node_numbers.get(endpoint.node) if endpoint.node else None
    backend = Backend(
        network=network, node=node, address=endpoint.addresses[0], port=number, ready=endpoint.ready
    )
    return _Target(
        port=port,
        backend=backend,
        usable=endpoint.ready or (endpoint.serving and endpoint.terminating),
    )


def _network_of(
    endpoint: Endpoint, surroundings: Surroundings, excluded: dict[ObjectName, str]
) -> NetworkNumber | None:
    """The addresses of an endpoint are interchangeable; like kube-proxy, only the first is used."""
    if not endpoint.addresses:
        return None
    if endpoint.pod is None:
        return DEFAULT_NETWORK
    found = surroundings.network_of(endpoint.pod)
    if isinstance(found, Refusal):
        excluded[endpoint.pod] = str(found)
        return None
    if found is None and endpoint.addresses[0] in surroundings.node_addresses:
        return DEFAULT_NETWORK
    if found is None:
        excluded[endpoint.pod] = "the inventory does not hold the pod, so its network is unknown"
    return found


def _plans(
    service: Service,
    answering: Collection[Address],
    usable: Iterable[_Target],
    infrastructure_of: tuple[NetworkNumber, ...],
) -> tuple[ServicePlan, ...]:
    addresses = {
        version: tuple(sorted({a for a in answering if a.version == version}, key=int)) for version in (4, 6)
    }
    backends: dict[tuple[str, str, int], list[Backend]] = {}
    for target in usable:
        version = target.backend.address.version
        if addresses[version]:
            key = (target.port.name, target.port.protocol, version)
            backends.setdefault(key, []).append(target.backend)
    ports = {(port.name, port.protocol): port for port in service.ports}
    return tuple(
        ServicePlan(
            name=service.name,
            port_name=name,
            addresses=addresses[version],
            protocol=protocol,
            port=ports[name, protocol].port,
            client_affinity=service.client_affinity,
            local_only=service.internal_local,
            backends=_without_repeats(some),
            infrastructure_of=infrastructure_of,
        )
        for (name, protocol, version), some in sorted(backends.items())
    )


def _addresses(service: Service, surroundings: Surroundings) -> tuple[Address, ...]:
    """None of a headless Service: kube-proxy does not answer for its external addresses either.

    Anyone who may write a Service chooses its external addresses (CVE-2020-8554): one that belongs to
    something else would take DNS, or another network's pods, away from everybody.
    """
    if not service.cluster_addresses:
        return ()
    external = (a for a in service.external_addresses if not surroundings.is_claimed(a))
    return (*service.cluster_addresses, *external)


def _without_repeats(backends: Iterable[Backend]) -> tuple[Backend, ...]:
    """One backend for each place: while slices are rewritten, an endpoint can be in two of them."""
    places: dict[tuple[NetworkNumber, Address, int], Backend] = {}
    for backend in sorted(backends, key=_order):
        places.setdefault((backend.network, backend.address, backend.port), backend)
    return tuple(places.values())


def _order(backend: Backend) -> tuple[int, int, int, bool, int]:
    """Of repeats the ready one comes first, then the one whose node is known."""
    node = backend.node if backend.node is not None else 1 << 16
    return backend.network, int(backend.address), backend.port, not backend.ready, node


def _isolated(
    service: Service,
    answering: Collection[Address],
    targets: Iterable[_Target],
    node_addresses: Collection[Address],
) -> IsolatedService | None:
    """Closed is the whole address, so never a node's: the node has other things to say there."""
    networks_behind: dict[ServicePort, set[NetworkNumber]] = {}
    for target in targets:
        networks_behind.setdefault(target.port, set()).add(target.backend.network)
    everywhere = frozenset[NetworkNumber]().union(*networks_behind.values())
    if not service.cluster_addresses or not everywhere - {DEFAULT_NETWORK}:
        return None
    return IsolatedService(
        name=service.name,
        addresses=tuple(
            sorted(
                {address for address in answering if address not in node_addresses},
                key=lambda a: (a.version, int(a)),
            )
        ),
        node_ports=tuple(
            sorted(
                (port.protocol, port.node_port)
                for port, networks in networks_behind.items()
                if port.node_port is not None and DEFAULT_NETWORK not in networks
            )
        ),
        mixed=DEFAULT_NETWORK in everywhere,
    )


def _access(usable: Iterable[_Target]) -> tuple[Access, ...]:
    """Draining endpoints stay: the forward chain is stateless, and their connections may end in peace."""
    found = {
        Access(address=target.backend.address, protocol=target.port.protocol, port=target.backend.port)
        for target in usable
        if target.backend.network == DEFAULT_NETWORK
    }
    return tuple(sorted(found, key=access_order))


def access_order(access: Access) -> tuple[int, int, str, int]:
    return access.address.version, int(access.address), access.protocol, access.port
