"""Entries of `infrastructure` that open nothing: what they name has no endpoint that a network can use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import nsmallest

from compiler.catalogue import found
from compiler.infrastructure import place_of, service_of
from compiler.model import ClusterConfig, InfrastructureService, VirtualNetwork
from compiler.names import ObjectName
from compiler.problem import Problem
from compiler.services import CompiledService

NAMED = 3
"""So many networks a message names."""

Compiled = Mapping[ObjectName, CompiledService]


def idle_infrastructure(
    networks: Iterable[VirtualNetwork], config: ClusterConfig, services: Compiled
) -> tuple[Problem, ...]:
    """One problem for each Service on a network's list; one for DNS, and one for the API server, in all."""
    versions: dict[InfrastructureService, frozenset[int]] = {}
    idle: dict[InfrastructureService, list[VirtualNetwork]] = {}
    for network in networks:
        families = {subnet.prefix.version for subnet in network.subnets}
        for entry in network.infrastructure:
            if entry not in versions:
                versions[entry] = _versions(entry, config, services)
            if versions[entry].isdisjoint(families) and _is_there(entry, config, services):
                idle.setdefault(entry, []).append(network)
    problems: list[Problem] = []
    for entry, concerned in idle.items():
        why = _why(entry, config, services, versions[entry])
        if isinstance(entry, ObjectName):
            problems += [_listed(network, entry, why) for network in concerned]
        else:
            problems.append(_of_the_cluster(concerned, entry, why, config))
    return tuple(problems)


def _versions(entry: InfrastructureService, config: ClusterConfig, services: Compiled) -> frozenset[int]:
    """The IP versions in which it can be reached."""
    place, service = place_of(entry, config), service_of(entry, config)
    addresses = {address.version for address in place.addresses} if place is not None else set()
    compiled = services.get(service) if service is not None else None
    return frozenset(addresses | {one.address.version for one in (compiled.access if compiled else ())})


def _is_there(entry: InfrastructureService, config: ClusterConfig, services: Compiled) -> bool:
    """Of a Service that is not, ATL314 and ATL315 tell."""
    place, service = place_of(entry, config), service_of(entry, config)
    return service in services if service is not None else bool(place and place.addresses)


def _why(
    entry: InfrastructureService, config: ClusterConfig, services: Compiled, versions: frozenset[int]
) -> str:
    service = service_of(entry, config)
    if versions:
        return f"is reached by {' and '.join(f'IPv{version}' for version in sorted(versions))} alone"
    isolated = services[service].isolated if service is not None else None
    if isolated is not None and not isolated.mixed:
        return "has endpoints in networks alone, and infrastructure is what the default network has"
    return "has no endpoint in the default network that serves"


def _listed(network: VirtualNetwork, service: ObjectName, why: str) -> Problem:
    return found(
        "ATL318",
        origin=network.origin,
        subject=f"VirtualNetwork {network.name}",
        reason=f"its infrastructure lists Service {service} in vain: that {why}",
    )


def _of_the_cluster(
    networks: list[VirtualNetwork], keyword: InfrastructureService, why: str, config: ClusterConfig
) -> Problem:
    service = service_of(keyword, config)
    what = f"its {keyword}, Service {service}," if service is not None else f"its {keyword}"
    named = ", ".join(str(name) for name in nsmallest(NAMED, (network.name for network in networks)))
    more = f" and {len(networks) - NAMED} more" if len(networks) > NAMED else ""
    count = "1 network lists" if len(networks) == 1 else f"{len(networks)} networks list"
    return found(
        "ATL318",
        origin=config.origin,
        subject="ClusterConfig",
        reason=f"{what} {why}, so {count} it in vain: {named}{more}",
        remedy=f"Let spec.{keyword} of the ClusterConfig be reached in the family of these networks, or "
        f"leave {keyword} out of their spec.infrastructure.services",
    )
