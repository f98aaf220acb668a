"""The pieces of the default network that a network may reach: DNS, the API server, named Services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compiler.inventory import Service
from compiler.model import ClusterConfig, VirtualNetwork
from compiler.names import NetworkNumber, ObjectName
from compiler.plan import Access
from compiler.problem import Problem
from compiler.services import CompiledService


def infrastructure_services(network: VirtualNetwork, config: ClusterConfig) -> tuple[ObjectName, ...]:
    """The Services on the network's list, keywords resolved, by name."""
    raise NotImplementedError


def infrastructure_users(
    networks: Iterable[VirtualNetwork], config: ClusterConfig, numbers: Mapping[ObjectName, NetworkNumber]
) -> Mapping[ObjectName, tuple[NetworkNumber, ...]]:
    """For each Service on any list, the networks that list it: `infrastructure_of` of its plans."""
    raise NotImplementedError


def access_of(
    network: VirtualNetwork, config: ClusterConfig, services: Mapping[ObjectName, CompiledService]
) -> tuple[Access, ...]:
    """What the network reaches through its host link, in the families of its subnets, sorted."""
    raise NotImplementedError


def infrastructure_problems(
    networks: Iterable[VirtualNetwork], config: ClusterConfig, services: Mapping[ObjectName, Service]
) -> tuple[Problem, ...]:
    """A warning for each entry whose Service the inventory does not hold."""
    raise NotImplementedError
