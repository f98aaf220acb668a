"""The pieces of the default network that a network may reach: DNS, the API server, named Services.

A network reaches the endpoints that these have in the default network, and the plain addresses that
ClusterConfig gives for DNS and the API server. It never reaches another network this way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compiler.catalogue import found
from compiler.inventory import Service
from compiler.model import (
    ClusterConfig,
    InfrastructureKeyword,
    InfrastructurePlace,
    InfrastructureService,
    VirtualNetwork,
)
from compiler.names import NetworkNumber, ObjectName
from compiler.plan import Access
from compiler.problem import Problem, in_reading_order
from compiler.services import CompiledService, access_order


def infrastructure_services(network: VirtualNetwork, config: ClusterConfig) -> tuple[ObjectName, ...]:
    """The Services on the network's list, keywords resolved, by name."""
    named = {service_of(entry, config) for entry in network.infrastructure}
    return tuple(sorted(name for name in named if name is not None))


def infrastructure_users(
    networks: Iterable[VirtualNetwork], config: ClusterConfig, numbers: Mapping[ObjectName, NetworkNumber]
) -> Mapping[ObjectName, tuple[NetworkNumber, ...]]:
    """For each Service on any list, the networks that list it: `infrastructure_of` of its plans."""
    users: dict[ObjectName, list[NetworkNumber]] = {}
    for network in networks:
        for service in infrastructure_services(network, config):
            users.setdefault(service, []).append(numbers[network.name])
    return {service: tuple(sorted(users[service])) for service in sorted(users)}


def access_of(
    network: VirtualNetwork, config: ClusterConfig, services: Mapping[ObjectName, CompiledService]
) -> tuple[Access, ...]:
    """What the network reaches through its host link, in the families of its subnets, sorted."""
    families = {subnet.prefix.version for subnet in network.subnets}
    found: set[Access] = set()
    for service in infrastructure_services(network, config):
        if service in services:
            found.update(services[service].access)
    for entry in network.infrastructure:
        place = place_of(entry, config)
        if place is not None:
            found.update(
                Access(address=address, protocol=protocol, port=port)
                for address in place.addresses
                for protocol, port in place.ports
            )
    return tuple(sorted((one for one in found if one.address.version in families), key=access_order))


def infrastructure_problems(
    networks: Iterable[VirtualNetwork], config: ClusterConfig, services: Mapping[ObjectName, Service]
) -> tuple[Problem, ...]:
    """A warning for each entry, and each keyword's Service, that the inventory does not hold."""
    problems = []
    for network in networks:
        for entry in network.infrastructure:
            service = service_of(entry, config)
            if service is not None and service not in services:
                problems.append(_unknown(network, entry, service, config))
    return in_reading_order(problems)


def place_of(entry: InfrastructureService, config: ClusterConfig) -> InfrastructurePlace | None:
    match entry:
        case InfrastructureKeyword.DNS:
            return config.dns
        case InfrastructureKeyword.API:
            return config.api
        case _:
            return None


def service_of(entry: InfrastructureService, config: ClusterConfig) -> ObjectName | None:
    place = place_of(entry, config)
    if place is not None:
        return place.service
    assert isinstance(entry, ObjectName)
    return entry


def _unknown(
    network: VirtualNetwork, entry: InfrastructureService, service: ObjectName, config: ClusterConfig
) -> Problem:
    if isinstance(entry, ObjectName):
        return found(
            "ATL314",
            origin=network.origin,
            subject=f"VirtualNetwork {network.name}",
            reason=f"its infrastructure lists Service {service}, which the cluster does not have",
        )
    # One mistake in ClusterConfig, not one in each network: repeats fall together.
    return found(
        "ATL315",
        origin=config.origin,
        subject="ClusterConfig",
        reason=f"its {entry} is Service {service}, which the cluster does not have",
        remedy=f"Correct spec.{entry}.service, or give spec.{entry} addresses and ports in its place",
    )
