"""The facts about the cluster that a compilation needs, as small structs.

`compiler.kubectl` reads them from what `kubectl get -o json` prints; the cluster watch builds the
same structs. Only what a compilation depends on is kept: the smaller a fact, the fewer recompiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.model import Address, Prefix
from compiler.names import NodeName, ObjectName


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    name: NodeName
    addresses: tuple[Address, ...]
    """InternalIP addresses, then ExternalIP, in the order of the node's status."""
    external: frozenset[Address] = frozenset()
    """Those of them that are no InternalIP."""
    pod_ranges: tuple[Prefix, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Namespace:
    name: str
    labels: Mapping[str, str]
    network: str | None = None
    """The network annotation, as written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """A pod that holds, or will hold, an address: not finished, not on the host's network."""

    name: ObjectName
    uid: str
    node: NodeName | None
    network: str | None = None
    """The network annotation, as written; None leaves the choice to the namespace."""
    addresses: tuple[Address, ...] = ()
    """As reported in its status; empty until it runs."""
    asked: str | None = None
    """The annotation atoll.dev/ip, as written: the addresses that it asks for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServicePort:
    name: str
    """"" where the Service has a single unnamed port."""
    protocol: str
    """"TCP", "UDP" or "SCTP"."""
    port: int
    node_port: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    name: ObjectName
    cluster_addresses: tuple[Address, ...]
    """Empty for a headless Service, which only DNS answers."""
    external_addresses: tuple[Address, ...] = ()
    """External IPs and load balancer addresses."""
    ports: tuple[ServicePort, ...] = ()
    client_affinity: bool = False
    """sessionAffinity: ClientIP."""
    internal_local: bool = False
    """internalTrafficPolicy: Local."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One endpoint of an EndpointSlice. Its ports are the slice's, target port names resolved there."""

    addresses: tuple[Address, ...]
    node: NodeName | None
    pod: ObjectName | None
    """targetRef, where it is a Pod."""
    ready: bool
    serving: bool
    terminating: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointSlice:
    name: ObjectName
    service: ObjectName
    ports: tuple[tuple[str, str, int], ...]
    """Port name, protocol, number."""
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """Everything, by name. The mappings are not to be changed by whoever holds the inventory."""

    nodes: Mapping[NodeName, Node] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    pods: Mapping[ObjectName, Pod] = field(default_factory=dict)
    services: Mapping[ObjectName, Service] = field(default_factory=dict)
    slices: Mapping[ObjectName, EndpointSlice] = field(default_factory=dict)
    wanted: Mapping[NodeName, Mapping[ObjectName, int]] = field(default_factory=dict)
    """By node and network: the addresses that the node's agent needs, where its blocks are full."""
